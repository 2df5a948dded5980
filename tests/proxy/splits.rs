//! Routes with several backends: shares that lead nowhere, changes for one backend alone, and releases among them.

use std::collections::HashMap;

use weir::types::{Ratio, Side};

use super::backend::{Backend, Seen, ok, status};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get, get_with};

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

/// 70% to the release `shop`, 30% to another backend.
fn release_among_others(stable: &str, canary: &str, other: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "routes: [{{ backends: [{{ release: shop, weight: 70 }}, {{ name: other, weight: 30 }}] }}]
backends: {{ v1: {{ endpoints: [{stable}] }}, v2: {{ endpoints: [{canary}] }}, other: {{ endpoints: [{other}] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, {more} }} }}"
    ))
}

fn quoted(backend: &Backend) -> String {
    format!("'{}'", backend.address)
}

/// What `count` requests with `fields` on one connection are answered.
fn answers(gateway: &Gateway, count: usize, fields: &str) -> HashMap<String, usize> {
    let mut wire = Wire::connect(gateway.address());
    let mut answers = HashMap::new();
    for _ in 0..count {
        let reply = wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).reply();
        *answers.entry(reply.text()).or_default() += 1;
    }
    answers
}

#[test]
fn a_release_in_a_split_shares_exactly_what_it_exactly_gets() {
    let (stable, canary, other) = (Backend::saying("v1"), Backend::saying("v2"), Backend::saying("other"));
    let gateway = release_among_others(&quoted(&stable), &quoted(&canary), &quoted(&other), "");
    gateway.share("10%");
    let got = answers(&gateway, 500, "");
    assert!(got["other"].abs_diff(150) <= 1, "{got:?}");
    assert!(got["v2"].abs_diff(35) <= 1, "{got:?}");
    let evidence = [Side::Stable, Side::Canary].map(|side| {
        let count = got[if side == Side::Canary { "v2" } else { "v1" }];
        gateway.evidence_of(side, count as u64).requests
    });
    assert_eq!(evidence.map(|requests| requests as usize), [got["v1"], got["v2"]]);
}

#[test]
fn a_release_in_a_split_is_mirrored_first_for_the_requests_that_the_split_gives_it() {
    let (stable, canary, other) = (Backend::saying("v1"), Backend::saying("v2"), Backend::saying("other"));
    let changed = "filters: { requestHeaders: { set: { x-of: shop } } }";
    let gateway = Gateway::start(&format!(
        "routes: [{{ backends: [{{ release: shop, weight: 70, {changed} }}, {{ name: other, weight: 30 }}] }}]
backends: {{ v1: {{ endpoints: ['{}'] }}, v2: {{ endpoints: ['{}'] }}, other: {{ endpoints: ['{}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, mirrorFirst: {{ share: 20% }} }} }}",
        stable.address, canary.address, other.address
    ));
    gateway.release().set_mirrored(Ratio::percent(20));
    let got = answers(&gateway, 500, "");
    assert!(got["other"].abs_diff(150) <= 1 && got["v1"] + got["other"] == 500, "nobody sees the canary: {got:?}");
    // Of what the release gets each request counts once, on the side that was drawn.
    let counted = || [Side::Canary, Side::Stable].map(|side| gateway.evidence(side).requests as usize);
    let [copies, _] = eventually(|| Some(counted()).filter(|counted| counted.iter().sum::<usize>() == got["v1"]));
    assert!(copies.abs_diff(70) <= 1, "{copies} copies");
    assert_eq!((canary.seen().len(), other.seen().len()), (copies, got["other"]));
    let is_ours = |seen: &Seen| seen.field("x-of").as_deref() == Some("shop") && seen.field("x-weir-mirror").is_some();
    assert!(canary.seen().iter().all(is_ours), "a copy is what stable gets");
    assert!(other.seen().iter().all(|seen| seen.field("x-of").is_none() && seen.field("x-weir-mirror").is_none()));
}

#[test]
fn a_canary_in_a_split_is_judged_and_stable_answers_for_it() {
    let (stable, other) = (Backend::saying("v1"), Backend::saying("other"));
    let canary = Backend::answering(|_| status("500 Broken", "broken"));
    let gateway = release_among_others(&quoted(&stable), &quoted(&canary), &quoted(&other), "");
    gateway.share("100%");
    let got = answers(&gateway, 100, "");
    assert_eq!((got.get("broken"), got["v1"]), (None, 100 - got["other"]), "{got:?}");
    let tally = gateway.evidence_of(Side::Canary, got["v1"] as u64);
    assert_eq!(tally.errors as usize, got["v1"]);
}

#[test]
fn testers_choose_within_the_release_of_a_split_and_nobody_else_sees_their_keys() {
    let say = |who: &'static str| {
        move |seen: &super::backend::Seen| match seen.field("x-canary") {
            Some(key) => ok(&key),
            None => ok(who),
        }
    };
    let [stable, canary, other] = ["v1", "v2", "other"].map(|who| Backend::answering(say(who)));
    let overrides = "overrides: [{ to: canary, header: x-canary, value: sixteen-characters }]";
    let gateway = release_among_others(&quoted(&stable), &quoted(&canary), &quoted(&other), overrides);
    gateway.share("0%");
    let got = answers(&gateway, 100, "X-Canary: sixteen-characters\r\n");
    assert!(got["other"].abs_diff(30) <= 1 && got["v2"] + got["other"] == 100, "{got:?}");
}

#[test]
fn what_a_release_without_endpoints_leaves_goes_to_the_others_of_the_split() {
    let other = Backend::saying("other");
    let gateway = release_among_others("", "", &quoted(&other), "");
    assert_eq!(answers(&gateway, 20, ""), HashMap::from([("other".to_owned(), 20)]));
    let canary = Backend::saying("v2");
    let gateway = release_among_others("", &quoted(&canary), &quoted(&other), "");
    let got = answers(&gateway, 100, "");
    assert!(got["v2"].abs_diff(70) <= 1, "the release's other side comes first: {got:?}");
    assert_eq!(get(gateway.address(), "/").status, 200);
}
