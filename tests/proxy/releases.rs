//! Which side gets a request, and what the judge sees of it.

use std::collections::HashMap;

use weir::types::Side;

use super::backend::{Backend, ok, status};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get, get_with};

fn release(stable: &Backend, canary: &Backend, more: &str) -> Gateway {
    Gateway::start(&format!(
        "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['{}'] }}, v2: {{ endpoints: ['{}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, {more} }} }}",
        stable.address, canary.address
    ))
}

/// Bodies of `count` GETs on one connection, counted.
fn shares(gateway: &Gateway, count: usize, fields: &str) -> HashMap<String, usize> {
    let mut wire = Wire::connect(gateway.address());
    let mut shares = HashMap::new();
    for _ in 0..count {
        let reply = wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).reply();
        *shares.entry(reply.text()).or_default() += 1;
    }
    shares
}

#[test]
fn the_share_is_exact() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = release(&stable, &canary, "");
    for (percent, expected) in [("5%", 10), ("33%", 66), ("0.5%", 1)] {
        gateway.share(percent);
        let got = shares(&gateway, 200, "").get("v2").copied().unwrap_or_default();
        assert!(got.abs_diff(expected) <= 1, "{got} of 200 at {percent}");
    }
}

#[test]
fn weight_zero_receives_nothing_and_everything_everything() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = release(&stable, &canary, "");
    gateway.share("0%");
    assert_eq!(shares(&gateway, 50, ""), HashMap::from([("v1".to_owned(), 50)]));
    gateway.share("100%");
    assert_eq!(shares(&gateway, 50, ""), HashMap::from([("v2".to_owned(), 50)]));
}

#[test]
fn plain_weights_are_shared_exactly_and_a_dead_backends_share_goes_to_the_others() {
    let (one, two) = (Backend::saying("1"), Backend::saying("2"));
    let gateway = Gateway::start(&format!(
        "routes: [{{ backends: [{{ name: a, weight: 3 }}, {{ name: b, weight: 1 }}, {{ name: none, weight: 4 }}] }}]
backends: {{ a: {{ endpoints: ['{}'] }}, b: {{ endpoints: ['{}'] }}, none: {{ endpoints: ['nowhere.invalid:1'] }} }}",
        one.address, two.address
    ));
    let shares = shares(&gateway, 200, "");
    assert_eq!(shares.values().sum::<usize>(), 200);
    assert!((35..=65).contains(&shares["2"]), "{shares:?}");
}

#[test]
fn routes_of_a_release_are_counted_apart() {
    let stable = Backend::saying("v1");
    let canary = Backend::answering(|seen| if seen.path() == "/cart" { status("500 X", "") } else { ok("v2") });
    let gateway = Gateway::start(&format!(
        "routes: [{{ name: cart, match: {{ path: /cart }}, release: shop }}, {{ name: rest, release: shop }},
          {{ name: other, match: {{ path: /other }}, backend: v1 }}]
backends: {{ v1: {{ endpoints: ['{}'] }}, v2: {{ endpoints: ['{}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2 }} }}",
        stable.address, canary.address
    ));
    gateway.share("100%");
    for path in ["/cart", "/", "/a", "/other"] {
        get(gateway.address(), path);
    }
    let routes = gateway.routes();
    let counts =
        |name: &str, side| routes.iter().find(|route| route.name.as_str() == name).map(|route| route.side(side).read());
    eventually(|| Some(()).filter(|()| counts("rest", Side::Canary) == Some((2, 0))));
    assert_eq!(counts("cart", Side::Canary), Some((1, 1)));
    assert_eq!(counts("rest", Side::Stable), Some((0, 0)));
    assert_eq!(counts("other", Side::Stable), None, "it leads to no release");
}

#[test]
fn every_answer_is_evidence_for_its_side() {
    let stable = Backend::saying("v1");
    let canary = Backend::answering(|seen| if seen.path() == "/bad" { status("500 X", "") } else { ok("v2") });
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    shares(&gateway, 5, "");
    Wire::connect(gateway.address()).send("POST /bad HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    let tally = gateway.evidence_of(Side::Canary, 6);
    assert_eq!((tally.requests, tally.errors, tally.err_clients), (6, 1, 1));
    assert_eq!(tally.buckets.iter().sum::<u64>(), 6);
    assert_eq!(gateway.evidence(Side::Stable).requests, 0);
}

#[test]
fn a_failed_get_on_the_canary_is_repeated_on_stable_and_counts_against_the_canary() {
    let stable = Backend::saying("v1");
    let canary = Backend::answering(|_| status("500 Broken", "broken"));
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "v1"));
    let tally = gateway.evidence_of(Side::Canary, 1);
    assert_eq!((tally.requests, tally.errors), (1, 1));
    assert_eq!(gateway.evidence(Side::Stable).requests, 0, "a repeat is no evidence");
    eventually(|| (gateway.classes("/v1")[1] == 1).then_some(()));
    assert_eq!(gateway.classes("/v2")[4], 1, "and each backend counts what it did");
}

#[test]
fn a_failed_post_on_the_canary_is_the_clients_and_is_not_repeated() {
    let (stable, canary) = (Backend::saying("v1"), Backend::answering(|_| status("500 Broken", "broken")));
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    let mut wire = Wire::connect(gateway.address());
    let reply = wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").reply();
    assert_eq!((reply.status, reply.text().as_str()), (500, "broken"));
    assert!(stable.seen().is_empty());
}

#[test]
fn the_engine_is_called_on_a_failure_of_the_canary() {
    let (stable, canary) = (Backend::saying("v1"), Backend::answering(|_| status("500 Broken", "")));
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    get(gateway.address(), "/");
    gateway.engine_called();
}

/// A backend that ends after four bytes of `length`.
fn cut_short(length: u32) -> Backend {
    Backend::serving(move |_, stream| {
        use std::io::Write;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhalf");
        stream.write_all(answer.as_bytes()).unwrap();
        true
    })
}

#[test]
fn a_response_that_is_cut_short_is_a_failure() {
    let (stable, canary) = (Backend::saying("v1"), cut_short(100_000));
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    let reply = Wire::connect(gateway.address()).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    assert!(reply.cut, "the client can tell");
    assert_eq!(gateway.evidence_of(Side::Canary, 1).errors, 1);
}

#[test]
fn a_small_response_that_is_cut_short_is_a_failure_that_no_client_sees() {
    let (stable, canary) = (Backend::saying("v1"), cut_short(10));
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    let reply = Wire::connect(gateway.address()).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
    assert_eq!((reply.status, reply.text().as_str(), reply.cut), (200, "v1", false));
    assert_eq!(gateway.evidence_of(Side::Canary, 1).errors, 1);
}

#[test]
fn a_client_that_goes_away_says_nothing_about_the_version() {
    let stable = Backend::saying("v1");
    let canary = Backend::serving(|seen, stream| {
        use std::io::{Read, Write};
        if seen.path() == "/slow" {
            let _ = stream.read(&mut [0; 1]);
            return true;
        }
        stream.write_all(&ok("v2")).is_err()
    });
    let gateway = release(&stable, &canary, "");
    gateway.share("100%");
    let mut wire = Wire::connect(gateway.address());
    wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(|| canary.seen().first().cloned());
    wire.abort();
    eventually(|| (gateway.classes("/v2")[5] == 1).then_some(()));
    get(gateway.address(), "/");
    let tally = gateway.evidence_of(Side::Canary, 1);
    assert_eq!((tally.requests, tally.errors), (1, 0), "only the second one counts");
}

#[test]
fn an_answer_that_is_late_beyond_the_horizon_counts_as_slow_once() {
    let stable = Backend::saying("v1");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let canary = Backend::serving(move |_, stream| {
        use std::io::Write;
        wait.lock().unwrap().recv().unwrap();
        stream.write_all(&status("500 Late", "")).is_err()
    });
    let gateway = release(&stable, &canary, "analysis: { latency: { bounds: [50ms, 100ms] } }");
    gateway.share("100%");
    let mut wire = Wire::connect(gateway.address());
    wire.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    let tally = gateway.evidence_of(Side::Canary, 1);
    assert_eq!((tally.requests, tally.errors, tally.buckets[2]), (1, 0, 1), "slow, and nothing more is known yet");
    go.send(()).unwrap();
    assert_eq!(wire.reply().status, 500);
    assert_eq!(gateway.evidence(Side::Canary).requests, 1, "and not a second time");
}

#[test]
fn a_side_without_endpoints_gives_its_requests_to_the_other_and_they_are_no_evidence() {
    let stable = Backend::saying("v1");
    let gateway = Gateway::start(&format!(
        "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['{}'] }}, v2: {{ endpoints: ['nowhere.invalid:1'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2 }} }}",
        stable.address
    ));
    // Nor are those that stable would have had anyway.
    for share in ["100%", "50%"] {
        gateway.share(share);
        assert_eq!(shares(&gateway, 10, ""), HashMap::from([("v1".to_owned(), 10)]));
    }
    assert_eq!((gateway.evidence(Side::Stable).requests, gateway.evidence(Side::Canary).requests), (0, 0));
}

#[test]
fn no_endpoint_on_either_side_is_503() {
    let gateway = Gateway::start(
        "routes: [{ release: shop }]
backends: { v1: { endpoints: ['nowhere.invalid:1'] }, v2: { endpoints: ['nowhere.invalid:2'] } }
releases: { shop: { stable: v1, canary: v2 } }",
    );
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str()), (503, "503: no healthy endpoint\n"));
}

#[test]
fn a_tester_with_the_secret_chooses_a_side_and_is_no_evidence() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let overrides = "overrides: [{ to: canary, header: x-canary, value: 'a-very-long-secret' }, { to: stable, cookie: choice, from: ['127.0.0.0/8'] }]";
    let gateway = release(&stable, &canary, overrides);
    gateway.share("0%");
    assert_eq!(get_with(gateway.address(), "/", "X-Canary: a-very-long-secret\r\nX-Other: 1\r\n").text(), "v2");
    assert_eq!(get_with(gateway.address(), "/", "X-Canary: a-wrong-secret!!\r\n").text(), "v1");
    gateway.share("100%");
    assert_eq!(get_with(gateway.address(), "/", "Cookie: a=1; choice=x; b=2\r\n").text(), "v1");
    assert_eq!(gateway.evidence(Side::Canary).requests, 0);
    assert_eq!(gateway.evidence_of(Side::Stable, 1).requests, 1, "the one without the secret");
    assert_eq!((canary.only().field("x-canary"), canary.only().field("x-other").as_deref()), (None, Some("1")));
    assert!(
        stable.seen().iter().all(|seen| seen.field("x-canary").is_none()),
        "a wrong secret is not passed on either"
    );
    assert_eq!(stable.seen()[1].field("cookie").unwrap(), "a=1; b=2");
}

#[test]
fn a_cookie_keeps_a_client_on_its_side_while_the_share_rises() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = release(&stable, &canary, "affinity: { cookie: {} }");
    gateway.share("20%");
    let mut wire = Wire::connect(gateway.address());
    let clients: Vec<(String, String)> = (0..50)
        .map(|_| {
            let reply = wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").reply();
            let cookie = reply.field("set-cookie").expect("both sides set it");
            assert!(cookie.starts_with("weir-shop=") && cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            (cookie.split(';').next().unwrap().to_owned(), reply.text())
        })
        .collect();
    let on_canary = clients.iter().filter(|(_, side)| side == "v2").count();
    assert!(on_canary.abs_diff(10) <= 1, "20% of 50 new clients: {on_canary}");
    for percent in ["20%", "50%", "80%"] {
        gateway.share(percent);
        for (cookie, side) in &clients {
            let reply = wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; {cookie}\r\n\r\n")).reply();
            assert_eq!(reply.field("set-cookie"), None);
            assert!(side == "v1" || reply.text() == "v2", "left the canary at {percent}");
        }
    }
    assert!(canary.seen().iter().all(|seen| seen.field("cookie").is_none_or(|cookie| cookie == "x=1")));
}

#[test]
fn a_field_keeps_a_client_on_its_side_and_its_failures_count_once() {
    let (stable, canary) = (Backend::saying("v1"), Backend::answering(|_| status("503 X", "")));
    let gateway = release(&stable, &canary, "affinity: { header: x-user }");
    gateway.share("100%");
    for user in ["a", "b", "a", "a"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
        Wire::connect(gateway.address()).send(request).reply();
    }
    let tally = gateway.evidence_of(Side::Canary, 4);
    assert_eq!((tally.requests, tally.errors, tally.err_clients), (4, 4, 2));
    gateway.share("50%");
    for user in 0..20 {
        let field = format!("X-User: {user}\r\n");
        assert_eq!(shares(&gateway, 3, &field).len(), 1, "user {user} changes sides");
    }
}
