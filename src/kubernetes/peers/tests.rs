use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use tokio::io::DuplexStream;
use tokio::task::LocalSet;

use super::*;
use crate::clock::SystemClock;
use crate::config::{self, Resolved};
use crate::engine::{Engine, StateDir};
use crate::failures::{Cause, Failures};
use crate::kubernetes::lease::Leadership;
use crate::snapshot::{Leaves, ReleaseLive};
use crate::types::Side;

const CONFIG: &str = "
listeners: [{ name: web, address: \"127.0.0.1:0\" }]
routes: [{ name: cart, match: { path: /cart }, release: shop }, { name: rest, release: shop }]
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
    let (mut engine, control) = Engine::open(dir, Arc::new(SystemClock), failed).unwrap();
    engine.restore(&compiled.snapshot);
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
fn routes_and_what_failed_on_them_are_told_of_one_attempt() {
    let (one, other, third) = (replica(1), replica(2), replica(3));
    let cart = |exchange: &Exchange| exchange.current.load().releases["shop"].routes[0].clone();
    let fail_there = |exchange: &Exchange, count: u16| {
        for _ in 0..count {
            cart(exchange).side(Side::Canary).of(0).record(true);
            let cause = Cause::Status(http::StatusCode::BAD_GATEWAY);
            live(exchange).failures(0).count(Side::Canary, Some(&cart(exchange).name), cause);
        }
    };
    let known = || {
        let failures = live(&one).all_failures(&Failures::default());
        let rows = failures.counts.into_iter().map(|row| (row.route.unwrap().to_string(), row.cause, row.requests));
        (cart(&one).read().1, rows.collect::<Vec<_>>())
    };
    let (mut ear, mut other_ear) = (Heard::default(), Heard::default());
    ear.take(Told::by(&other), &one);
    other_ear.take(Told::by(&third), &one);
    fail_there(&one, 1);
    fail_there(&other, 2);
    fail_there(&third, 4);
    for _ in 0..2 {
        ear.take(Told::by(&other), &one);
        other_ear.take(Told::by(&third), &one);
    }
    assert_eq!(known(), ((7, 7), vec![("cart".to_owned(), "status 502".to_owned(), 7)]));
    live(&one).forget_failures();
    let mut told = serde_json::to_value(Told::by(&other)).unwrap();
    told["releases"][0]["failed"]["attempt"] = 2.into();
    ear.take(serde_json::from_value(told).unwrap(), &one);
    assert_eq!(known(), ((7, 7), Vec::new()), "what failed in another attempt is not told of this one");
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
    let connection = connect(SocketAddr::new(address, port), strange.client.clone());
    let refused = hear(connection, async |_| Ok(()), &stranger, &mut ear).await;
    assert!(refused.is_err(), "another certificate is nobody's");
    assert_eq!(heard(&stranger), (0, 0));
    stop.cancel();
    served.await.unwrap();
}

/// What is between two replicas: passes lines on, but for when it is cut. As TCP does it, what was lost is sent again after
/// 200 ms, and then twice as late each time; a connection that nobody answers is never made.
#[derive(Clone)]
struct Network {
    teller: Exchange,
    cut: Rc<Cell<bool>>,
}

impl Network {
    async fn connect(&self) -> io::Result<DuplexStream> {
        if self.cut.get() {
            timeout(ANSWER, std::future::pending::<()>()).await?;
        }
        let (far, told) = tokio::io::duplex(1 << 16);
        let (mut passed, near) = tokio::io::duplex(1 << 16);
        let (network, teller) = (self.clone(), self.teller.clone());
        tokio::task::spawn_local(async move { report(far, &teller).await });
        tokio::task::spawn_local(async move {
            let mut lines = BufReader::new(told);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).await? > 0 {
                let mut later = Duration::from_millis(200);
                while network.cut.get() {
                    sleep(later).await;
                    later *= 2;
                }
                passed.write_all(&line).await?;
                line.clear();
            }
            io::Result::Ok(())
        });
        Ok(near)
    }
}

/// The time until `one` knows all that the canary failed at `other`.
async fn until_known(one: &Exchange, other: &Exchange) -> Duration {
    let begun = Instant::now();
    while heard(one).1 < live(other).read_here().1.errors {
        sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// `one` listens to `other` over a network of its own while `body` goes on.
async fn listening_to(one: &Exchange, other: &Exchange, body: impl AsyncFnOnce(&Cell<bool>)) {
    let network = Network { teller: other.clone(), cut: Rc::default() };
    let cut = network.cut.clone();
    let listening = async {
        let (network, one) = (network.clone(), one.clone());
        tokio::task::spawn_local(async move {
            persist(|| network.connect(), async |_| Ok(()), &one).await;
        });
        // What was counted before the first report is no evidence.
        sleep(Duration::from_millis(1)).await;
        body(&cut).await;
    };
    LocalSet::new().run_until(listening).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_is_known_elsewhere_within_half_a_second() {
    let (one, other) = (replica(1), replica(2));
    listening_to(&one, &other, async |_| {
        for wait in (0..600).step_by(7) {
            sleep(Duration::from_millis(wait)).await;
            fail(&other, Side::Canary, 1);
            let took = until_known(&one, &other).await;
            assert!(took <= Duration::from_millis(502), "{took:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_in_a_partition_is_known_within_a_second_of_its_end() {
    let (one, other) = (replica(1), replica(2));
    listening_to(&one, &other, async |cut| {
        let mut longest = Duration::ZERO;
        for length in (10..5000).step_by(37) {
            sleep(Duration::from_millis(1000 + length % 500)).await;
            cut.set(true);
            sleep(Duration::from_millis(length)).await;
            fail(&other, Side::Canary, 1);
            cut.set(false);
            longest = longest.max(until_known(&one, &other).await);
        }
        assert!(longest <= Duration::from_millis(700), "{longest:?}");
        assert!(longest >= Duration::from_millis(300), "nothing was cut: {longest:?}");
    })
    .await;
}
