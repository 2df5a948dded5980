//! Before its first user: copies for the canary, which nobody waits for and whose answers count.

use std::io::{Read, Write};

use weir::stats::Tally;
use weir::types::{Ratio, Side};

use super::backend::{Backend, Seen, ok, status};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get};

/// Copies `share` of the requests for the canary of a release with `more`.
fn mirrored(stable: &Backend, canary: &Backend, share: &str, more: &str) -> Gateway {
    let gateway = Gateway::start(&format!(
        "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['{}'] }}, v2: {{ endpoints: ['{}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, {more} }} }}",
        stable.address, canary.address
    ));
    gateway.release().set_mirrored(share.parse::<Ratio>().unwrap());
    gateway
}

/// The bodies of `count` answers to `request`, on one connection.
fn bodies(gateway: &Gateway, count: usize, request: &str) -> Vec<String> {
    let mut wire = Wire::connect(gateway.address());
    (0..count).map(|_| wire.send(request).reply().text()).collect()
}

/// What is seen of stable and of the canary once it is `total` requests.
fn counted(gateway: &Gateway, total: u64) -> (Tally, Tally) {
    let both = || (gateway.evidence(Side::Stable), gateway.evidence(Side::Canary));
    eventually(|| Some(both()).filter(|(stable, canary)| stable.requests + canary.requests == total))
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn is_copy(seen: &Seen) -> bool {
    seen.field("x-weir-mirror").as_deref() == Some("true")
}

/// Nothing answers until somebody reads or leaves.
fn hanging() -> Backend {
    Backend::serving(|_, stream| {
        let _ = stream.read(&mut [0; 1]);
        true
    })
}

#[test]
fn every_user_is_answered_by_stable_and_the_sides_are_those_of_a_split() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = mirrored(&stable, &canary, "10%", "mirrorFirst: {}");
    let got = bodies(&gateway, 200, GET);
    assert!(got.iter().all(|body| body == "v1"), "{got:?}");
    // What is drawn counts for the canary alone.
    let (_, copies) = counted(&gateway, 200);
    assert!(copies.requests.abs_diff(20) <= 1, "{copies:?}");
    assert_eq!(canary.seen().len() as u64, copies.requests);
    assert!(canary.seen().iter().all(is_copy) && !stable.seen().iter().any(is_copy));
    assert_eq!(stable.seen().len(), 200);
    assert_eq!(gateway.release().copies.read(), (copies.requests, 0));
    assert_eq!(gateway.classes("/v2"), [0; 6], "copies are no requests of users");
}

#[test]
fn a_canary_that_fails_is_seen_by_the_judge_and_by_nobody_else_and_gets_no_post() {
    let (stable, canary) = (Backend::saying("v1"), Backend::answering(|_| status("500 Broken", "broken")));
    let gateway = mirrored(&stable, &canary, "50%", "mirrorFirst: {}");
    let got = bodies(&gateway, 40, GET);
    let posted = bodies(&gateway, 40, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert!(got.iter().chain(&posted).all(|body| body == "v1"));
    // A POST counts for neither side.
    let (stables, copies) = counted(&gateway, 40);
    assert_eq!((stables.errors, copies.errors), (0, copies.requests));
    assert!(canary.seen().iter().all(|seen| seen.method() == "GET"));
    let failures = gateway.release().all_failures(&Default::default());
    assert!(failures.samples.iter().all(|one| one.cause.ends_with("(to a copy: no user saw it)")), "{failures:?}");
    gateway.engine_called();
}

#[test]
fn what_stable_does_with_a_drawn_request_counts_for_nobody() {
    let (stable, canary) = (Backend::answering(|_| status("500 Broken", "v1")), Backend::saying("v2"));
    let gateway = mirrored(&stable, &canary, "50%", "mirrorFirst: {}");
    assert!(bodies(&gateway, 40, GET).iter().all(|body| body == "v1"), "the user gets stable's answer, as it is");
    let (stables, copies) = counted(&gateway, 40);
    assert!(copies.requests.abs_diff(20) <= 1, "{copies:?}");
    assert_eq!((copies.errors, stables.errors), (0, stables.requests));
}

#[test]
fn copies_that_hang_delay_nobody_are_bounded_in_number_and_count_as_slow_at_the_horizon() {
    let (stable, canary) = (Backend::saying("v1"), hanging());
    let more = "mirrorFirst: {}, analysis: { latency: { bounds: [50ms, 60s] } }";
    let gateway = mirrored(&stable, &canary, "50%", more);
    assert!(bodies(&gateway, 600, GET).iter().all(|body| body == "v1"));
    eventually(|| (canary.seen().len() >= 128).then_some(()));
    assert_eq!(canary.seen().len(), 128, "and no more than that");
    get(gateway.address(), "/");
    let stables = gateway.evidence(Side::Stable).requests;
    assert!(stables.abs_diff(128) <= 2, "what could not have been copied counts for neither side: {stables}");

    let (stable, canary) = (Backend::saying("v1"), hanging());
    let more = "mirrorFirst: {}, analysis: { latency: { bounds: [50ms, 100ms] } }";
    let gateway = mirrored(&stable, &canary, "50%", more);
    bodies(&gateway, 10, GET);
    let slow = gateway.evidence_of(Side::Canary, 4);
    assert_eq!((slow.errors, slow.buckets[2]), (0, slow.requests), "slow, and nothing more is known");
}

#[test]
fn a_copy_ends_with_its_client_and_counts_for_nobody_then() {
    let serve = |body: &'static str| {
        Backend::serving(move |seen, stream| {
            if seen.path() == "/slow" {
                let _ = stream.read(&mut [0; 1]);
                return true;
            }
            stream.write_all(&ok(body)).is_err()
        })
    };
    let (stable, canary) = (serve("v1"), serve("v2"));
    let gateway = mirrored(&stable, &canary, "50%", "mirrorFirst: {}");
    let slow = |backend: &Backend| backend.seen().iter().filter(|seen| seen.path() == "/slow").count();
    for number in 1..=8 {
        let mut wire = Wire::connect(gateway.address());
        wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually(|| (slow(&stable) == number).then_some(()));
        wire.abort();
    }
    eventually(|| (gateway.classes("/v1")[5] == 8).then_some(()));
    assert!(slow(&canary) > 0, "some were copied");
    get(gateway.address(), "/");
    get(gateway.address(), "/");
    let (stables, copies) = counted(&gateway, 2);
    assert_eq!((stables.requests, copies.requests), (1, 1), "only the last two");
}

#[test]
fn a_method_that_is_asked_for_is_copied_with_a_body_that_is_small_enough_to_keep() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = mirrored(&stable, &canary, "50%", "mirrorFirst: { methods: [POST] }");
    bodies(&gateway, 20, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    bodies(&gateway, 20, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    bodies(&gateway, 20, GET);
    let large = "x".repeat(1 << 17);
    let length = format!("Content-Length: {}\r\n\r\n{large}", large.len());
    bodies(&gateway, 10, &format!("POST / HTTP/1.1\r\nHost: a\r\n{length}"));
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    bodies(&gateway, 10, &format!("POST / HTTP/1.1\r\nHost: a\r\n{chunk}"));
    // What is too large to copy counts for neither.
    let copies = counted(&gateway, 40).1.requests;
    assert!(canary.seen().iter().all(|seen| seen.method() == "POST" && seen.body == b"hello"));
    assert_eq!(canary.seen().len() as u64, copies);
}

#[test]
fn a_switch_of_protocols_is_not_copied() {
    let (stable, canary) = (Backend::saying("v1"), Backend::saying("v2"));
    let gateway = mirrored(&stable, &canary, "50%", "mirrorFirst: {}");
    bodies(&gateway, 10, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    bodies(&gateway, 2, GET);
    counted(&gateway, 2);
    assert_eq!(canary.seen().len(), 1);
}

#[test]
fn with_affinity_a_client_is_copied_always_or_never_and_counts_once() {
    let (stable, canary) = (Backend::saying("v1"), Backend::answering(|_| status("500 Broken", "")));
    let gateway = mirrored(&stable, &canary, "50%", "affinity: { header: x-user }, mirrorFirst: {}");
    for user in 0..20 {
        let request = format!("GET /{user} HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
        assert_eq!(bodies(&gateway, 3, &request), ["v1"; 3]);
    }
    let (_, copies) = counted(&gateway, 60);
    assert_eq!((copies.errors, copies.err_clients), (copies.requests, copies.requests / 3));
    for user in 0..20 {
        let path = format!("/{user}");
        let copied = canary.seen().iter().filter(|seen| seen.path() == path).count();
        assert!(copied == 0 || copied == 3, "user {user}: {copied} of 3");
    }
}

#[test]
fn a_user_whom_stable_cannot_answer_goes_to_the_canary_and_is_neither_copied_nor_evidence() {
    let canary = Backend::saying("v2");
    let gateway = Gateway::start(&format!(
        "routes: [{{ release: shop }}]
backends: {{ v1: {{ endpoints: ['nowhere.invalid:1'] }}, v2: {{ endpoints: ['{}'] }} }}
releases: {{ shop: {{ stable: v1, canary: v2, mirrorFirst: {{}} }} }}",
        canary.address
    ));
    gateway.release().set_mirrored(Ratio::percent(50));
    assert_eq!(bodies(&gateway, 10, GET), ["v2"; 10]);
    assert!(canary.seen().len() == 10 && !canary.seen().iter().any(is_copy));
    assert_eq!((gateway.evidence(Side::Stable).requests, gateway.evidence(Side::Canary).requests), (0, 0));
}
