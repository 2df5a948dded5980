//! Filters of routes: pages of other origins, several mirrors, times of attempts.

use std::time::{Duration, Instant};

use super::backend::{Backend, ok};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get, get_with};

#[test]
fn a_preflight_is_answered_by_weir_and_never_reaches_the_backend() {
    let backend = Backend::saying("");
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, filters: {{ cors: {{ allowOrigins: ['https://*.shop.test'], allowMethods: [PUT] }} }} }}]
backends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    let ask = |origin: &str| {
        let request = format!(
            "OPTIONS /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
        );
        Wire::connect(gateway.address()).send(request).reply()
    };
    let answer = ask("https://www.shop.test");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("access-control-allow-origin").unwrap(), "https://www.shop.test");
    assert_eq!(answer.field("access-control-allow-methods").unwrap(), "PUT");
    assert_eq!(answer.field("access-control-max-age").unwrap(), "5");
    let stranger = ask("https://evil.test");
    assert_eq!((stranger.status, stranger.field("access-control-allow-origin")), (204, None));
    assert!(backend.seen().is_empty());
}

#[test]
fn an_answer_says_which_origin_may_read_it_whatever_the_backend_says() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, filters: {{ cors: {{ allowOrigins: ['https://shop.test'], allowCredentials: true }} }} }}]
backends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    let allowed = |origin: &str| {
        let reply = get_with(gateway.address(), "/", &format!("Origin: {origin}\r\n"));
        assert_eq!(reply.text(), "ok");
        (reply.field("access-control-allow-origin"), reply.field("access-control-allow-credentials"))
    };
    assert_eq!(allowed("https://shop.test"), (Some("https://shop.test".to_owned()), Some("true".to_owned())));
    assert_eq!(allowed("https://evil.test"), (None, None));
    assert_eq!(get(gateway.address(), "/").field("access-control-allow-origin"), None);
}

#[test]
fn each_mirror_gets_its_share() {
    let (backend, all, half) = (Backend::saying("real"), Backend::saying("copy"), Backend::saying("copy"));
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, mirrors: [{{ backend: all }}, {{ backend: half, share: 50% }}] }}]
backends: {{ b: {{ endpoints: ['{}'] }}, all: {{ endpoints: ['{}'] }}, half: {{ endpoints: ['{}'] }} }}",
        backend.address, all.address, half.address
    ));
    for _ in 0..20 {
        assert_eq!(get(gateway.address(), "/").text(), "real");
    }
    eventually(|| (all.seen().len() == 20 && half.seen().len() == 10).then_some(()));
    assert_eq!(half.seen()[0].field("x-weir-mirror").unwrap(), "true");
}

#[test]
fn an_attempt_that_takes_too_long_is_504_and_another_may_do_better() {
    let backend = Backend::serving(|seen, stream| {
        use std::io::Write;
        let slow = seen.path() == "/slow" || seen.connection == 0;
        if slow {
            std::thread::sleep(Duration::from_secs(10));
        }
        stream.write_all(&ok("fast")).is_err()
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, timeout: 5s, backendTimeout: 200ms, retry: {{ attempts: 2 }} }}]
backends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    let began = Instant::now();
    let second = get(gateway.address(), "/");
    assert_eq!((second.status, second.text().as_str()), (200, "fast"), "the second attempt was on another connection");
    assert_eq!(get(gateway.address(), "/slow").status, 504);
    assert!(began.elapsed() < Duration::from_secs(5), "long before the backend answers");
}

#[test]
fn the_time_of_an_attempt_holds_for_its_body_too() {
    let backend = Backend::serving(|_, stream| {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").unwrap();
        std::thread::sleep(Duration::from_secs(10));
        true
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, backendTimeout: 200ms }}]\nbackends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    let began = Instant::now();
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str(), reply.cut), (200, "half", true));
    assert!(began.elapsed() < Duration::from_secs(5), "long before the backend goes on");
}
