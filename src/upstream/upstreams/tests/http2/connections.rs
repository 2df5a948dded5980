//! Which connection carries a stream, and when there is another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use h2::server;
use http::Version;
use tokio::sync::{Notify, Semaphore};

use super::super::super::super::testing::{Bench, endpoint, request, run, text};
use super::super::super::super::{RequestBody, Reuse, Sent};
use super::{h2c, reply, serve};
use crate::outcome::Fault;
use crate::snapshot::Backend;

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
