//! Requests that weir does not take, by the rules of an intermediary.

use super::backend::Backend;
use super::gateway::{Gateway, eventually};
use super::wire::{Reply, Wire, get, get_with};

/// Sends `request` to a gateway whose backend would say 200, and checks that the backend never sees it.
fn refused(request: &str) -> Reply {
    let backend = Backend::saying("reached");
    let gateway = Gateway::to(backend.address);
    let reply = Wire::connect(gateway.address()).send(request).shutdown().reply();
    assert!(backend.seen().is_empty(), "{request:?} reached the backend");
    reply
}

#[test]
fn a_request_without_exactly_one_valid_host_is_400() {
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: \r\n",
        "Host: a:0\r\n",
        "Host: a:65536\r\n",
        "Host: a/b\r\n",
        "Host: user@a\r\n",
        "Host: a,b\r\n",
        "Host: a b\r\n",
        "Host: a%0d%0ab\r\n",
    ] {
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{fields}\r\n")).status, 400, "{fields:?}");
    }
}

#[test]
fn asterisk_authority_form_and_foreign_schemes_are_400() {
    for target in ["*", "a:80", "ftp://a/", "http://user@a/"] {
        assert_eq!(refused(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).status, 400, "{target}");
    }
}

#[test]
fn connect_and_trace_are_405_with_what_is_allowed() {
    for line in ["TRACE / HTTP/1.1", "CONNECT a:80 HTTP/1.1"] {
        let reply = refused(&format!("{line}\r\nHost: a\r\n\r\n"));
        assert!(reply.status == 405 || reply.status == 400, "{line}: {}", reply.status);
    }
    assert!(refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").field("allow").unwrap().contains("GET"));
}

#[test]
fn what_two_readers_could_frame_differently_is_400_and_ends_the_connection() {
    for (why, request) in [
        (
            "a length beside chunks",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
        ("chunks not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        (
            "a coding that looks like chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        ("chunks by HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        ("a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
        ("a bare line feed", "GET / HTTP/1.1\nHost: a\n\n"),
    ] {
        let backend = Backend::saying("reached");
        let gateway = Gateway::to(backend.address);
        let mut wire = Wire::connect(gateway.address());
        assert_eq!(wire.send(request).reply().status, 400, "{why}");
        assert!(wire.is_closed(), "{why}: the connection goes on");
        assert!(backend.seen().is_empty(), "{why}: reached the backend");
    }
}

#[test]
fn a_malformed_chunk_is_400_and_what_follows_is_no_request() {
    let backend = Backend::saying("reached");
    let gateway = Gateway::to(backend.address);
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.reply().status, 400);
    assert!(wire.is_closed());
    assert!(backend.seen().iter().all(|seen| !seen.path().contains("smuggled")));
}

#[test]
fn no_route_is_404_in_the_clients_language() {
    let gateway = Gateway::start(
        "routes: [{ match: { path: /only }, backend: b }]\nbackends: { b: { endpoints: ['127.0.0.1:9'] } }",
    );
    let text = get(gateway.address(), "/other");
    assert_eq!((text.status, text.text().as_str()), (404, "404: no route matches\n"));
    let json = get_with(gateway.address(), "/other", "Accept: application/json\r\n");
    let object: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!((&object["status"], &object["flag"]), (&404.into(), &"NR".into()));
    let grpc = get_with(gateway.address(), "/other", "Content-Type: application/grpc\r\n");
    assert_eq!((grpc.status, grpc.field("grpc-status").as_deref()), (200, Some("12")));
    eventually(|| (gateway.classes("web//").iter().sum::<u64>() == 3).then_some(()));
    assert_eq!(gateway.classes("web//")[3], 2, "counted where requests without a route are, 4xx; gRPC is 200");
}

#[test]
fn a_path_that_could_be_read_differently_is_400_where_routes_compare_paths() {
    let backend = Backend::saying("reached");
    let with_paths = Gateway::start(&format!(
        "routes: [{{ match: {{ path: /a }}, backend: b }}]\nbackends: {{ b: {{ endpoints: ['{}'] }} }}",
        backend.address
    ));
    for path in ["/a%2fb", "/a%5cb", "/a/..;/b", "/a%00"] {
        assert_eq!(get(with_paths.address(), path).status, 400, "{path}");
    }
    assert!(backend.seen().is_empty());
    let without = Gateway::to(backend.address);
    assert_eq!(get(without.address(), "/a%2fb").status, 200);
    assert_eq!(backend.only().path(), "/a%2fb");
}

#[test]
fn the_normalised_path_is_matched_and_forwarded() {
    let (private, public) = (Backend::saying("private"), Backend::saying("public"));
    let gateway = Gateway::start(&format!(
        "routes: [{{ match: {{ path: /private }}, backend: p }}, {{ match: {{ path: / }}, backend: q }}]
backends: {{ p: {{ endpoints: ['{}'] }}, q: {{ endpoints: ['{}'] }} }}",
        private.address, public.address
    ));
    let forms = [
        ("/private/x", "/private/x"),
        ("/%70rivate", "/private"),
        ("/public/../private", "/private"),
        ("/public/%2e%2E/private?to=/../%41", "/private?to=/../%41"),
        ("/./private", "/private"),
        ("/private//x;y=1", "/private//x;y=1"),
        ("/private/%c3%a9%7e", "/private/%C3%A9~"),
    ];
    for (asked, forwarded) in forms {
        assert_eq!(get(gateway.address(), asked).text(), "private", "{asked}");
        assert_eq!(private.seen().last().unwrap().path(), forwarded, "{asked}");
    }
    assert_eq!(get(gateway.address(), "//private").text(), "public");
    assert_eq!(public.only().path(), "//private", "another path, to rules and to backends");
}

#[test]
fn every_answer_has_a_date_and_that_of_the_backend_where_it_wrote_one() {
    let silent = Backend::saying("no date");
    let dated = Backend::answering(|_| b"HTTP/1.1 200 OK\r\ndate: then\r\ncontent-length: 0\r\n\r\n".to_vec());
    let gateway = Gateway::start(&format!(
        "routes: [{{ match: {{ path: /silent }}, backend: s }}, {{ match: {{ path: /dated }}, backend: d }}]
backends: {{ s: {{ endpoints: ['{}'] }}, d: {{ endpoints: ['{}'] }} }}",
        silent.address, dated.address
    ));
    let date = |path| get(gateway.address(), path).field("date").unwrap_or_default();
    for path in ["/silent", "/nowhere", "/silent%"] {
        assert!(date(path).ends_with(" GMT"), "{path}: {}", date(path));
    }
    assert_eq!(date("/dated"), "then");
}
