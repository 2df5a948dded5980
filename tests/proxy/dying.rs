//! Endpoints that go away without a word: nothing answers at their address any more.

use std::net::SocketAddr;

use super::backend::{Backend, Hole};
use super::gateway::{Gateway, eventually};
use super::wire::Wire;

const WEB: &str = "[{ name: web, address: '127.0.0.1:0' }]";

/// One backend with such endpoints, in turn. Whoever waited for the timeouts would wait for longer than any test.
fn rest(endpoints: &[SocketAddr]) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("'{endpoint}'")).collect();
    format!(
        "routes: [{{ backend: b }}]
backends:
  b:
    endpoints: [{}]
    balancer: roundRobin
    outlier: {{ enabled: false }}
    timeouts: {{ connect: 60s, response: 60s }}",
        endpoints.join(", ")
    )
}

fn gateway(endpoints: &[SocketAddr]) -> Gateway {
    Gateway::with_listeners(WEB, &rest(endpoints))
}

/// A backend that reads requests and answers none.
fn mute() -> Backend {
    Backend::serving(|_, stream| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 1]);
        true
    })
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn an_endpoint_that_lets_nobody_connect_costs_no_request_of_any_method() {
    let (hole, good) = (Hole::dig(), Backend::saying("good"));
    let gateway = gateway(&[hole.address, good.address]);
    for request in [GET, PUT, POST, POST] {
        assert_eq!(Wire::connect(gateway.address()).send(request).reply().text(), "good");
    }
    assert_eq!(good.seen().len(), 4, "each was sent once");
}

#[test]
fn one_after_the_other_is_tried_until_somebody_lets_us_connect() {
    let (holes, good) = ([Hole::dig(), Hole::dig(), Hole::dig()], Backend::saying("good"));
    let gateway = gateway(&[holes[0].address, holes[1].address, holes[2].address, good.address]);
    assert_eq!(Wire::connect(gateway.address()).send(POST).reply().text(), "good");
    assert_eq!(good.only().body, b"body");
}

#[test]
fn such_endpoints_are_ejected() {
    let (hole, good) = (Hole::dig(), Backend::saying("good"));
    let enabled = rest(&[hole.address, good.address]).replace("enabled: false", "consecutiveFailures: 2");
    let gateway = Gateway::with_listeners(WEB, &enabled);
    let begun = std::time::Instant::now();
    for _ in 0..40 {
        assert_eq!(Wire::connect(gateway.address()).send(GET).reply().text(), "good");
    }
    // Each of 20 that began at the hole would have taken a quarter of a second.
    let late = gateway
        .endpoints()
        .iter()
        .filter(|endpoint| endpoint.ejection.times.load(std::sync::atomic::Ordering::Relaxed) > 0)
        .count();
    assert_eq!(late, 1, "after {:?}", begun.elapsed());
}

#[test]
fn a_request_that_waits_for_a_connection_to_an_endpoint_that_leaves_goes_to_its_successor() {
    let (hole, good) = (Hole::dig(), Backend::saying("good"));
    let mut gateway = gateway(&[hole.address]);
    let mut wire = Wire::connect(gateway.address());
    wire.send(POST);
    under_way(&gateway, 1);
    gateway.reload(WEB, &rest(&[good.address])).unwrap();
    assert_eq!(wire.reply().text(), "good");
    assert_eq!(good.only().body, b"body");
}

#[test]
fn what_was_sent_to_an_endpoint_that_left_and_is_silent_is_asked_elsewhere_if_it_may_be() {
    let (mute, good) = (mute(), Backend::saying("good"));
    let mut gateway = gateway(&[mute.address]);
    let [mut get, mut put, post] = [GET, PUT, POST].map(|request| {
        let mut wire = Wire::connect(gateway.address());
        wire.send(request);
        wire
    });
    eventually(|| (mute.seen().len() == 3).then_some(()));
    gateway.reload(WEB, &rest(&[good.address])).unwrap();
    assert_eq!((get.reply().text(), put.reply().text()), ("good".to_owned(), "good".to_owned()));
    let methods: Vec<String> = good.seen().iter().map(|seen| seen.method().to_owned()).collect();
    assert!(methods.len() == 2 && !methods.contains(&"POST".to_owned()), "{methods:?}");
    post.abort();
}

#[test]
fn an_endpoint_that_has_never_answered_is_silent_after_as_long_as_the_others() {
    let (mute, good) = (mute(), Backend::saying("good"));
    let gateway = gateway(&[mute.address, good.address]);
    let mut first = Wire::connect(gateway.address());
    first.send(GET);
    eventually(|| mute.seen().first().cloned());
    assert_eq!(Wire::connect(gateway.address()).send(GET).reply().text(), "good");
    assert_eq!(first.reply().text(), "good");
    assert_eq!((mute.seen().len(), good.seen().len()), (1, 2));
}

/// Waits until so many requests have been given to an endpoint.
fn under_way(gateway: &Gateway, count: u32) {
    let in_flight = |gateway: &Gateway| {
        let all = gateway.endpoints();
        all.iter().map(|endpoint| endpoint.in_flight.load(std::sync::atomic::Ordering::Relaxed)).sum::<u32>()
    };
    eventually(|| (in_flight(gateway) == count).then_some(()));
}
