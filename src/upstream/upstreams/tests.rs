//! HTTP/1.1, against endpoints that follow a script.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::super::testing::{Bench, always, backend, endpoint, read_all, read_head, request, run, text};
use super::super::{BodyError, RequestBody, Reuse, Sent, UpstreamBody};
use crate::outcome::Fault;
use crate::snapshot::{Backend, Protocol};

mod answers;
mod http2;
mod uploads;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A body that yields what the test sends, and ends when the test drops the sender.
struct Fed(tokio::sync::mpsc::Receiver<Result<Bytes, Fault>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data).map_err(BodyError::from)))
    }
}

type Feeder = tokio::sync::mpsc::Sender<Result<Bytes, Fault>>;

fn fed() -> (Feeder, RequestBody) {
    let (feeder, parts) = tokio::sync::mpsc::channel(1);
    (feeder, RequestBody::stream(Fed(parts)))
}

fn post(body: RequestBody) -> Request<RequestBody> {
    request("POST", "/", body)
}

async fn next(body: &mut UpstreamBody) -> Option<Result<Bytes, Fault>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.fault))
}

/// Closes with a reset instead of an orderly end.
fn reset(stream: tokio::net::TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn one_connection_carries_one_request_after_the_other() {
    run(async {
        let bench = Bench::to(
            endpoint(|mut stream, number| async move {
                while read_head(&mut stream).await.is_some() {
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            })
            .await,
        );
        for _ in 0..3 {
            assert_eq!(bench.get_text("/").await, (200, "0".to_owned()));
        }
        assert_eq!(bench.counts(), (1, 1));
    });
}

/// An endpoint on a thread of its own, which tells this one when it is done: what it does meanwhile, the runtime has not
/// heard of yet.
fn aside(script: impl FnOnce(&std::net::TcpListener) + Send + 'static) -> (std::net::SocketAddr, impl FnOnce()) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Not a channel: what is said by way of the network comes after what was done there.
    let bell = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = bell.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut bell = std::net::TcpStream::connect(door).unwrap();
        script(&listener);
        bell.write_all(b"!").unwrap();
        serve_ok(&listener);
    });
    let wait = move || {
        let (mut ring, _) = std::net::TcpListener::accept(&bell).unwrap();
        ring.read_exact(&mut [0]).unwrap();
    };
    (address, wait)
}

/// Answers one request without a body on the next connection.
fn serve_ok(listener: &std::net::TcpListener) -> std::net::TcpStream {
    use std::io::{Read, Write};
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    stream.write_all(OK.as_bytes()).unwrap();
    stream
}

#[test]
fn a_connection_that_was_closed_this_very_moment_is_not_taken_for_what_must_not_be_sent_twice() {
    run(async {
        let (address, closed) = aside(|listener| drop(serve_ok(listener)));
        let bench = Bench::to(address);
        assert_eq!(bench.get_text("/").await.0, 200);
        closed();
        let response = bench.send(post(RequestBody::empty()), Reuse::Young).await.expect("a new connection");
        assert_eq!(response.status(), 200);
    });
}

#[test]
fn a_connection_that_is_reset_before_it_can_be_written_to_has_sent_nothing() {
    run(async {
        let (connected, reset) = std::sync::mpsc::channel();
        let (address, is_reset) = aside(move |listener| {
            let (stream, _) = listener.accept().unwrap();
            reset.recv().unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        });
        let bench = Bench::to(address);
        let (head, _) = post(RequestBody::empty()).into_parts();
        let endpoint = &bench.backend.endpoints[0];
        let ready = bench.upstreams.reach(&bench.backend, endpoint, &head.headers, Reuse::Young).await.unwrap();
        connected.send(()).unwrap();
        is_reset();
        let (feeder, body) = fed();
        feeder.send(Ok(Bytes::from("order"))).await.unwrap();
        let error = ready.send(&bench.backend, endpoint, &head, body).await.unwrap_err();
        assert_eq!(error.sent, Sent::Nothing, "{error:?}");
        assert!(error.body.is_none(), "something was taken out of it");
    });
}

#[test]
fn requests_at_once_take_a_connection_each_and_the_latest_is_used_first() {
    run(async {
        let bench = Bench::to(
            endpoint(|mut stream, number| async move {
                while read_head(&mut stream).await.is_some() {
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{number}\r\n0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            })
            .await,
        );
        let (first, second) = tokio::join!(bench.get_text("/"), bench.get_text("/"));
        assert_ne!(first, second);
        assert_eq!(bench.counts(), (2, 2));
        let again = bench.get_text("/").await;
        assert_eq!(bench.get_text("/").await, again, "the one that came back last");
    });
}

#[test]
fn the_endpoint_sees_origin_form_one_host_and_one_framing() {
    run(async {
        let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let bench = Bench::to(
            endpoint(move |mut stream, _| {
                let heads = heads.clone();
                async move {
                    let head = read_head(&mut stream).await.unwrap();
                    let mut rest = [0; 10];
                    stream.read_exact(&mut rest).await.unwrap();
                    heads.send((head, rest)).unwrap();
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            })
            .await,
        );
        let (feeder, body) = fed();
        let send = bench.send(request("GET", "http://other.test/a?b=c", body), Reuse::Any);
        let feed = async move { feeder.send(Ok(Bytes::from("hello"))).await.unwrap() };
        let (response, ()) = tokio::join!(send, feed);
        response.unwrap();
        let (head, body) = seen.recv().await.unwrap();
        assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: shop.test\r\n") && !head.contains("other.test"), "{head}");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "a body of a GET is sent: {head}");
        assert_eq!(&body, b"5\r\nhello\r\n");
    });
}

#[test]
fn a_connection_that_was_closed_while_idle_is_passed_over() {
    run(async {
        let (close, closed) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (close_now, has_closed) = (close.clone(), closed.clone());
        let bench = Bench::to(
            endpoint(move |mut stream, number| {
                let (close, closed) = (close.clone(), closed.clone());
                async move {
                    read_head(&mut stream).await.unwrap();
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    if number == 0 {
                        close.notified().await;
                        drop(stream);
                        closed.notify_one();
                    } else {
                        read_all(&mut stream).await;
                    }
                }
            })
            .await,
        );
        assert_eq!(bench.get_text("/").await.0, 200);
        close_now.notify_one();
        has_closed.notified().await;
        // The runtime hears of the end of it when it next looks at its sockets, which it does before a timer fires.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let response = bench.send(post(RequestBody::empty()), Reuse::Any).await.unwrap();
        assert_eq!(text(response).await, "ok");
        assert_eq!(bench.counts(), (1, 1));
    });
}

#[test]
fn a_request_that_dies_on_a_used_connection_says_so_and_is_not_sent_twice() {
    run(async {
        let requests = Rc::new(Cell::new(0));
        let count = requests.clone();
        let bench = Bench::to(
            endpoint(move |mut stream, number| {
                let count = count.clone();
                async move {
                    while read_head(&mut stream).await.is_some() {
                        count.set(count.get() + 1);
                        if number == 0 && count.get() == 2 {
                            return;
                        }
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                }
            })
            .await,
        );
        assert_eq!(bench.get_text("/").await.0, 200);
        let error = bench.get("/").await.unwrap_err();
        assert_eq!((error.fault, error.sent, error.reused), (Fault::UpstreamClosed, Sent::Maybe, true));
        assert_eq!(requests.get(), 2);
        let response = bench.send(request("GET", "/", RequestBody::empty()), Reuse::FreshOnly).await.unwrap();
        assert_eq!(text(response).await, "ok");
        assert_eq!(requests.get(), 3);
    });
}

#[test]
fn fresh_only_never_takes_a_used_connection() {
    run(async {
        let bench = Bench::to(endpoint(|stream, _| always(stream, OK)).await);
        assert_eq!(bench.get_text("/").await.0, 200);
        let response = bench.send(request("GET", "/", RequestBody::empty()), Reuse::FreshOnly).await.unwrap();
        text(response).await;
        assert_eq!(bench.counts(), (2, 2));
        let response = bench.send(post(RequestBody::empty()), Reuse::Young).await.unwrap();
        text(response).await;
        assert_eq!(bench.counts(), (2, 2), "young enough");
    });
}

#[test]
fn a_refused_connection_gives_the_request_back() {
    run(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bench = Bench::to(free);
        let error = bench.send(post(RequestBody::full(Bytes::from("x"))), Reuse::Any).await.unwrap_err();
        assert_eq!((error.fault, error.sent, error.reused), (Fault::ConnectRefused, Sent::Nothing, false));
        assert!(error.body.is_some());
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn a_silent_endpoint_is_a_timeout_of_the_phase_it_is_silent_in() {
    run(async {
        let silent = |address| Backend {
            connect_timeout: Duration::from_millis(50),
            response_timeout: Duration::from_millis(20),
            idle_timeout: Duration::from_millis(30),
            ..backend(address)
        };
        let mute = endpoint(|mut stream, _| async move { drop(read_all(&mut stream).await) }).await;
        let error = Bench::new(silent(mute)).get("/").await.unwrap_err();
        assert_eq!((error.fault, error.sent), (Fault::ResponseTimeout, Sent::Maybe));

        let slow = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            read_all(&mut stream).await;
        });
        let mut body = Bench::new(silent(slow.await)).get("/").await.unwrap().into_body();
        assert_eq!(next(&mut body).await, Some(Ok(Bytes::from("half"))));
        assert_eq!(next(&mut body).await, Some(Err(Fault::UpstreamIdle)));

        // The client is the silent one.
        let (_feeder, body) = fed();
        let error = Bench::new(silent(mute)).send(post(body), Reuse::Any).await.unwrap_err();
        assert_eq!(error.fault, Fault::ClientTimeout);
    });
}

#[test]
fn beyond_max_connections_requests_wait_in_line_and_beyond_max_pending_they_fail() {
    run(async {
        let gate = Rc::new(Semaphore::new(0));
        let open = gate.clone();
        let address = endpoint(move |mut stream, number| {
            let gate = gate.clone();
            async move {
                assert_eq!(number, 0, "one connection is the limit");
                while read_head(&mut stream).await.is_some() {
                    gate.acquire().await.unwrap().forget();
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        let bench = Bench::new(Backend { max_connections: 1, max_pending: 2, ..backend(address) });
        let order = Cell::new(0);
        let one = async |place| {
            assert_eq!(bench.get_text("/").await.0, 200);
            assert_eq!(order.replace(order.get() + 1), place);
        };
        let overflow = async {
            // Polled last: one is on its way and two wait.
            assert_eq!(bench.get("/").await.unwrap_err().fault, Fault::Overflow);
            open.add_permits(3);
        };
        tokio::join!(biased; one(0), one(1), one(2), overflow);
        assert_eq!(bench.counts(), (1, 1));
    });
}

#[test]
fn waiting_in_line_ends_with_the_connect_timeout() {
    run(async {
        let address = endpoint(|mut stream, _| async move { drop(read_all(&mut stream).await) }).await;
        let bench = Bench::new(Backend {
            max_connections: 1,
            connect_timeout: Duration::from_millis(20),
            response_timeout: Duration::from_millis(200),
            ..backend(address)
        });
        let (first, second) = tokio::join!(biased; bench.get("/"), bench.get("/"));
        assert_eq!(first.unwrap_err().fault, Fault::ResponseTimeout);
        let second = second.unwrap_err();
        assert_eq!((second.fault, second.sent), (Fault::Overflow, Sent::Nothing));
        assert!(second.body.is_some());
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn a_waiting_request_that_is_cancelled_loses_nobody_a_connection() {
    run(async {
        let gate = Rc::new(Notify::new());
        let open = gate.clone();
        let address = endpoint(move |mut stream, _| {
            let gate = gate.clone();
            async move {
                while read_head(&mut stream).await.is_some() {
                    gate.notified().await;
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        let bench = Bench::new(Backend { max_connections: 1, ..backend(address) });
        let first = bench.get_text("/");
        let cancelled = async {
            let waiting = bench.get("/");
            tokio::select! {
                biased;
                _ = waiting => panic!("there is no connection for it"),
                () = std::future::ready(()) => {}
            }
            open.notify_one();
        };
        let (first, ()) = tokio::join!(biased; first, cancelled);
        assert_eq!(first.0, 200);
        open.notify_one();
        assert_eq!(bench.get_text("/").await.0, 200);
        assert_eq!(bench.counts(), (1, 1));
    });
}

#[test]
fn the_endpoint_says_how_long_it_keeps_connections() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1, max=100\r\ncontent-length: 2\r\n\r\nok";
        let bench = Bench::to(endpoint(move |stream, _| always(stream, answer)).await);
        bench.get_text("/").await;
        bench.get_text("/").await;
        assert_eq!(bench.counts(), (1, 1), "a second less than one is none: each is closed in favour of a new one");
        assert!(bench.upstreams.tidy() || bench.counts() == (0, 0));
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn idle_connections_that_died_are_swept_out() {
    run(async {
        let address = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(OK.as_bytes()).await.unwrap();
        })
        .await;
        let bench = Bench::to(address);
        bench.get_text("/").await;
        while bench.counts() != (0, 0) {
            bench.upstreams.tidy();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_switch_of_protocols_hands_out_the_connection_and_what_was_said_already() {
    run(async {
        let address = endpoint(|mut stream, _| async move {
            let head = read_head(&mut stream).await.unwrap();
            assert!(head.contains("upgrade: chat\r\n"), "{head}");
            let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: chat\r\nconnection: upgrade\r\n\r\nwelcome";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
        })
        .await;
        let bench = Bench::to(address);
        let mut request = request("GET", "/chat", RequestBody::empty());
        request.headers_mut().insert("upgrade", "chat".parse().unwrap());
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        let mut response = bench.send(request, Reuse::Any).await.unwrap();
        assert_eq!(response.status(), 101);
        let mut io = response.body_mut().upgraded().unwrap();
        assert!(response.body_mut().upgraded().is_none());
        let mut welcome = [0; 7];
        io.read_exact(&mut welcome).await.unwrap();
        assert_eq!(&welcome, b"welcome");
        io.write_all(b"hello").await.unwrap();
        assert_eq!(&read_all(&mut io).await[..], b"hello");
        assert_eq!(bench.counts(), (1, 0), "a tunnel is a connection like any other");
        drop(io);
        assert_eq!(bench.counts(), (0, 0));
    });
}

#[test]
fn other_tls_settings_or_another_protocol_are_other_connections() {
    run(async {
        let bench = Bench::to(endpoint(|stream, _| always(stream, OK)).await);
        bench.get_text("/").await;
        let address = bench.backend.endpoints[0].address;
        let other = Arc::new(Backend { protocol: Protocol::Http1, ..backend(address) });
        let (head, body) = post(RequestBody::empty()).into_parts();
        let sent = bench.upstreams.send(&other, &bench.backend.endpoints[0], &head, body, Reuse::Any);
        text(sent.await.unwrap()).await;
        assert_eq!(bench.counts(), (2, 2));
    });
}
