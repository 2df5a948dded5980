use std::fs;

use super::*;
use crate::analysis::{Culprit, Hold, Policy};
use crate::engine::tests::*;
use crate::rollout::Reason;
use crate::types::{Ratio, Side};

mod commands;
mod hold_back;
mod journal;
mod mirror_first;
mod reloads;
mod restarts;
mod running;
mod traces;

/// Why each of these was decided.
fn labels(entries: &[JournalEntry]) -> Vec<&'static str> {
    entries.iter().map(|entry| entry.reason.label()).collect()
}

#[test]
fn a_good_canary_is_promoted_and_every_decision_is_journaled() {
    let mut bench = Bench::new(Wish::default());
    assert_eq!(bench.weight(), Ratio::percent(5));
    let status = bench.decide(600, GOOD);
    assert_eq!((status.phase, bench.weight()), (Phase::Promoted, Ratio::ONE));
    assert_eq!(labels(&bench.history()), ["started", "step_passed", "healthy"]);
    let lines = fs::read_to_string(bench.dir.path().join("journal.jsonl")).unwrap();
    let read: Vec<JournalEntry> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states = |entries: &[JournalEntry]| entries.iter().map(|entry| entry.state.clone()).collect::<Vec<_>>();
    assert_eq!(states(&read), states(&bench.history()));
    assert!(status.message.starts_with("promoted: shop-v2 gets all traffic"), "{}", status.message);
}

#[test]
fn a_bad_canary_is_out_and_the_sentence_says_why() {
    let mut bench = Bench::new(Wish::default());
    let status = bench.decide(60, BAD);
    assert_eq!((status.phase, bench.weight()), (Phase::Aborted, Ratio::ZERO));
    let last = status.last.unwrap();
    assert_eq!(last.reason, Reason::Convicted { culprit: Culprit::Errors });
    assert!(last.message.starts_with("aborted at 5%: shop-v2 failed "), "{}", last.message);
    assert!(last.message.contains("shop-v1 none of"), "{}", last.message);
    let seen = (status.canary.requests, status.canary.errors);
    assert_eq!(last.report.canary, seen);
}

#[test]
fn a_slow_canary_is_out_for_its_latency() {
    let mut bench = Bench::new(Wish::default());
    let status = bench.decide(120, Visitors { bucket: (3, 9), ..GOOD });
    let last = status.last.unwrap();
    assert!(matches!(last.reason, Reason::Convicted { culprit: Culprit::Latency(_) }), "{}", last.message);
    assert!(last.message.contains("took longer than"), "{}", last.message);
}

#[test]
fn an_outage_of_both_is_not_blamed_on_the_canary() {
    let mut bench =
        Bench::new(Wish { policy: Policy { min_promote_s: 240.0, ..Policy::default() }, ..Wish::default() });
    bench.seconds(30, GOOD);
    bench.seconds(60, Visitors { fail: (0.6, 0.6), ..GOOD });
    assert_eq!(bench.status().phase, Phase::Progressing, "{}", bench.status().message);
}

#[test]
fn without_visitors_it_holds_and_says_so() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(100, Visitors { rate: 0, ..GOOD });
    let status = bench.status();
    assert_eq!((status.phase, status.weight), (Phase::Progressing, Ratio::percent(5)));
    assert_eq!(status.report.hold, Some(Hold::NoCanaryTraffic));
    assert!(status.message.contains("no request has come to shop yet"), "{}", status.message);
    assert_eq!(status.eta, None);
}

#[test]
fn a_convicting_failure_ends_the_second_early() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(5, GOOD);
    bench.visit(Visitors { fail: (0.0, 1.0), ..GOOD }, 400);
    bench.engine().look();
    assert_eq!(bench.weight(), Ratio::ZERO, "{}", bench.status().message);
    assert_eq!(bench.state().ended, Some(bench.clock.now()), "it did not wait for the second");
    assert_eq!(replay(&bench.traces()[0]), bench.status().report);
}

#[test]
fn failures_that_convict_nobody_end_no_second() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(5, GOOD);
    let rows = fs::read_to_string(&bench.traces()[0]).unwrap();
    bench.live().side(Side::Canary).of(0).record(3, true, true);
    bench.engine().look();
    assert_eq!(fs::read_to_string(&bench.traces()[0]).unwrap(), rows);
    assert_eq!(bench.status().phase, Phase::Progressing);
}

#[test]
fn little_traffic_begins_at_a_later_step_and_replays_to_the_last_bit() {
    let few = Visitors { rate: 4, ..GOOD };
    let steps = vec![plain(1), plain(5), plain(50)];
    let mut bench = Bench::new(Wish { start_by_traffic: true, steps, ..Wish::default() });
    bench.seconds(9, few);
    assert_eq!(bench.weight(), Ratio::percent(1), "some seconds may be an accident");
    bench.seconds(2, few);
    assert_eq!(bench.weight(), Ratio::percent(5));
    let last = bench.status().last.unwrap();
    assert_eq!(last.reason, Reason::LittleTraffic);
    assert_eq!(last.message, "only 4 requests a second: shop-v2 starts at 5% instead of 1%, step 2 of 3");
    let status = bench.decide(600, Visitors { fail: (0.0, 1.0), ..few });
    assert_eq!(status.phase, Phase::Aborted);
    assert_eq!(replay(&bench.traces()[0]), status.report);
}
