//! What comes before an answer, and what of a request is still to go when it has begun.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;

use super::super::super::super::testing::{Bench, endpoint, request, run, text};
use super::super::super::super::{Informed, RequestBody, Reuse};
use super::super::{fed, next};
use super::{h2c, reply, serve};
use crate::outcome::Fault;
use crate::snapshot::Backend;

/// A client that keeps what it hears.
#[derive(Debug, Default)]
struct Listener(RefCell<Vec<String>>);

impl Informed for Listener {
    fn inform(&self, status: StatusCode, headers: HeaderMap) {
        let link = headers.get("link").map_or("", |value| value.to_str().unwrap());
        self.0.borrow_mut().push(format!("{status} {link}"));
    }
}

/// Asks an endpoint that says so much before it answers: what the client has heard, and the answer.
async fn heard(said: Vec<u16>) -> (Vec<String>, Result<u16, Fault>) {
    let address = endpoint(move |stream, _| {
        let said = said.clone();
        serve(stream, move |(_, mut respond), _| {
            let said = said.clone();
            async move {
                for (number, status) in said.into_iter().enumerate() {
                    let hint = Response::builder().status(status).header("link", number).body(()).unwrap();
                    respond.send_informational(hint).unwrap();
                }
                reply(respond, "ok");
            }
        })
    })
    .await;
    let client = Rc::new(Listener::default());
    let asked = request("GET", "/", RequestBody::empty().informing(client.clone()));
    let answer = Bench::new(h2c(address)).send(asked, Reuse::Any).await;
    let heard = client.0.borrow().clone();
    (heard, answer.map(|response| response.status().as_u16()).map_err(|error| error.fault))
}

#[test]
fn what_an_endpoint_says_before_its_answer_is_passed_on_in_order_but_for_100() {
    run(async {
        let (heard, answer) = heard(vec![103, 100, 102, 103]).await;
        assert_eq!(heard, ["103 Early Hints 0", "102 Processing 2", "103 Early Hints 3"]);
        assert_eq!(answer, Ok(200));
    });
}

#[test]
fn an_endpoint_that_says_too_much_or_101_before_its_answer_is_malformed() {
    run(async {
        for (said, passed_on, answer) in [
            (vec![103; 16], 16, Ok(200)),
            (vec![103; 17], 16, Err(Fault::UpstreamProtocol)),
            (vec![103, 101], 1, Err(Fault::UpstreamProtocol)),
        ] {
            let (heard, answered) = heard(said).await;
            assert_eq!((heard.len(), answered), (passed_on, answer));
        }
    });
}

#[test]
fn a_body_of_known_length_says_how_much_is_still_to_come() {
    run(async {
        let address = endpoint(|stream, _| {
            serve(stream, |(_, mut respond), _| async move {
                let head = Response::builder().header("content-length", "10").body(()).unwrap();
                let mut stream = respond.send_response(head, false).unwrap();
                stream.send_data(Bytes::from("hello "), false).unwrap();
                stream.send_data(Bytes::from("they"), true).unwrap();
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        let mut body = bench.get("/").await.unwrap().into_body();
        for (left, part) in [(10, "hello "), (4, "they")] {
            assert_eq!(body.size_hint().exact(), Some(left));
            assert_eq!(next(&mut body).await, Some(Ok(Bytes::from(part))));
        }
        assert_eq!((body.size_hint().exact(), next(&mut body).await), (Some(0), None));
    });
}

#[test]
fn an_upload_goes_on_after_the_answer_has_begun_whoever_reads_that() {
    run(async {
        let (sender, seen) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let address = endpoint(move |stream, _| {
            let sender = sender.clone();
            serve(stream, move |(request, mut respond), _| {
                let sender = sender.clone();
                async move {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    let mut upload = request.into_body();
                    let mut length = 0;
                    while let Some(Ok(data)) = upload.data().await {
                        upload.flow_control().release_capacity(data.len()).unwrap();
                        length += data.len();
                    }
                    sender.take().unwrap().send(length).unwrap();
                    stream.send_data(Bytes::from("ok"), true).unwrap();
                }
            })
        })
        .await;
        let (feeder, body) = fed();
        let bench = Bench::new(h2c(address));
        let response = bench.send(request("POST", "/", body), Reuse::Any).await.unwrap();
        for _ in 0..20 {
            feeder.send(Ok(Bytes::from(vec![7; 16 * 1024]))).await.unwrap();
        }
        drop(feeder);
        assert_eq!(seen.await.unwrap(), 20 * 16 * 1024);
        assert_eq!(text(response).await, "ok");
    });
}

#[test]
fn a_dropped_answer_resets_an_upload_that_waits_for_room() {
    run(async {
        let (sender, seen) = oneshot::channel();
        let sender = Rc::new(Cell::new(Some(sender)));
        let address = endpoint(move |stream, _| {
            let sender = sender.clone();
            serve(stream, move |(_request, mut respond), _| {
                let sender = sender.clone();
                async move {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                    sender.take().unwrap().send(reason.unwrap()).unwrap();
                }
            })
        })
        .await;
        let bench = Bench::new(h2c(address));
        let (feeder, body) = fed();
        let response = bench.send(request("POST", "/", body), Reuse::Any).await.unwrap();
        // The first waits in h2, the second for room there; so the third has been let in when the second was taken.
        for _ in 0..3 {
            feeder.send(Ok(Bytes::from(vec![7; 1024 * 1024]))).await.unwrap();
        }
        drop(response);
        assert_eq!(seen.await.unwrap(), h2::Reason::CANCEL);
    });
}

#[test]
fn a_stream_that_is_not_open_yet_leaves_the_body_alone() {
    run(async {
        let address = endpoint(|stream, _| async move {
            let mut builder = h2::server::Builder::new();
            let mut connection = builder.max_concurrent_streams(0).handshake::<_, Bytes>(stream).await.unwrap();
            while let Some(Ok(_)) = connection.accept().await {}
        })
        .await;
        let short = Duration::from_millis(50);
        let bench = Bench::new(Backend { response_timeout: short, idle_timeout: short, ..h2c(address) });
        // One first, so that the connection knows its peer's limit.
        bench.get("/").await.unwrap_err();
        let (feeder, body) = fed();
        feeder.send(Ok(Bytes::from("part"))).await.unwrap();
        let (result, ()) = tokio::join!(bench.send(request("POST", "/", body), Reuse::Any), async {
            assert!(feeder.try_send(Ok(Bytes::from("more"))).is_err(), "the first part was taken");
        });
        assert!(result.is_err());
    });
}
