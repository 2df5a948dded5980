//! Limits and timeouts for clients.

use std::time::Duration;

use super::backend::{Backend, ok};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get};

fn limited(backend: &Backend, limits: &str) -> Gateway {
    Gateway::to_with(backend.address, &format!("proxy: {{ workers: 1, {limits} }}"))
}

#[test]
fn a_head_that_is_too_large_is_431_and_counted() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "limits: { headerBytes: 8192, headerCount: 10 }");
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(Wire::connect(gateway.address()).send(large).reply().status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10));
    assert_eq!(Wire::connect(gateway.address()).send(many).reply().status, 431);
    assert_eq!(gateway.classes("web//")[3], 2);
    assert!(backend.seen().is_empty());
}

#[test]
fn a_body_that_says_it_is_too_large_is_413_before_it_is_sent() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "limits: { bodyBytes: 10 }");
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.reply().status, 413);
    assert!(wire.is_closed());
    assert!(backend.seen().is_empty());
}

#[test]
fn a_body_that_grows_too_large_is_413() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "limits: { bodyBytes: 10 }");
    let mut wire = Wire::connect(gateway.address());
    wire.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
    );
    assert_eq!(wire.reply().status, 413);
    assert!(backend.seen().is_empty(), "the backend never gets a whole request");
}

#[test]
fn a_client_that_is_told_413_in_the_middle_of_its_upload_gets_to_read_it() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "limits: { bodyBytes: 10 }");
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n").send(vec![b'x'; 200_000]);
    assert_eq!(wire.reply().status, 413);
}

#[test]
fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "timeouts: { header: 200ms }");
    let mut wire = Wire::connect(gateway.address());
    assert!(wire.send("GET / HTTP/1.1\r\nHost:").is_closed());
    assert!(Wire::connect(gateway.address()).is_closed(), "saying nothing does not help");
}

#[test]
fn an_idle_connection_ends_after_its_time() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "timeouts: { keepAlive: 200ms }");
    let mut wire = Wire::connect(gateway.address());
    assert_eq!(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status, 200);
    assert!(wire.is_closed());
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let backend = Backend::saying("");
    let gateway = limited(&backend, "limits: { connections: 1 }");
    let mut first = Wire::connect(gateway.address());
    assert_eq!(first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status, 200);
    let mut second = Wire::connect(gateway.address());
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status, 200);
    assert!(backend.seen().iter().all(|seen| seen.path() != "/second"), "it has no place yet");
    drop(first);
    assert_eq!(second.reply().status, 200);
}

#[test]
fn a_route_timeout_is_504_and_ends_the_exchange_with_the_backend() {
    let (gone, is_gone) = std::sync::mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let backend = Backend::serving(move |_, stream| {
        use std::io::Read;
        let _ = gone.lock().unwrap().send(stream.read(&mut [0; 1]).map_or(0, |count| count));
        true
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b, timeout: 100ms, retry: {{ attempts: 1 }} }}]\nbackends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str()), (504, "504: request not finished in time\n"));
    assert_eq!(is_gone.recv_timeout(Duration::from_secs(20)).unwrap(), 0, "the backend sees the end of the connection");
}

#[test]
fn a_client_that_stops_in_the_middle_of_its_body_is_408() {
    let backend = Backend::saying("");
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b }}]\nbackends: {{ b: {{ endpoints: ['{}'], timeouts: {{ idle: 200ms }} }} }}",
        backend.address
    ));
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(wire.reply().status, 408);
}

#[test]
fn a_client_that_does_not_read_does_not_hold_the_backend() {
    let backend = Backend::serving(|_, stream| {
        use std::io::Write;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        while stream.write_all(&[0; 65536]).is_ok() {}
        true
    });
    let gateway = Gateway::start(&format!(
        "routes: [{{ backend: b }}]\nbackends: {{ b: {{ endpoints: ['{}'], timeouts: {{ idle: 300ms }} }} }}
proxy: {{ workers: 1, accessLog: {{ format: text, template: '%RESPONSE_FLAGS%' }} }}",
        backend.address
    ));
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // The client reads nothing from here on.
    eventually(|| (gateway.classes("web/").iter().sum::<u64>() == 1).then_some(()));
    assert_eq!(gateway.log.lines(1), ["SI"]);
    drop(wire);
}

#[test]
fn a_client_that_waits_to_be_asked_is_asked_once_the_backend_takes_its_body() {
    let backend = Backend::answering(|seen| ok(std::str::from_utf8(&seen.body).unwrap()));
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.line().unwrap(), "HTTP/1.1 100 Continue");
    assert_eq!(wire.line().unwrap(), "");
    assert_eq!(wire.send("body").reply().text(), "body");
    assert_eq!(backend.only().field("expect"), None);
}
