use std::future::Future;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::engine::tests::{Bench, GOOD, Wish, name};
use crate::rollout::{Phase, Reason};

fn webhook(url: Uri, failures: u32) -> Check {
    let (interval, timeout) = (Duration::ZERO, Duration::from_secs(10));
    Check { name: name("approval"), kind: CheckKind::Webhook { url }, interval, timeout, failures }
}

/// A server that gives each request one of `answers`, the last one for ever; and what it was sent.
async fn serving(
    answers: &'static [&'static str],
) -> (Uri, impl Future<Output = ()>, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let (send, received) = tokio::sync::mpsc::channel(64);
    let serve = async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while !whole(&text) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "it broke off: {text}");
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            let (status, body) = answers[number.min(answers.len() - 1)].split_once(' ').unwrap();
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = send.try_send(text);
        }
    };
    (url, serve, received)
}

fn whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_none_or(|length: usize| body.len() >= length)
}

async fn next(bench: &mut Bench) {
    let answer = bench.engine().asks.join_next().await.expect("it was asked");
    bench.engine().answered(answer);
    bench.seconds(1, GOOD);
}

fn result(bench: &Bench) -> (Verdict, String) {
    let result = bench.status().checks.remove(0);
    (result.verdict, result.detail)
}

#[tokio::test]
async fn a_webhook_is_sent_the_status_and_its_answer_counts() {
    let answers = &["200 fine.\nreally", "409 not yet", "503 ", "404 who?", "200 fine"];
    let (url, serve, mut received) = serving(answers).await;
    let bench = Bench::new(Wish { checks: vec![webhook(url, 1)], ..Wish::default() });
    assert_eq!(result(&bench), (Verdict::Inconclusive, "not asked yet".to_owned()));
    let attempt = bench.state();
    let test = async {
        let status = bench.status();
        let check = bench.wish.checks[0].clone();
        let ask = || ask(check.clone(), (attempt.rollout.clone(), attempt.attempt), status.clone());
        let mut said = Vec::new();
        for _ in 0..4 {
            let answer = ask().await;
            said.push((answer.verdict, answer.detail));
        }
        let expected = [
            (Verdict::Pass, "the webhook answered 200: fine"),
            (Verdict::Inconclusive, "the webhook answered 409: not yet"),
            (Verdict::Inconclusive, "the webhook answered 503"),
            (Verdict::Fail, "the webhook answered 404: who?"),
        ];
        assert_eq!(said, expected.map(|(verdict, detail)| (verdict, detail.to_owned())));
        let sent = received.recv().await.unwrap();
        assert!(sent.starts_with("POST /hook HTTP/1.1\r\n"), "{sent}");
        let (_, body) = sent.split_once("\r\n\r\n").unwrap();
        let told: ReleaseStatus = serde_json::from_str(body).unwrap();
        assert_eq!((told.name, told.weight), (status.name.clone(), status.weight));
    };
    tokio::select! { () = test => {}, () = serve => {} }
}

#[tokio::test]
async fn a_rollout_waits_for_its_check_and_is_aborted_when_it_fails_in_a_row() {
    let (url, serve, _received) = serving(&["409 wait", "400 no", "200 yes", "400 no", "400 never"]).await;
    let mut bench = Bench::new(Wish { checks: vec![webhook(url, 2)], ..Wish::default() });
    let test = async {
        bench.seconds(30, GOOD);
        assert_eq!(bench.status().phase, Phase::Progressing, "nothing goes on without the check");
        next(&mut bench).await;
        assert_eq!(result(&bench), (Verdict::Inconclusive, "the webhook answered 409: wait".to_owned()));
        assert!(bench.status().message.contains("waiting for the check approval"), "{}", bench.status().message);
        next(&mut bench).await;
        let once = "the webhook answered 400: no (1 of 2 failures in a row)";
        assert_eq!(result(&bench), (Verdict::Inconclusive, once.to_owned()));
        let before = bench.weight();
        next(&mut bench).await;
        assert!(bench.weight() > before, "it passes: {}", bench.status().message);
        next(&mut bench).await;
        next(&mut bench).await;
        let last = bench.status().last.unwrap();
        assert_eq!(last.state.phase, Phase::Aborted, "{}", last.message);
        let reason =
            Reason::CheckFailed { check: name("approval"), detail: "the webhook answered 400: never".to_owned() };
        assert_eq!(last.reason, reason);
    };
    tokio::select! { () = test => {}, () = serve => {} }
}

#[tokio::test]
async fn a_check_that_hangs_stops_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let mut bench = Bench::new(Wish { checks: vec![webhook(url, 1)], ..Wish::default() });
    bench.seconds(5, GOOD);
    assert_eq!(bench.engine().asks.len(), 1, "one look at a time");
    bench.seconds(60, GOOD);
    assert_eq!(result(&bench).0, Verdict::Inconclusive);
    assert_eq!(bench.decide(60, crate::engine::tests::BAD).phase, Phase::Aborted);
}

#[tokio::test]
async fn an_answer_for_an_attempt_that_is_over_comes_too_late() {
    let (url, serve, _received) = serving(&["400 no"]).await;
    let mut bench = Bench::new(Wish { checks: vec![webhook(url, 1)], ..Wish::default() });
    let test = async {
        bench.seconds(1, GOOD);
        bench.command(crate::rollout::Command::Abort).unwrap();
        bench.command(crate::rollout::Command::Retry).unwrap();
        next(&mut bench).await;
        assert_eq!(bench.status().phase, Phase::Progressing);
        assert_eq!(result(&bench), (Verdict::Inconclusive, "not asked yet".to_owned()));
    };
    tokio::select! { () = test => {}, () = serve => {} }
}

#[test]
fn a_check_that_stays_as_it_is_keeps_its_result_over_a_reload() {
    let kept = webhook(Uri::from_static("http://127.0.0.1:9/a"), 1);
    let other = Check { name: name("other"), ..webhook(Uri::from_static("http://127.0.0.1:9/b"), 1) };
    let mut checks = Checks::new(&[kept.clone(), other.clone()]);
    assert_eq!(checks.take_due().len(), 2);
    assert!(checks.take_due().is_empty(), "they are under way");
    let answer = |check: &Check| Answer {
        release: name("shop"),
        attempt: (String::new(), 1),
        check: check.name.clone(),
        verdict: Verdict::Pass,
        detail: "good".to_owned(),
    };
    checks.take(answer(&kept));
    checks.take(answer(&other));
    checks.update(&[Check { failures: 9, ..other }, kept]);
    let verdicts: Vec<_> = checks.results().into_iter().map(|result| result.verdict).collect();
    assert_eq!(verdicts, [Verdict::Inconclusive, Verdict::Pass]);
}
