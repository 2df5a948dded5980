//! Streams that end before their time, on either side, and those that stand still.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::server;
use http::Response;
use tokio::sync::{Notify, oneshot};

use super::super::super::super::testing::{Bench, always, endpoint, request, run};
use super::super::super::super::{Reuse, Sent};
use super::super::{fed, next};
use super::{h2c, reply, serve};
use crate::outcome::Fault;
use crate::snapshot::Backend;

#[test]
fn a_refused_stream_was_not_sent_and_another_reset_may_have_been() {
    run(async {
        for (reason, sent) in [(h2::Reason::REFUSED_STREAM, Sent::Nothing), (h2::Reason::INTERNAL_ERROR, Sent::Maybe)] {
            let address = endpoint(move |stream, _| {
                serve(stream, move |(_, mut respond), _| async move { respond.send_reset(reason) })
            })
            .await;
            let error = Bench::new(h2c(address)).get("/").await.unwrap_err();
            assert_eq!((error.fault, error.sent), (Fault::UpstreamReset, sent));
        }
    });
}

#[test]
fn a_stream_that_breaks_off_is_truncated() {
    run(async {
        for reason in [h2::Reason::INTERNAL_ERROR, h2::Reason::NO_ERROR] {
            // A reset overtakes data that is still in a buffer.
            let heard = Rc::new(Notify::new());
            let break_off = heard.clone();
            let address = endpoint(move |stream, _| {
                let heard = heard.clone();
                serve(stream, move |(_, mut respond), _| {
                    let heard = heard.clone();
                    async move {
                        let head = Response::builder().header("content-length", "10").body(()).unwrap();
                        let mut stream = respond.send_response(head, false).unwrap();
                        stream.send_data(Bytes::from("hello"), false).unwrap();
                        heard.notified().await;
                        stream.send_reset(reason);
                    }
                })
            })
            .await;
            let bench = Bench::new(h2c(address));
            let mut body = bench.get("/").await.unwrap().into_body();
            assert_eq!(next(&mut body).await, Some(Ok(Bytes::from("hello"))));
            break_off.notify_one();
            assert_eq!(next(&mut body).await, Some(Err(Fault::UpstreamTruncated)), "{reason}");
        }
    });
}

#[test]
fn a_connection_that_ends_is_not_the_streams_own_reset() {
    run(async {
        let address = endpoint(|stream, _| async move {
            let mut connection = server::handshake(stream).await.unwrap();
            connection.accept().await.unwrap().unwrap();
        })
        .await;
        let error = Bench::new(h2c(address)).get("/").await.unwrap_err();
        assert_eq!(error.sent, Sent::Maybe);
        assert!(matches!(error.fault, Fault::UpstreamClosed | Fault::UpstreamReset), "{error:?}");
        let address = endpoint(|stream, _| always(stream, "HTTP/1.1 400 Bad Request\r\n\r\n")).await;
        let error = Bench::new(h2c(address)).get("/").await.unwrap_err();
        assert!(matches!(error.fault, Fault::UpstreamProtocol | Fault::UpstreamClosed), "{error:?}");
    });
}

#[test]
fn dropping_a_response_resets_its_stream_and_its_upload_and_nothing_else() {
    run(async {
        let (sender, seen) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let address = endpoint(move |stream, _| {
            let sender = sender.clone();
            serve(stream, move |(request, mut respond), number| {
                let sender = sender.clone();
                async move {
                    if number > 0 {
                        return reply(respond, "fine");
                    }
                    let _stream = respond.send_response(Response::new(()), false).unwrap();
                    let mut upload = request.into_body();
                    let end = loop {
                        match upload.data().await {
                            Some(Ok(_)) => {}
                            Some(Err(error)) => break error.reason(),
                            None => break None,
                        }
                    };
                    sender.take().unwrap().send(end).unwrap();
                }
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        let (feeder, body) = fed();
        feeder.send(Ok(Bytes::from("part"))).await.unwrap();
        let response = bench.send(request("POST", "/", body), Reuse::Any).await.unwrap();
        drop(response);
        assert_eq!(seen.await.unwrap(), Some(h2::Reason::CANCEL));
        assert_eq!(bench.get_text("/").await.1, "fine");
        assert_eq!(bench.counts().0, 1);
    });
}

#[test]
fn a_client_that_breaks_off_is_blamed_itself() {
    run(async {
        let address = endpoint(move |stream, _| {
            serve(stream, |(request, respond), _| async move {
                let mut upload = request.into_body();
                while let Some(Ok(_)) = upload.data().await {}
                drop(respond);
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        let (feeder, body) = fed();
        let feed = async move { feeder.send(Err(Fault::ClientGone)).await.unwrap() };
        let (result, ()) = tokio::join!(bench.send(request("POST", "/", body), Reuse::Any), feed);
        assert_eq!(result.unwrap_err().fault, Fault::ClientGone);
    });
}

#[test]
fn silence_is_a_timeout() {
    run(async {
        let address = endpoint(move |stream, _| {
            serve(stream, |(request, mut respond), _| async move {
                if request.uri().path() == "/head" {
                    let _stream = respond.send_response(Response::new(()), false).unwrap();
                    std::future::pending::<()>().await;
                }
                let _held = respond;
                std::future::pending::<()>().await;
            })
        })
        .await;
        let short = Duration::from_millis(20);
        let bench = Bench::new(Backend { response_timeout: short, idle_timeout: short, ..h2c(address) });
        assert_eq!(bench.get("/").await.unwrap_err().fault, Fault::ResponseTimeout);
        let mut body = bench.get("/head").await.unwrap().into_body();
        assert_eq!(next(&mut body).await, Some(Err(Fault::UpstreamIdle)));
    });
}

#[test]
fn nobody_reads_so_only_a_window_is_buffered() {
    run(async {
        let sent = Rc::new(Cell::new(0));
        let count = sent.clone();
        let address = endpoint(move |stream, _| {
            let count = count.clone();
            serve(stream, move |(request, mut respond), _| {
                let count = count.clone();
                async move {
                    if request.uri().path() == "/small" {
                        return reply(respond, "ok");
                    }
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    loop {
                        stream.reserve_capacity(16 * 1024);
                        let Some(Ok(capacity)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                            return;
                        };
                        count.set(count.get() + capacity);
                        stream.send_data(Bytes::from(vec![7; capacity]), false).unwrap();
                    }
                }
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        let mut slow = Vec::new();
        for _ in 0..20 {
            slow.push(bench.get("/large").await.unwrap());
        }
        // Others on the same connection are not held up by those who do not read.
        assert_eq!(bench.get_text("/small").await.1, "ok");
        assert_eq!(bench.counts().0, 1);
        assert!(sent.get() <= 20 * 64 * 1024, "{} bytes were sent to nobody", sent.get());
    });
}
