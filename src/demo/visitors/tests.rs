use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::*;
use crate::demo::app::{App, Behaviour, Faults, serve};

fn behaviour(greeting: &str, error_rate: Ratio) -> Behaviour {
    let faults = Faults::ordered(error_rate, Duration::ZERO, None);
    let version = "v1".to_owned();
    Behaviour { greeting: greeting.to_owned(), version, jitter: Duration::ZERO, faults, outage: None, seed: 1 }
}

fn greetings() -> [String; 2] {
    ["Hello World!", "Howdy World!"].map(str::to_owned)
}

/// Visitors of one application without a proxy between, until `enough` visits have ended; `(seen, visits in the ledger)`.
async fn visit(behaviour: Behaviour, posts: Ratio, enough: u64) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cancel, gone) = (CancellationToken::new(), CancellationToken::new());
    let ledger = Arc::<Ledger>::default();
    let app = Arc::new(App::new(behaviour, Some(ledger.clone())));
    let seen = Rc::<RefCell<Seen>>::default();
    let plan = Plan { address, rate: 2000.0, posts, greetings: greetings(), seed: 3 };
    let stop = async {
        while seen.borrow().visits() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gone.cancel();
    };
    let visitors = async {
        tokio::join!(come(plan, ledger, seen.clone(), gone.clone()), stop);
        cancel.cancel();
    };
    LocalSet::new().run_until(async { tokio::join!(serve(listener, app, cancel.clone()), visitors) }).await;
    seen.take()
}

#[tokio::test]
async fn visitors_recognise_the_version_by_its_greeting() {
    let seen = visit(behaviour("Howdy World!", Ratio::ZERO), Ratio::percent(5), 200).await;
    assert_eq!(seen.greeted[Side::Stable as usize], 0);
    assert_eq!(seen.greeted[Side::Canary as usize], seen.visits());
    assert_eq!((seen.hurt(), seen.saved), (0, 0));
    assert!(seen.quantile(0.5).is_some());
}

#[tokio::test]
async fn visitors_count_every_error_page_and_who_posted() {
    let seen = visit(behaviour("Hello World!", Ratio::ONE), Ratio::percent(50), 200).await;
    assert_eq!(seen.hurt(), seen.visits());
    assert_eq!(seen.unanswered, 0);
    assert!(seen.failed_gets > 50 && seen.failed_posts > 50, "{seen:?}");
}

#[tokio::test]
async fn a_wrong_text_with_status_200_is_no_greeting() {
    let seen = visit(behaviour("Lorem ipsum", Ratio::ZERO), Ratio::ZERO, 20).await;
    assert_eq!(seen.failed_gets, seen.visits());
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let clients = client::Clients::new(address);
    assert!(clients.send(Request::new(Full::default())).await.is_err());
}

#[test]
fn a_visit_that_was_greeted_after_a_failed_attempt_was_saved() {
    let mut seen = Seen::default();
    let greeted = Sight::Greeting(Side::Stable);
    seen.record(&Method::GET, greeted, true, Duration::from_millis(4));
    seen.record(&Method::GET, greeted, false, Duration::from_millis(4));
    seen.record(&Method::POST, Sight::Failure, true, Duration::from_millis(90));
    assert_eq!((seen.saved, seen.hurt(), seen.visits()), (1, 1, 3));
    assert_eq!((seen.quantile(0.5), seen.quantile(1.0)), (Some(5), Some(100)));
    assert_eq!(Seen::default().quantile(0.5), None);
}

#[test]
fn visitors_come_as_often_as_planned() {
    let mut rng = fastrand::Rng::with_seed(5);
    let total: Duration = (0..30_000).map(|_| pause(300.0, &mut rng)).sum();
    assert!((95.0..105.0).contains(&total.as_secs_f64()), "{total:?}");
}
