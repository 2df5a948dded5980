use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::behaviour::Answer;
use super::*;

fn well() -> Behaviour {
    Behaviour {
        greeting: "Hello World!".to_owned(),
        version: "v1".to_owned(),
        jitter: Duration::ZERO,
        faults: Faults::default(),
        outage: None,
        seed: 7,
    }
}

fn count(behaviour: &Behaviour, age: Duration, wanted: Answer) -> usize {
    (0..10_000).filter(|number| behaviour.plan(*number, age).0 == wanted).count()
}

fn faults(error_rate: u32, latency_ms: u64, begin_s: Option<u64>) -> Faults {
    Faults::ordered(Ratio::percent(error_rate), Duration::from_millis(latency_ms), begin_s.map(Duration::from_secs))
}

#[test]
fn a_share_of_the_requests_fails_and_always_the_same_ones() {
    let broken = Behaviour { faults: faults(20, 0, None), ..well() };
    let failed = count(&broken, Duration::ZERO, Answer::Broken);
    assert!((1_850..2_150).contains(&failed), "{failed}");
    assert_eq!(failed, count(&broken, Duration::from_secs(60), Answer::Broken));
    let other = Behaviour { seed: 8, ..broken.clone() };
    assert!((0..100).any(|number| other.plan(number, Duration::ZERO) != broken.plan(number, Duration::ZERO)));
}

#[test]
fn faults_wait_for_their_moment() {
    let late = Behaviour { faults: faults(0, 0, Some(30)), ..well() };
    assert_eq!(count(&late, Duration::from_millis(29_999), Answer::Greeting), 10_000);
    assert_eq!(count(&late, Duration::from_secs(30), Answer::Broken), 10_000);
    let slow = Behaviour { faults: faults(0, 300, Some(30)), ..well() };
    assert_eq!(slow.plan(1, Duration::from_secs(29)).1, Duration::ZERO);
    assert_eq!(slow.plan(1, Duration::from_secs(30)), (Answer::Greeting, Duration::from_millis(300)));
}

#[test]
fn an_outage_takes_every_second_request_and_ends() {
    let away = Behaviour { outage: Some(Outage::new(Duration::from_secs(20), Duration::from_secs(10))), ..well() };
    let failed = [19, 20, 29, 30].map(|second| count(&away, Duration::from_secs(second), Answer::Outage));
    assert_eq!((failed[0], failed[3]), (0, 0));
    assert!((4_800..5_200).contains(&failed[1]) && failed[1] == failed[2], "{failed:?}");
}

#[test]
fn jitter_spreads_up_to_its_bound() {
    let spread = Behaviour { jitter: Duration::from_millis(100), ..well() };
    let times: Vec<_> = (0..10_000).map(|number| spread.plan(number, Duration::ZERO).1).collect();
    assert!(times.iter().all(|time| *time <= Duration::from_millis(100)));
    let below_half = times.iter().filter(|time| **time < Duration::from_millis(50)).count();
    assert!((4_800..5_200).contains(&below_half), "{below_half}");
}

/// What an application answers to `requests`, sent at once on one connection that is then closed for writing.
async fn ask(behaviour: Behaviour, requests: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Arc::new(App::new(behaviour, None)), cancel.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    cancel.cancel();
    serving.await.unwrap();
    answer
}

#[tokio::test]
async fn it_greets_says_its_version_and_is_well() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = ask(well(), &[get("/"), get("/version"), get("/healthz")].concat()).await;
    let bodies = ["Hello World!\n", "v1\n", "ok\n"];
    let places: Vec<_> = bodies.iter().map(|body| answer.find(&format!("\r\n\r\n{body}")).expect(body)).collect();
    assert!(places.is_sorted(), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    assert_eq!(answer.matches("x-version: v1").count(), 3, "{answer}");
}

#[tokio::test]
async fn a_broken_one_says_so_and_stays_healthy_to_probes() {
    let broken = Behaviour { faults: faults(100, 0, None), ..well() };
    let requests = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\ntea\
                    GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = ask(broken, requests).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("v1 is broken\n"), "{answer}");
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
}
