//! Bodies that are under way: as they come, both ways, to their end.

use std::io::{Read, Write};
use std::sync::{Mutex, mpsc};

use super::backend::{Backend, ok};
use super::gateway::Gateway;
use super::wire::{Wire, get};

#[test]
fn a_part_of_a_response_is_passed_on_before_the_next_exists() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::serving(move |_, stream| {
        let write = |stream: &mut std::net::TcpStream, text: &str| stream.write_all(text.as_bytes()).unwrap();
        write(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            write(stream, &format!("{:x}\r\n{event}\r\n", event.len()));
            wait.lock().unwrap().recv().unwrap();
        }
        write(stream, "0\r\n\r\n");
        false
    });
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while wire.line().unwrap() != "" {}
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        assert_eq!(wire.line().unwrap(), "9");
        assert_eq!(wire.bytes(11), format!("{event}\r\n").as_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(wire.line().unwrap(), "0");
}

#[test]
fn early_hints_are_passed_on_before_the_answer_exists() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::serving(move |_, stream| {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
        stream.write_all(hints.as_bytes()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(&ok("done")).unwrap();
        true
    });
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.line().unwrap(), "HTTP/1.1 103 Early Hints");
    assert_eq!(wire.line().unwrap(), "link: </a.css>; rel=preload");
    assert_eq!(wire.line().unwrap(), "", "a hop-by-hop field was passed on");
    go.send(()).unwrap();
    assert_eq!(wire.reply().text(), "done");

    // HTTP/1.0 has no such responses (RFC 9110, 15.2).
    let mut old = Wire::connect(gateway.address());
    go.send(()).unwrap();
    old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(old.line().unwrap(), "HTTP/1.0 200 OK");
}

#[test]
fn a_large_body_goes_through_both_ways_whole() {
    const SIZE: usize = 8 << 20;
    let backend = Backend::serving(|seen, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&seen.body)).is_err()
    });
    let gateway = Gateway::to(backend.address);
    let body: Vec<u8> = (0..SIZE).map(|index| (index % 251) as u8).collect();
    let mut wire = Wire::connect(gateway.address());
    wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n")).send(&body);
    assert!(wire.reply().body == body);
}

#[test]
fn trailers_go_through_both_ways() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
            .to_vec()
    });
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: x-up\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-up: 5\r\n\r\n");
    assert_eq!(wire.reply().field("trailer:x-sum").unwrap(), "7");
    assert_eq!(backend.only().trailers, ["x-up: 5"]);
}

#[test]
fn an_answer_that_comes_before_the_upload_has_ended_reaches_the_client() {
    let backend = Backend::connecting(|mut stream| {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer);
        let _ = stream.write_all(b"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").send("x".repeat(1000));
    let reply = wire.reply();
    assert_eq!((reply.status, reply.text().as_str()), (403, "no"));
}

#[test]
fn a_cut_response_never_looks_whole() {
    let chunked = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n".to_vec()
    });
    let cut = Backend::serving(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").unwrap();
        true
    });
    drop(chunked);
    let gateway = Gateway::to(cut.address);
    assert!(get(gateway.address(), "/").cut);
}

#[test]
fn head_and_304_have_no_body_but_keep_their_length() {
    let backend = Backend::answering(|seen| match seen.method() {
        "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n".to_vec(),
    });
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    let head = wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").reply_to_head();
    assert_eq!((head.status, head.field("content-length").as_deref()), (200, Some("1234")));
    let unchanged = wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    assert_eq!((unchanged.status, unchanged.field("etag").as_deref()), (304, Some("x")));
    assert_eq!(wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").reply_to_head().status, 200, "the connection goes on");
}

#[test]
fn a_client_of_http_1_0_gets_a_body_without_chunks() {
    let backend = Backend::answering(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
    });
    let gateway = Gateway::to(backend.address);
    let reply = Wire::connect(gateway.address()).send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").reply();
    assert_eq!((reply.text().as_str(), reply.field("transfer-encoding")), ("hello", None));
}

#[test]
fn bytes_after_an_upgrade_that_was_refused_are_http() {
    let backend = Backend::answering(|seen| ok(seen.path()));
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.reply().text(), "/1");
    assert_eq!(wire.reply().text(), "/2");
    assert_eq!(backend.seen()[0].field("upgrade").unwrap(), "websocket");
    assert_eq!(backend.seen()[1].path(), "/2", "a request of its own, judged as such");
}

#[test]
fn a_switch_nobody_asked_for_is_502() {
    let backend =
        Backend::answering(|_| b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\n".to_vec());
    let gateway = Gateway::to(backend.address);
    assert_eq!(get(gateway.address(), "/").status, 502);
    let asked = Wire::connect(gateway.address())
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .reply();
    assert_eq!(asked.status, 502);
}

#[test]
fn a_switch_to_h2c_is_not_passed_on() {
    let backend = Backend::saying("");
    let gateway = Gateway::to(backend.address);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n";
    assert_eq!(Wire::connect(gateway.address()).send(request).reply().status, 200);
    let seen = backend.only();
    assert_eq!((seen.field("upgrade"), seen.field("http2-settings"), seen.field("connection")), (None, None, None));
}

#[test]
fn after_a_switch_bytes_flow_both_ways_until_both_sides_are_done() {
    let backend = Backend::serving(|_, stream| {
        stream.write_all(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhi").unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        stream.write_all(&heard).unwrap();
        true
    });
    let gateway = Gateway::to_with(
        backend.address,
        "proxy: { workers: 1, accessLog: { format: text, template: '%RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %RESPONSE_FLAGS%' } }",
    );
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(wire.reply().status, 101);
    assert_eq!(wire.bytes(2), b"hi");
    wire.send("hello").send(" there").shutdown();
    assert_eq!(wire.bytes(11), b"hello there", "what was said before the half-close is answered after it");
    assert!(wire.is_closed());
    assert_eq!(gateway.log.lines(1), ["101 11 13 -"]);
}
