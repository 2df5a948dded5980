//! When an attempt is repeated, and when not.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::backend::{Backend, nobody, ok, status};
use super::gateway::Gateway;
use super::wire::{Wire, get};

fn two(endpoints: [std::net::SocketAddr; 2]) -> Gateway {
    let [one, two] = endpoints;
    Gateway::start(&format!(
        "routes: [{{ backend: b }}]
backends: {{ b: {{ endpoints: ['{one}', '{two}'], balancer: roundRobin, outlier: {{ enabled: false }} }} }}"
    ))
}

#[test]
fn a_refused_connection_is_repeated_at_another_endpoint_for_every_method() {
    let backend = Backend::answering(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
    let gateway = two([nobody(), backend.address]);
    let mut wire = Wire::connect(gateway.address());
    for _ in 0..6 {
        let reply = wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "body"));
    }
    assert_eq!(backend.seen().len(), 6);
}

#[test]
fn a_get_that_gets_503_is_repeated_and_a_post_is_not() {
    let (bad, good) = (Backend::answering(|_| status("503 X", "bad")), Backend::saying("good"));
    let gateway = two([bad.address, good.address]);
    for _ in 0..4 {
        assert_eq!(get(gateway.address(), "/").text(), "good");
    }
    let mut wire = Wire::connect(gateway.address());
    let posts: Vec<u16> =
        (0..4).map(|_| wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").reply().status).collect();
    assert!(posts.contains(&503), "{posts:?}");
    let of_posts = |backend: &Backend| backend.seen().iter().filter(|seen| seen.method() == "POST").count();
    assert_eq!(of_posts(&bad) + of_posts(&good), 4, "each POST was sent once");
}

#[test]
fn a_small_body_of_an_idempotent_request_is_sent_again_and_a_large_one_is_not() {
    let bad = Backend::answering(|_| status("503 X", "bad"));
    let good = Backend::answering(|seen| ok(&seen.body.len().to_string()));
    let gateway = two([bad.address, good.address]);
    let mut wire = Wire::connect(gateway.address());
    for _ in 0..4 {
        let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(60_000));
        assert_eq!(wire.send(request).reply().text(), "60000");
    }
    let large: Vec<u16> = (0..4)
        .map(|_| {
            let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
            wire.send(request).reply().status
        })
        .collect();
    assert!(large.contains(&503), "{large:?}");
}

#[test]
fn a_kept_connection_that_the_backend_has_closed_is_no_failure() {
    let backend = Backend::serving(|_, stream| {
        use std::io::Write;
        // Says that it keeps the connection, and closes it.
        stream.write_all(&ok("ok")).unwrap();
        true
    });
    let gateway = Gateway::to(backend.address);
    for _ in 0..20 {
        assert_eq!(get(gateway.address(), "/").status, 200);
    }
}

#[test]
fn when_every_attempt_fails_the_client_hears_of_the_last() {
    let gateway = Gateway::to(nobody());
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str()), (502, "502: backend refused the connection\n"));
    assert!(reply.field("x-request-id").is_some(), "to find it in the log");
}

#[test]
fn a_backend_that_closes_without_an_answer_is_502_and_one_that_is_silent_504() {
    let closes = Backend::answering(|_| Vec::new());
    assert_eq!(get(Gateway::to(closes.address).address(), "/").status, 502);
    let silent = Backend::serving(|_, stream| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 1]);
        true
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, retry: {{ attempts: 1 }} }}]
backends: {{ b: {{ endpoints: ['{}'], timeouts: {{ response: 100ms }} }} }}",
        silent.address
    ));
    assert_eq!(get(gateway.address(), "/").status, 504);
}

#[test]
fn a_malformed_answer_is_502_and_its_bytes_stay_here() {
    let backend = Backend::answering(|_| b"SSH-2.0-OpenSSH secret\r\n\r\n".to_vec());
    let reply = get(Gateway::to(backend.address).address(), "/");
    assert_eq!(reply.status, 502);
    assert!(!reply.text().contains("secret"));
}

#[test]
fn repeats_stop_at_the_budget() {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let backend = || {
        let count = asked.clone();
        Backend::answering(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            status("503 X", "")
        })
    };
    let gateway = two([backend().address, backend().address]);
    let mut wire = Wire::connect(gateway.address());
    for _ in 0..1000 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    }
    // 20% of the requests, 10 a second, of which no more than some seconds can have passed, and the 100 it begins with.
    let repeats = asked.load(Ordering::Relaxed) - 1000;
    assert!(repeats < 600, "{repeats} repeats of 1000 requests");
}
