use std::cell::Cell;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;

use super::*;
use crate::snapshot::BackendTls;
use crate::snapshot::testing::empty;
use crate::upstream::testing::{Authority, backend, endpoint, read_head, run};
use crate::upstream::tls::Alpn;

fn probe() -> Probe {
    Probe {
        path: Uri::from_static("/healthz"),
        host: None,
        interval: Duration::from_millis(2),
        timeout: Duration::from_secs(5),
        healthy_after: 2,
        unhealthy_after: 3,
    }
}

fn snapshot(generation: u64, backends: Vec<Backend>) -> Snapshot {
    let backends = backends.into_iter().map(|backend| (backend.name.clone(), Arc::new(backend))).collect();
    Snapshot { backends, ..empty(generation) }
}

/// An endpoint that answers as `status` says, and counts.
async fn answering(status: Rc<Cell<u16>>, count: Rc<Cell<u32>>) -> std::net::SocketAddr {
    endpoint(move |mut stream, _| {
        let (status, count) = (status.clone(), count.clone());
        async move {
            let head = read_head(&mut stream).await.unwrap();
            assert!(
                head.starts_with("GET /healthz HTTP/1.1\r\n") && head.contains("user-agent: weir-probe\r\n"),
                "{head}"
            );
            count.set(count.get() + 1);
            let answer = format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\n\r\n", status.get());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

async fn until(endpoint: &Endpoint, healthy: bool) {
    while endpoint.probed_healthy.load(Ordering::Relaxed) != healthy {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs probes of `current` next to `test`, until that is done.
async fn with_probes(current: &Arc<Current>, test: impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    let probes = super::run(current.clone(), fastrand::Rng::with_seed(7), stop.clone());
    let test = async {
        test.await;
        stop.cancel();
    };
    tokio::join!(probes, test);
}

#[test]
fn an_endpoint_goes_down_and_comes_up_with_its_answers() {
    run(async {
        let (status, count) = (Rc::new(Cell::new(503)), Rc::new(Cell::new(0)));
        let address = answering(status.clone(), count.clone()).await;
        let backend = Backend { probe: Some(probe()), ..backend(address) };
        let endpoint = backend.endpoints[0].clone();
        let current = Arc::new(Current::new(snapshot(1, vec![backend])));
        with_probes(&current, async {
            until(&endpoint, false).await;
            assert!(count.get() >= 3, "three bad answers, not fewer: {}", count.get());
            status.set(302);
            let before = count.get();
            until(&endpoint, true).await;
            assert!(count.get() >= before + 2);
        })
        .await;
    });
}

#[test]
fn an_endpoint_without_a_listener_or_with_silence_is_unhealthy() {
    run(async {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mute = endpoint(|mut stream, _| async move {
            read_head(&mut stream).await;
            std::future::pending::<()>().await;
        })
        .await;
        for address in [closed, mute] {
            let probe = Probe { timeout: Duration::from_millis(10), ..probe() };
            let backend = Backend { probe: Some(probe), ..backend(address) };
            let endpoint = backend.endpoints[0].clone();
            let current = Arc::new(Current::new(snapshot(1, vec![backend])));
            with_probes(&current, until(&endpoint, false)).await;
        }
    });
}

#[test]
fn probes_speak_tls_and_name_the_host_they_are_told_to() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.server("shop.test", &[b"http/1.1"], false);
        let asked = Rc::new(tokio::sync::Notify::new());
        let was_asked = asked.clone();
        let address = endpoint(move |stream, _| {
            let (acceptor, asked) = (acceptor.clone(), asked.clone());
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let head = read_head(&mut stream).await.unwrap();
                assert!(head.contains("host: probe.test\r\n"), "{head}");
                stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").await.unwrap();
                asked.notify_one();
            }
        })
        .await;
        let probe = Probe { host: Some(HeaderValue::from_static("probe.test")), healthy_after: 1, ..probe() };
        let server_name = Some("shop.test".try_into().unwrap());
        let tls = Some(BackendTls { config: authority.client(Alpn::Any), server_name });
        let backend = Backend { probe: Some(probe), tls, ..backend(address) };
        let endpoint = backend.endpoints[0].clone();
        endpoint.probed_healthy.store(false, Ordering::Relaxed);
        let current = Arc::new(Current::new(snapshot(1, vec![backend])));
        with_probes(&current, async {
            was_asked.notified().await;
            until(&endpoint, true).await;
        })
        .await;
    });
}

#[test]
fn a_reload_changes_what_is_probed_and_keeps_what_is_known() {
    run(async {
        let (status, count) = (Rc::new(Cell::new(500)), Rc::new(Cell::new(0)));
        let address = answering(status.clone(), count.clone()).await;
        let probed = Backend { probe: Some(probe()), ..backend(address) };
        let endpoint = probed.endpoints[0].clone();
        let unprobed = |probe| Backend { probe, endpoints: vec![endpoint.clone()], ..backend(address) };
        let current = Arc::new(Current::new(snapshot(1, vec![probed])));
        with_probes(&current, async {
            until(&endpoint, false).await;
            current.store(snapshot(2, vec![unprobed(None)]));
            // Without a probe it is healthy, and nobody asks.
            until(&endpoint, true).await;
            let before = count.get();
            current.store(snapshot(3, vec![unprobed(Some(probe()))]));
            until(&endpoint, false).await;
            assert!(count.get() >= before + 3);
        })
        .await;
    });
}

#[test]
fn one_answer_against_the_rest_changes_nothing() {
    let (endpoint, probe) = (Endpoint::new(1, "10.0.0.1:80".parse().unwrap(), "shop:80"), probe());
    let mut against = 0;
    for (well, changes) in [
        (false, false),
        (false, false),
        (true, false),
        (false, false),
        (false, false),
        (false, true),
        (true, false),
        (false, false),
        (true, false),
        (true, true),
    ] {
        assert_eq!(judge(&probe, &endpoint, &mut against, well), changes);
    }
}

#[test]
fn many_endpoints_are_not_asked_all_at_once() {
    let mut rng = fastrand::Rng::with_seed(1);
    let many = (0..500).map(|id| Arc::new(Endpoint::new(id, "10.0.0.1:80".parse().unwrap(), "shop:80"))).collect();
    let address = "10.0.0.1:80".parse().unwrap();
    let probe = Probe { interval: Duration::ZERO, ..probe() };
    let backend = Backend { probe: Some(probe), endpoints: many, ..backend(address) };
    run(async move {
        let mut watches = Watches::default();
        watches.follow(&snapshot(1, vec![backend]), &mut rng);
        assert_eq!(watches.start_due(MAX_AT_ONCE, &mut rng).len(), MAX_AT_ONCE);
        assert_eq!(watches.start_due(0, &mut rng).len(), 0);
        assert_eq!(watches.start_due(usize::MAX, &mut rng).len(), 500 - MAX_AT_ONCE, "each once");
        assert_eq!(watches.next_due(), None);
        watches.take(7, Ok(()));
        assert!(watches.next_due().is_some());
    });
}
