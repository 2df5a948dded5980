//! HTTP/2, against servers built on h2 itself, so that they can misbehave.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::super::super::testing::{Authority, Bench, always, backend, endpoint, request, run, text};
use super::super::super::tls::Alpn;
use super::super::super::{RequestBody, Reuse, Sent};
use super::{OK, fed, next};
use crate::outcome::Fault;
use crate::snapshot::{Backend, Protocol};

mod exchanges;

type Incoming = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// An HTTP/2 server: `answer` is run with each request, its number on the connection, and the connection's.
async fn serve<F, T>(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, answer: F)
where
    F: Fn(Incoming, usize) -> T + 'static,
    T: Future<Output = ()> + 'static,
{
    let mut connection = server::handshake(stream).await.unwrap();
    let mut number = 0;
    while let Some(Ok(incoming)) = connection.accept().await {
        tokio::task::spawn_local(answer(incoming, number));
        number += 1;
    }
}

fn reply(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from(body), true).unwrap();
}

fn h2c(address: std::net::SocketAddr) -> Backend {
    Backend { protocol: Protocol::Http2, ..backend(address) }
}

#[test]
fn many_requests_share_one_connection() {
    run(async {
        let connections = Rc::new(Cell::new(0));
        let count = connections.clone();
        let address = endpoint(move |stream, _| {
            count.set(count.get() + 1);
            serve(stream, |(request, respond), _| async move {
                assert_eq!(request.version(), Version::HTTP_2);
                assert_eq!(request.uri(), "http://shop.test/a?b");
                assert!(!request.headers().contains_key("host"));
                reply(respond, "two");
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        // The first finds nothing, and those with it wait for the connection that it opens.
        let get = || bench.get_text("/a?b");
        let all = tokio::join!(get(), get(), get(), get());
        assert_eq!(all.3, (200, "two".to_owned()));
        assert_eq!(get().await.1, "two");
        assert_eq!((connections.get(), bench.counts().0), (1, 1));
    });
}

#[test]
fn grpc_goes_over_http2_and_the_rest_over_http1_where_the_protocol_is_open() {
    run(async {
        let address = endpoint(|stream: TcpStream, _| async move {
            let mut start = [0; 3];
            stream.peek(&mut start).await.unwrap();
            if &start != b"PRI" {
                return always(stream, OK).await;
            }
            serve(stream, |(_, mut respond), _| async move {
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                stream.send_data(Bytes::from("message"), false).unwrap();
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                stream.send_trailers(trailers).unwrap();
            })
            .await;
        })
        .await;
        let bench = Bench::to(address);
        let mut call = request("POST", "/shop.Shop/Buy", RequestBody::full(Bytes::from("call")));
        call.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        let response = bench.send(call, Reuse::Young).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(bench.get("/").await.unwrap().version(), Version::HTTP_11);
        assert_eq!(bench.counts(), (2, 1));
    });
}

#[test]
fn with_tls_alpn_settles_the_protocol() {
    run(async {
        let authority = Authority::new();
        for (offered, version) in [(&b"h2"[..], Version::HTTP_2), (&b"http/1.1"[..], Version::HTTP_11)] {
            let acceptor = authority.server("shop.test", &[offered], false);
            let address = endpoint(move |stream, _| {
                let acceptor = acceptor.clone();
                async move {
                    let mut stream = acceptor.accept(stream).await.unwrap();
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        return serve(stream, |(_, respond), _| async move { reply(respond, "ok") }).await;
                    }
                    while super::read_head(&mut stream).await.is_some() {
                        tokio::io::AsyncWriteExt::write_all(&mut stream, OK.as_bytes()).await.unwrap();
                    }
                }
            })
            .await;
            let bench = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
            let (first, second) = tokio::join!(bench.get("/"), bench.get("/"));
            for response in [first, second, bench.get("/").await] {
                let response = response.unwrap();
                assert_eq!(response.version(), version);
                assert_eq!(text(response).await, "ok");
            }
        }
    });
}

#[test]
fn an_upgrade_is_asked_for_over_http1_even_where_http2_is_spoken() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.server("shop.test", &[b"h2", b"http/1.1"], false);
        let address = endpoint(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return serve(stream, |(_, respond), _| async move { reply(respond, "ok") }).await;
                }
                super::read_head(&mut stream).await.unwrap();
                let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: chat\r\nconnection: upgrade\r\n\r\n";
                tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
            }
        })
        .await;
        let bench = Bench::over_tls(address, authority.client(Alpn::Any), "shop.test");
        assert_eq!(bench.get("/").await.unwrap().version(), Version::HTTP_2);
        let mut chat = request("GET", "/", RequestBody::empty());
        chat.headers_mut().insert("upgrade", "chat".parse().unwrap());
        chat.headers_mut().insert("connection", "upgrade".parse().unwrap());
        assert_eq!(bench.send(chat, Reuse::Any).await.unwrap().status(), 101);
    });
}

#[test]
fn a_full_connection_is_joined_by_another() {
    run(async {
        let gate = Rc::new(Semaphore::new(1));
        let open = gate.clone();
        let address = endpoint(move |stream, _| {
            let gate = gate.clone();
            async move {
                let mut builder = server::Builder::new();
                let mut connection = builder.max_concurrent_streams(2).handshake(stream).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    let gate = gate.clone();
                    tokio::task::spawn_local(async move {
                        gate.acquire().await.unwrap().forget();
                        reply(respond, "ok");
                    });
                }
            }
        })
        .await;
        let bench = Bench::new(h2c(address));
        // One first, so that the connection knows its peer's limit.
        assert_eq!(bench.get_text("/").await.1, "ok");
        let go = async {
            while bench.counts().0 < 2 {
                tokio::task::yield_now().await;
            }
            open.add_permits(3);
        };
        let (a, b, c, ()) = tokio::join!(bench.get_text("/"), bench.get_text("/"), bench.get_text("/"), go);
        assert_eq!([a.1, b.1, c.1], ["ok", "ok", "ok"]);
        assert_eq!(bench.counts().0, 2);
    });
}

#[test]
fn where_no_other_connection_may_be_opened_requests_wait_for_a_stream() {
    run(async {
        let waiting = Rc::new(RefCell::new(Vec::new()));
        let answers = waiting.clone();
        let address = endpoint(move |stream, _| {
            let waiting = waiting.clone();
            async move {
                let mut builder = server::Builder::new();
                let mut connection = builder.max_concurrent_streams(1).handshake(stream).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    waiting.borrow_mut().push(respond);
                }
            }
        })
        .await;
        let bench = Bench::new(Backend { max_connections: 1, max_pending: 1, ..h2c(address) });
        let answer = async || {
            let respond = loop {
                if let Some(respond) = answers.borrow_mut().pop() {
                    break respond;
                }
                tokio::task::yield_now().await;
            };
            reply(respond, "ok");
        };
        let (first, ()) = tokio::join!(bench.get_text("/"), answer());
        assert_eq!(first.1, "ok");
        let go = async {
            assert_eq!(bench.get("/").await.unwrap_err().fault, Fault::Overflow, "one is served, one waits");
            answer().await;
            answer().await;
        };
        let (a, b, ()) = tokio::join!(biased; bench.get_text("/"), bench.get_text("/"), go);
        assert_eq!([a.1, b.1], ["ok", "ok"]);
        assert_eq!(bench.counts().0, 1);
    });
}

#[test]
fn after_goaway_requests_go_to_another_connection_and_those_under_way_to_their_end() {
    run(async {
        let (gate, leaving) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (open, has_left) = (gate.clone(), leaving.clone());
        let address = endpoint(move |stream, number| {
            let (gate, leaving) = (gate.clone(), leaving.clone());
            async move {
                let mut connection = server::handshake(stream).await.unwrap();
                let mut served = 0;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    served += 1;
                    if number == 0 && served > 1 {
                        // It came before the GOAWAY could be heard.
                        respond.send_reset(h2::Reason::REFUSED_STREAM);
                    } else if number == 0 {
                        connection.graceful_shutdown();
                        leaving.notify_one();
                        let gate = gate.clone();
                        tokio::task::spawn_local(async move {
                            gate.notified().await;
                            reply(respond, "old");
                        });
                    } else {
                        reply(respond, "new");
                    }
                }
            }
        })
        .await;
        let bench = Bench::new(h2c(address));
        let later = async {
            has_left.notified().await;
            let answer = loop {
                match bench.get("/").await {
                    Ok(response) => break text(response).await,
                    Err(error) => assert_eq!(error.sent, Sent::Nothing),
                }
            };
            assert_eq!(answer, "new");
            open.notify_one();
        };
        let (first, ()) = tokio::join!(bench.get_text("/"), later);
        assert_eq!(first.1, "old");
    });
}

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
            let mut body = Bench::new(h2c(address)).get("/").await.unwrap().into_body();
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

#[test]
fn a_failed_connection_fails_all_who_waited_for_it() {
    run(async {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bench = Bench::new(h2c(address));
        let (first, second) = tokio::join!(bench.get("/"), bench.get("/"));
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert_eq!((error.fault, error.sent), (Fault::ConnectRefused, Sent::Nothing));
            assert!(error.body.is_some());
        }
    });
}

#[test]
fn idle_connections_are_closed_and_all_end_with_their_worker() {
    run(async {
        let ended = Rc::new(Notify::new());
        let end = ended.clone();
        let address = endpoint(move |stream, _| {
            let end = end.clone();
            async move {
                serve(stream, |(_, respond), _| async move { reply(respond, "ok") }).await;
                end.notify_one();
            }
        })
        .await;
        let bench = Bench::new(Backend { keep_alive: Duration::ZERO, ..h2c(address) });
        assert_eq!(bench.get_text("/").await.1, "ok");
        bench.upstreams.tidy();
        ended.notified().await;
        assert_eq!(bench.counts(), (0, 0));

        let bench = Bench::new(h2c(address));
        assert_eq!(bench.get_text("/").await.1, "ok");
        drop(bench);
        ended.notified().await;
    });
}

#[test]
fn fresh_only_does_not_open_one_for_each_of_many() {
    run(async {
        let address =
            endpoint(move |stream, _| serve(stream, |(_, respond), _| async move { reply(respond, "ok") })).await;
        let bench = Bench::new(h2c(address));
        let fresh = || bench.send(request("GET", "/", RequestBody::empty()), Reuse::FreshOnly);
        let (a, b) = tokio::join!(fresh(), fresh());
        assert!(a.is_ok() && b.is_ok());
        assert_eq!(bench.counts().0, 1);
    });
}
