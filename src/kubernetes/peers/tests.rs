use std::path::Path;

use super::*;
use crate::clock::SystemClock;
use crate::config::{self, Resolved};
use crate::engine::{Engine, StateDir};
use crate::kubernetes::lease::Leadership;
use crate::snapshot::{Leaves, ReleaseLive};
use crate::types::Side;

const CONFIG: &str = "
listeners: [{ name: web, address: \"127.0.0.1:0\" }]
routes: [{ release: shop }]
backends: { v1: { endpoints: [\"127.0.0.1:1\"] }, v2: { endpoints: [\"127.0.0.1:2\"] } }
releases: { shop: { stable: v1, canary: v2 } }
";

/// A replica that serves the release `shop`.
fn replica(instance: u64) -> Exchange {
    let loaded = config::parse(Path::new("weir.yaml"), CONFIG.to_owned()).unwrap();
    let compiled = config::compile(&loaded, &Leaves::new(1), &Resolved::new(), 1).unwrap();
    let book = Arc::new(Book::new(Arc::<Leadership>::default()));
    let folder = tempfile::TempDir::new().unwrap();
    let (dir, failed) = (StateDir::open(folder.path()).unwrap(), Arc::default());
    let (_, control) = Engine::open(dir, Arc::new(SystemClock), failed).unwrap();
    Exchange { current: Arc::new(Current::new(compiled.snapshot)), book, control, instance }
}

fn live(exchange: &Exchange) -> Arc<ReleaseLive> {
    exchange.current.load().releases["shop"].live.clone()
}

/// Requests of `side` that fail at `exchange`.
fn fail(exchange: &Exchange, side: Side, count: usize) {
    (0..count).for_each(|_| live(exchange).side(side).of(0).record(3, true, true));
}

/// Errors of stable and canary that `exchange` knows from elsewhere.
fn heard(exchange: &Exchange) -> (u64, u64) {
    let live = live(exchange);
    (live.elsewhere[0].read().errors, live.elsewhere[1].read().errors)
}

#[test]
fn what_is_new_in_a_report_is_counted_once() {
    let (one, other) = (replica(1), replica(2));
    let mut ear = Heard::default();
    ear.take(Told::by(&other), &one);
    fail(&other, Side::Canary, 3);
    ear.take(Told::by(&other), &one);
    ear.take(Told::by(&other), &one);
    assert_eq!(heard(&one), (0, 3));
    let (stable, canary) = live(&one).read();
    assert_eq!((stable.requests, canary.requests, canary.buckets[3]), (0, 3, 3));
}

#[test]
fn what_was_counted_before_it_was_heard_is_not_evidence_of_now() {
    let (one, other) = (replica(1), replica(2));
    fail(&other, Side::Stable, 9);
    let mut ear = Heard::default();
    ear.take(Told::by(&other), &one);
    fail(&other, Side::Stable, 1);
    ear.take(Told::by(&other), &one);
    assert_eq!(heard(&one), (1, 0));
}

#[test]
fn a_replica_that_starts_again_counts_from_its_own_beginning() {
    let (one, mut other) = (replica(1), replica(2));
    let mut ear = Heard::default();
    ear.take(Told::by(&other), &one);
    fail(&other, Side::Canary, 5);
    ear.take(Told::by(&other), &one);
    other = replica(3);
    ear.take(Told::by(&other), &one);
    fail(&other, Side::Canary, 2);
    ear.take(Told::by(&other), &one);
    assert_eq!(heard(&one), (0, 7));
}

#[test]
fn what_was_heard_is_not_told_on() {
    let (one, other, third) = (replica(1), replica(2), replica(3));
    let mut ear = Heard::default();
    ear.take(Told::by(&other), &one);
    fail(&other, Side::Canary, 5);
    ear.take(Told::by(&other), &one);
    let mut ear = Heard::default();
    ear.take(Told::by(&replica(1)), &third);
    ear.take(Told::by(&one), &third);
    assert_eq!(heard(&third), (0, 0));
}

#[tokio::test(flavor = "current_thread")]
async fn replicas_with_the_certificate_hear_each_other_and_others_hear_nothing() {
    let (one, other, stranger) = (replica(1), replica(2), replica(3));
    let identity = Identity::of(&identity::create().unwrap()).unwrap();
    let strange = Identity::of(&identity::create().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, identity.clone(), other.clone(), stop.clone()));
    let address = IpAddr::from([127, 0, 0, 1]);
    let mut listening = Listening::new(identity.clone(), one.clone(), port);
    listening.to(&[address]);
    let mut listening_too = Listening::new(strange.clone(), stranger.clone(), port);
    listening_too.to(&[address]);
    let counted = async {
        while heard(&one).1 == 0 {
            fail(&other, Side::Canary, 1);
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), counted).await.expect("it is heard");
    let mut ear = Heard::default();
    let refused = hear(SocketAddr::new(address, port), &strange, &stranger, &mut ear).await;
    assert!(refused.is_err(), "another certificate is nobody's");
    assert_eq!(heard(&stranger), (0, 0));
    stop.cancel();
    served.await.unwrap();
}
