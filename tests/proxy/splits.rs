//! Routes with several backends: shares that lead nowhere, and changes for one backend alone.

use super::backend::{Backend, ok};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get_with};

/// How often each status comes in `count` requests on one connection.
fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    let mut wire = Wire::connect(gateway.address());
    let mut all: Vec<u16> = (0..count).map(|_| wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply().status).collect();
    all.sort_unstable();
    all
}

#[test]
fn the_share_of_a_backend_that_does_not_exist_is_answered_500_and_nobody_else_takes_it() {
    let backend = Backend::saying("");
    let gateway = Gateway::start(&format!(
        "routes: [{{ backends: [{{ name: here, weight: 3 }}, {{ name: gone }}, {{ name: never, weight: 0 }}] }}]
backends:
  here: {{ endpoints: ['{}'] }}
  gone: {{ endpoints: [], unresolved: true }}
  never: {{ endpoints: [], unresolved: true }}",
        backend.address
    ));
    let expected: Vec<u16> = [vec![200; 30], vec![500; 10]].concat();
    assert_eq!(statuses(&gateway, 40), expected);
    assert_eq!(backend.seen().len(), 30);
    // They are counted at the route.
    eventually(|| (gateway.classes("web/route-1/")[4] == 10).then_some(()));
}

#[test]
fn a_backend_without_endpoints_is_503_and_one_that_does_not_exist_500() {
    let gateway = Gateway::start(
        "routes: [{ match: { path: /empty }, backend: empty }, { match: { path: /gone }, backend: gone }]
backends: { empty: { endpoints: [], queue: { for: 0s } }, gone: { endpoints: [], unresolved: true } }",
    );
    let of = |path: &str, fields: &str| {
        let reply = get_with(gateway.address(), path, fields);
        (reply.status, reply.field("grpc-status"))
    };
    assert_eq!((of("/empty", ""), of("/gone", "")), ((503, None), (500, None)));
    let grpc = "Content-Type: application/grpc\r\n";
    assert_eq!(of("/empty", grpc), (200, Some("14".to_owned())), "unavailable");
    assert_eq!(of("/gone", grpc), (200, Some("14".to_owned())), "unavailable");
}

#[test]
fn without_any_weight_every_request_gets_500() {
    let backend = Backend::saying("");
    for list in ["[{ name: b, weight: 0 }]", "[]"] {
        let gateway = Gateway::start(&format!(
            "routes: [{{ backends: {list} }}]\nbackends: {{ b: {{ endpoints: ['{}'] }} }}",
            backend.address
        ));
        assert_eq!(statuses(&gateway, 3), [500; 3], "{list}");
    }
    assert!(backend.seen().is_empty());
}

#[test]
fn changes_for_one_backend_reach_it_alone() {
    let backend = Backend::answering(|seen| ok(&seen.field("x-to").unwrap_or_default()));
    let gateway = Gateway::start(&format!(
        "routes:
  - filters:
      requestHeaders: {{ set: {{ x-to: route }} }}
      responseHeaders: {{ add: {{ x-by: route }} }}
    backends:
      - {{ name: plain }}
      - name: changed
        filters: {{ requestHeaders: {{ add: {{ x-to: backend }} }}, responseHeaders: {{ set: {{ x-by: backend }} }} }}
backends: {{ plain: {{ endpoints: ['{0}'] }}, changed: {{ endpoints: ['{0}'] }} }}",
        backend.address
    ));
    let mut seen: Vec<_> = (0..10)
        .map(|_| get_with(gateway.address(), "/", ""))
        .map(|reply| (reply.text(), reply.field("x-by").unwrap()))
        .collect();
    seen.sort();
    let (plain, changed) = (("route", "route"), ("route | backend", "backend | route"));
    let expected: Vec<_> = [[plain; 5], [changed; 5]].concat();
    let expected: Vec<_> = expected.into_iter().map(|(to, by)| (to.to_owned(), by.to_owned())).collect();
    assert_eq!(seen, expected);
}
