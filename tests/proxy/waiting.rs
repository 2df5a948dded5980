//! Requests for which there is no endpoint wait for one, so many and so long.

use std::time::Duration;

use weir::snapshot::Ended;

use super::backend::{Backend, nobody, ok, status};
use super::gateway::{Gateway, eventually};
use super::wire::{Wire, get};

const LISTENERS: &str = "[{ name: web, address: '127.0.0.1:0' }]";

/// A configuration whose only backend has these endpoints, and this queue.
fn shop(endpoints: &str, queue: &str) -> String {
    format!("routes: [{{ backend: shop }}]\nbackends: {{ shop: {{ endpoints: [{endpoints}], queue: {queue} }} }}")
}

/// A gateway without an endpoint.
fn empty(queue: &str) -> Shop {
    Shop { gateway: Gateway::with_listeners(LISTENERS, &shop("", queue)) }
}

struct Shop {
    gateway: Gateway,
}

impl Shop {
    fn ask(&self, request: &str) -> Wire {
        let mut wire = Wire::connect(self.gateway.address());
        wire.send(request);
        wire
    }

    fn opens(&mut self, rest: &str) {
        self.gateway.reload(LISTENERS, rest).unwrap();
    }

    fn waiting(&self, count: usize) {
        let queue = self.gateway.leaves.queue(&"shop".parse().unwrap());
        eventually(|| (queue.waiting() == count).then_some(()));
    }

    fn ended(&self, how: Ended) -> u64 {
        self.gateway.leaves.queue(&"shop".parse().unwrap()).ended(how)
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn a_request_waits_for_an_endpoint_and_is_sent_to_it_whatever_it_is() {
    let backend = Backend::answering(|seen| ok(&format!("{} {}", seen.method(), String::from_utf8_lossy(&seen.body))));
    let mut shop = empty("{ for: 1m }");
    let (mut get, mut post) = (shop.ask(GET), shop.ask(POST));
    shop.waiting(2);
    shop.opens(&self::shop(&format!("'{}'", backend.address), "{ for: 1m }"));
    assert_eq!((get.reply().text(), post.reply().text()), ("GET ".to_owned(), "POST body".to_owned()));
    shop.waiting(0);
    assert_eq!((backend.seen().len(), shop.ended(Ended::Served)), (2, 2));
}

#[test]
fn a_request_that_has_waited_goes_by_the_configuration_of_that_moment() {
    let (old, new) = (Backend::saying("old"), Backend::saying("new"));
    let mut shop = empty("{ for: 1m }");
    let mut wire = shop.ask(GET);
    shop.waiting(1);
    shop.opens(&format!(
        "routes: [{{ backend: new }}]\nbackends: {{ new: {{ endpoints: ['{}'] }}, shop: {{ endpoints: ['{}'] }} }}",
        new.address, old.address
    ));
    assert_eq!(wire.reply().text(), "new");
    assert_eq!(wire.send(GET).reply().text(), "new", "the connection goes on");
}

#[test]
fn a_request_waits_through_configurations_without_an_endpoint() {
    let backend = Backend::saying("here");
    let mut shop = empty("{ for: 1m }");
    let mut wire = shop.ask(GET);
    shop.waiting(1);
    shop.opens(&format!("{}\nproxy: {{ drainTimeout: 7s }}", self::shop("", "{ for: 1m }")));
    shop.waiting(1);
    shop.opens(&self::shop(&format!("'{}'", backend.address), "{ for: 1m }"));
    assert_eq!(wire.reply().text(), "here");
    assert_eq!(shop.ended(Ended::Served), 1);
}

#[test]
fn after_its_time_a_request_gets_503_and_is_told_when_to_ask_again() {
    let shop = empty("{ for: 50ms }");
    let mut wire = shop.ask(GET);
    let reply = wire.reply();
    assert_eq!((reply.status, reply.text().as_str()), (503, "503: no healthy endpoint\n"));
    assert_eq!(reply.field("retry-after").as_deref(), Some("5"));
    assert_eq!(shop.ended(Ended::Expired), 1);
    assert_eq!(wire.send(GET).reply().status, 503, "the connection goes on");
}

#[test]
fn the_queue_is_bounded_and_who_finds_it_full_is_told_at_once() {
    let backend = Backend::saying("here");
    let mut shop = empty("{ requests: 2, for: 1m }");
    let mut waiting = [shop.ask(GET), shop.ask(GET)];
    shop.waiting(2);
    let refused = get(shop.gateway.address(), "/");
    assert_eq!((refused.status, refused.field("retry-after").as_deref()), (503, Some("5")));
    assert_eq!(refused.text(), "503: too many requests wait for the backend\n");
    assert_eq!(shop.ended(Ended::Full), 1);
    shop.opens(&self::shop(&format!("'{}'", backend.address), "{}"));
    assert!(waiting.iter_mut().all(|wire| wire.reply().status == 200));
}

#[test]
fn no_request_waits_where_the_queue_is_switched_off() {
    for queue in ["{ requests: 0, for: 1m }", "{ for: 0s }"] {
        let gateway = Gateway::with_listeners(LISTENERS, &shop("", queue));
        assert_eq!(get(gateway.address(), "/").status, 503, "{queue}");
        assert_eq!(gateway.leaves.queue(&"shop".parse().unwrap()).ended(Ended::Expired), 0, "{queue}");
    }
}

#[test]
fn a_client_that_hangs_up_leaves_the_queue() {
    let shop = empty("{ for: 1m }");
    let (left, reset) = (shop.ask(GET), shop.ask(GET));
    shop.waiting(2);
    drop(left);
    reset.abort();
    shop.waiting(0);
    assert_eq!(shop.ended(Ended::GivenUp), 2);
}

#[test]
fn a_drain_ends_the_wait() {
    let shop = empty("{ for: 1m }");
    let mut wire = shop.ask(GET);
    shop.waiting(1);
    let Shop { gateway } = shop;
    gateway.workers.as_ref().unwrap().drain(Duration::from_secs(60));
    assert_eq!(wire.reply().status, 503);
    gateway.drain(Duration::from_secs(60));
}

#[test]
fn a_routes_timeout_holds_for_the_wait_too() {
    let gateway = Gateway::with_listeners(
        LISTENERS,
        "routes: [{ backend: shop, timeout: 100ms }]\nbackends: { shop: { endpoints: [], queue: { for: 1m } } }",
    );
    let reply = get(gateway.address(), "/");
    assert_eq!((reply.status, reply.text().as_str()), (504, "504: request not finished in time\n"));
}

#[test]
fn requests_for_a_release_wait_until_either_side_has_an_endpoint() {
    let canary = Backend::saying("canary");
    let release = |canary: &str| {
        format!(
            "routes: [{{ release: shop }}]
backends:
  shop: {{ endpoints: [], queue: {{ for: 1m }} }}
  next: {{ endpoints: [{canary}] }}
releases: {{ shop: {{ stable: shop, canary: next }} }}"
        )
    };
    let mut shop = empty("{}");
    shop.opens(&release(""));
    let mut wire = shop.ask(GET);
    shop.waiting(1);
    shop.opens(&release(&format!("'{}'", canary.address)));
    assert_eq!(wire.reply().text(), "canary");
}

#[test]
fn requests_wait_until_probes_find_an_endpoint_well() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let well = Arc::new(AtomicBool::new(false));
    let says = well.clone();
    let backend =
        Backend::answering(move |_| if says.load(Ordering::Relaxed) { ok("well") } else { status("500 X", "") });
    let gateway = Gateway::with_listeners(LISTENERS, &shop(&format!("'{}'", backend.address), "{ for: 1m }"));
    // Probes are made elsewhere; this is what they do.
    let endpoint = gateway.endpoint("shop");
    endpoint.probed_healthy.store(false, Ordering::Relaxed);
    let mut wire = Wire::connect(gateway.address());
    wire.send(GET);
    let queue = gateway.leaves.queue(&"shop".parse().unwrap());
    eventually(|| (queue.waiting() == 1).then_some(()));
    well.store(true, Ordering::Relaxed);
    endpoint.probed_healthy.store(true, Ordering::Relaxed);
    assert_eq!(wire.reply().text(), "well");
}

#[test]
fn a_request_whose_endpoints_have_all_gone_is_sent_to_those_that_came() {
    let backend = Backend::answering(|seen| ok(seen.method()));
    // The news has a second, which may pass on a busy machine before the configuration is there.
    let served = (0..5).any(|_| {
        let gone = format!("'{}', '{}'", nobody(), nobody());
        let mut shop = Shop { gateway: Gateway::with_listeners(LISTENERS, &shop(&gone, "{ for: 1m }")) };
        let mut asked = [shop.ask(GET), shop.ask(POST)];
        shop.waiting(2);
        shop.opens(&self::shop("", "{ for: 1m }"));
        shop.opens(&self::shop(&format!("'{}'", backend.address), "{ for: 1m }"));
        asked.iter_mut().map(|wire| wire.reply().text()).eq(["GET", "POST"])
    });
    assert!(served);
}

#[test]
fn a_request_that_is_refused_by_all_that_there_are_is_told_so() {
    let gateway = Gateway::with_listeners(LISTENERS, &shop(&format!("'{}'", nobody()), "{ for: 1m }"));
    assert_eq!(get(gateway.address(), "/").status, 502);
}
