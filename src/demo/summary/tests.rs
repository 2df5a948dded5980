use std::time::Duration;

use super::*;
use crate::analysis::Report;
use crate::demo::visitors::Sight;
use crate::rollout::{Reason, State};
use crate::types::Span;

fn args() -> DemoArgs {
    DemoArgs {
        canary_error_rate: Ratio::ZERO,
        canary_latency: Span::default(),
        canary_breaks_at: None,
        shared_outage_at: None,
        shared_outage_for: Span::secs(10),
        rps: 300,
        duration: Span::secs(180),
        seed: 1,
    }
}

fn decision(seconds: i64, from: u32, to: u32, phase: Phase, message: &str) -> JournalEntry {
    let time = Timestamp::from_secs(1_795_269_600 + seconds);
    let state = State {
        rollout: "hello".to_owned(),
        attempt: 1,
        phase,
        pause: None,
        step: 0,
        weight: Ratio::percent(to),
        started: Timestamp::from_secs(1_795_269_600),
        step_started: time,
        ended: None,
        copies: None,
    };
    JournalEntry {
        time,
        release: "hello".parse().unwrap(),
        stable: "hello-v1".parse().unwrap(),
        canary: "hello-v2".parse().unwrap(),
        reason: Reason::Started,
        from: Ratio::percent(from),
        state,
        report: Report::default(),
        failures: Default::default(),
        routes: Vec::new(),
        message: message.to_owned(),
    }
}

fn seen(sights: &[(http::Method, Sight, bool)]) -> Seen {
    let mut seen = Seen::default();
    for (method, sight, attempt_failed) in sights {
        seen.record(method, *sight, *attempt_failed, Duration::from_millis(12));
    }
    seen
}

fn text(args: &DemoArgs, end: End, history: &[JournalEntry], seen: &Seen) -> String {
    summary(args, end, history, seen, Duration::from_secs(52), &Style::plain(Timestamp::default())).join("\n")
}

const HELLO: Sight = Sight::Greeting(Side::Stable);
const GET: http::Method = http::Method::GET;
const POST: http::Method = http::Method::POST;

#[test]
fn a_promotion_is_told_with_its_decisions_and_their_times() {
    let history = [
        decision(0, 0, 1, Phase::Progressing, "the rollout began"),
        decision(48, 50, 100, Phase::Promoted, "the canary is as good as stable"),
    ];
    let text = text(&args(), End::Decided, &history, &seen(&[(GET, HELLO, false)]));
    for expected in [
        "      0s  0% -> 1%     the rollout began\n",
        "     48s  50% -> 100%  the canary is as good as stable\n",
        "The canary was promoted after 48s.",
        "1 visits in 52s: 1 saw \"Hello World!\", 0 saw \"Howdy World!\".",
        "Nobody saw an error.",
        "answered within 15ms",
        "run --config config/weir.yaml",
    ] {
        assert!(text.contains(expected), "missing {expected:?} in\n{text}");
    }
}

#[test]
fn an_abort_says_how_many_were_hurt_how_and_how_many_were_not() {
    let history = [decision(3, 1, 0, Phase::Aborted, "the canary fails")];
    let sights = [(GET, HELLO, true), (GET, HELLO, true), (POST, Sight::Failure, true), (GET, Sight::NoAnswer, false)];
    let text = text(&args(), End::Decided, &history, &seen(&sights)).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("The canary was aborted after 3s."), "{text}");
    assert!(text.contains("2 visitors saw an error: 1 on a POST request, which weir does not repeat"), "{text}");
    assert!(text.contains("1 without any answer."), "{text}");
    assert!(text.contains("2 more would have seen one"), "{text}");
}

#[test]
fn an_open_end_is_no_verdict() {
    let history = [decision(0, 0, 1, Phase::Progressing, "the rollout began")];
    assert!(text(&args(), End::Interrupted, &history, &Seen::default()).contains("You ended it"));
    assert!(text(&args(), End::TimeUp, &history, &Seen::default()).contains("The time was up"));
    assert!(text(&args(), End::Interrupted, &[], &Seen::default()).contains("You ended it"));
}

#[test]
fn what_was_just_shown_is_not_recommended() {
    let shown = DemoArgs { canary_latency: Span::millis(300), ..args() };
    let text = text(&shown, End::TimeUp, &[], &Seen::default());
    assert!(!text.contains("--canary-latency") && text.contains("--canary-error-rate"), "{text}");
}
