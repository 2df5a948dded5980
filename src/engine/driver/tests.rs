use std::fs;
use std::fs::OpenOptions;

use proptest::prelude::*;

use super::*;
use crate::analysis::{Culprit, Hold, Policy};
use crate::engine::tests::*;
use crate::failures::{Cause, Failures};
use crate::rollout::{HoldBack, MirrorFirst, Pause, Reason, Step};
use crate::snapshot::Affinity;
use crate::types::{Ratio, Side};

#[test]
fn a_good_canary_is_promoted_and_every_decision_is_journaled() {
    let mut bench = Bench::new(Wish::default());
    assert_eq!(bench.weight(), Ratio::percent(5));
    let status = bench.decide(600, GOOD);
    assert_eq!((status.phase, bench.weight()), (Phase::Promoted, Ratio::ONE));
    let labels: Vec<_> = bench.history().iter().map(|entry| entry.reason.label()).collect();
    assert_eq!(labels, ["started", "step_passed", "healthy"]);
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

/// After which stable keeps 5% for 20 s.
fn held_back() -> Wish {
    let hold_back = HoldBack { weight: Ratio::percent(5), time: Duration::from_secs(20) };
    Wish { hold_back: Some(hold_back), ..Wish::default() }
}

/// The canary has won, and stable keeps a share.
fn won() -> Bench {
    let mut bench = Bench::new(held_back());
    for _ in 0..600 {
        bench.seconds(1, GOOD);
        if bench.status().phase == Phase::HoldingBack {
            assert_eq!(bench.weight(), Ratio::percent(95));
            return bench;
        }
    }
    panic!("no decision: {}", bench.status().message)
}

#[test]
fn stable_keeps_its_share_over_a_restart_until_the_time_is_over() {
    let mut bench = won();
    bench.seconds(10, GOOD);
    bench.restart();
    assert_eq!((bench.status().phase, bench.weight()), (Phase::HoldingBack, Ratio::percent(95)));
    bench.seconds(9, GOOD);
    assert_eq!(bench.status().phase, Phase::HoldingBack, "{}", bench.status().message);
    let status = bench.decide(2, GOOD);
    assert_eq!((status.phase, bench.weight()), (Phase::Promoted, Ratio::ONE));
    assert_eq!(status.last.unwrap().reason, Reason::HoldBackOver);
}

#[test]
fn a_canary_that_turns_bad_during_the_hold_back_is_out_and_replays_to_the_last_bit() {
    let mut bench = won();
    bench.seconds(10, GOOD);
    let status = bench.decide(10, BAD);
    assert_eq!((status.phase, bench.weight()), (Phase::Aborted, Ratio::ZERO));
    let last = status.last.unwrap();
    assert!(last.message.starts_with("aborted at 95%: shop-v2 failed "), "{}", last.message);
    let replayed = replay(&bench.traces()[0]);
    assert_eq!(replayed.log_e.to_bits(), last.report.log_e.to_bits());
    assert_eq!(replayed.verdict, Verdict::Fail);
}

/// Copies of a tenth of the requests first, until 300 were answered.
fn mirrored_first() -> Wish {
    let mirror_first =
        MirrorFirst { share: Ratio::percent(10), requests: 300, at_least: Duration::ZERO, at_most: None };
    Wish { mirror_first: Some(mirror_first), ..Wish::default() }
}

#[test]
fn a_canary_that_fails_its_copies_is_out_without_a_user_and_replays_to_the_last_bit() {
    let mut bench = Bench::new(mirrored_first());
    assert_eq!((bench.weight(), bench.live().mirrored()), (Ratio::ZERO, Ratio::percent(10)));
    for _ in 0..60 {
        bench.seconds(1, BAD);
        assert_eq!(bench.weight(), Ratio::ZERO, "a user was sent to it");
    }
    let status = bench.status();
    assert_eq!((status.phase, bench.live().mirrored()), (Phase::Aborted, Ratio::ZERO));
    let last = status.last.unwrap();
    assert!(last.message.starts_with("aborted before its first user: shop-v2 failed "), "{}", last.message);
    let trace = fs::read_to_string(&bench.traces()[0]).unwrap();
    assert!(trace.contains(",canary,-,0.1,"), "the share that was drawn with: {trace}");
    let replayed = replay(&bench.traces()[0]);
    assert_eq!(replayed.log_e.to_bits(), last.report.log_e.to_bits());
    assert_eq!(replayed.verdict, Verdict::Fail);
}

#[test]
fn copies_go_on_over_a_restart_with_their_evidence_and_lead_to_the_first_step() {
    let mut bench = Bench::new(mirrored_first());
    bench.seconds(8, GOOD);
    let before = bench.status();
    assert_eq!(before.phase, Phase::Mirroring, "{}", before.message);
    bench.restart();
    let after = bench.status();
    assert_eq!((after.phase, after.weight, after.canary.requests), (Phase::Mirroring, Ratio::ZERO, 0));
    assert_eq!(after.canary.copies, before.canary.copies);
    assert_eq!(bench.live().mirrored(), Ratio::percent(10));
    while bench.status().phase == Phase::Mirroring {
        bench.seconds(1, GOOD);
    }
    let first = bench.status();
    assert!(first.canary.copies >= 300, "{}", first.message);
    assert_eq!(first.canary.requests, 0, "no user was sent to it");
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Progressing, Ratio::percent(5)));
    assert_eq!(bench.live().mirrored(), Ratio::ZERO);
    bench.seconds(1, GOOD);
    let users = bench.status().canary.requests;
    assert!((1..100).contains(&users), "{users}: what users sent");
    bench.restart();
    assert_eq!((bench.status().canary.requests, bench.status().canary.copies), (users, first.canary.copies));
    let status = bench.decide(600, GOOD);
    assert_eq!(status.phase, Phase::Promoted);
    let total = status.canary.requests + status.canary.copies;
    assert_eq!((total, status.canary.copies), (status.report.canary.0, first.canary.copies));
    let labels: Vec<_> = bench.history().iter().map(|entry| entry.reason.label()).collect();
    assert_eq!(labels, ["started", "mirrored", "step_passed", "healthy"]);
}

#[test]
fn a_reload_changes_the_share_of_copies_at_once_and_without_copies_the_first_step_begins() {
    let mut bench = Bench::new(mirrored_first());
    bench.seconds(2, GOOD);
    let mut wish = mirrored_first();
    wish.mirror_first.as_mut().unwrap().share = Ratio::percent(20);
    bench.reload(wish);
    assert_eq!((bench.weight(), bench.live().mirrored()), (Ratio::ZERO, Ratio::percent(20)));
    bench.reload(Wish::default());
    assert_eq!((bench.weight(), bench.live().mirrored()), (Ratio::ZERO, Ratio::ZERO));
    bench.seconds(1, GOOD);
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Progressing, Ratio::percent(5)));
}

#[test]
fn a_client_that_failed_before_a_restart_is_no_new_one_after_it() {
    let mut bench = Bench::new(Wish { affinity: Some(Affinity::ClientIp), ..Wish::default() });
    assert!(bench.live().failed_clients().insert(7));
    bench.seconds(1, GOOD);
    bench.restart();
    assert!(!bench.live().failed_clients().insert(7), "counted already");
    assert!(bench.live().failed_clients().insert(8));
    bench.seconds(1, GOOD);
    bench.command(Command::Abort).unwrap();
    bench.command(Command::Retry).unwrap();
    bench.restart();
    assert!(bench.live().failed_clients().insert(7), "another attempt, another first time");
}

#[test]
fn what_failed_is_journaled_and_goes_on_after_a_restart() {
    let mut bench = Bench::new(Wish::default());
    let fail = |bench: &Bench| {
        bench.live().failures(0).count(Side::Canary, None, Cause::Grpc(14));
    };
    fail(&bench);
    bench.seconds(1, GOOD);
    bench.command(Command::Pause).unwrap();
    bench.restart();
    fail(&bench);
    bench.command(Command::Abort).unwrap();
    fail(&bench);
    let told = |failures: &Failures| failures.counts.iter().map(|count| count.requests).sum::<u64>();
    let status = bench.status();
    assert_eq!((told(&status.failures), told(&status.last.unwrap().failures)), (2, 2));
    bench.command(Command::Retry).unwrap();
    let status = bench.status();
    assert!(status.failures.is_empty() && status.last.unwrap().failures.is_empty(), "another attempt");
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
fn the_replay_of_the_trace_says_what_was_said_live_to_the_last_bit() {
    for (visitors, seconds) in [(GOOD, 600), (BAD, 60), (Visitors { bucket: (3, 9), ..GOOD }, 120)] {
        for affinity in [None, Some(Affinity::ClientIp)] {
            let mut bench = Bench::new(Wish { affinity, ..Wish::default() });
            let status = bench.decide(seconds, visitors);
            let replayed = replay(&bench.traces()[0]);
            assert_eq!(replayed.log_e.to_bits(), status.report.log_e.to_bits());
            assert_eq!(replayed, status.report);
            assert_eq!(replayed, status.last.unwrap().report);
        }
    }
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

#[test]
fn after_copies_little_traffic_begins_at_a_later_step_too() {
    let few = Visitors { rate: 4, ..GOOD };
    let steps = vec![plain(1), plain(5), plain(50)];
    let mut wish = Wish { start_by_traffic: true, steps, ..mirrored_first() };
    wish.mirror_first.as_mut().unwrap().requests = 5;
    let mut bench = Bench::new(wish);
    while bench.status().phase == Phase::Mirroring {
        bench.seconds(1, few);
    }
    assert_eq!(bench.weight(), Ratio::percent(1));
    bench.seconds(19, few);
    assert_eq!(bench.weight(), Ratio::percent(1), "how few is not known yet");
    bench.seconds(2, few);
    assert_eq!((bench.weight(), bench.status().canary.copies >= 5), (Ratio::percent(5), true));
    let labels: Vec<_> = bench.history().iter().map(|entry| entry.reason.label()).collect();
    assert_eq!(labels, ["started", "mirrored", "little_traffic"]);
}

#[test]
fn a_weight_that_changes_within_a_second_splits_it() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(3, GOOD);
    bench.visit(GOOD, 500);
    bench.command(Command::SetWeight(Ratio::percent(20))).unwrap();
    bench.visit(GOOD, 500);
    bench.engine().second();
    let trace = fs::read_to_string(&bench.traces()[0]).unwrap();
    let rows: Vec<_> = trace.lines().filter(|row| row.starts_with(&format!("{},", START.as_secs() + 3))).collect();
    let weights: Vec<_> = rows.iter().filter_map(|row| row.split(',').nth(3)).collect();
    assert_eq!(weights, ["0.05", "0.05", "0.2", "0.2"], "{rows:#?}");
    let last = bench.status();
    assert_eq!(replay(&bench.traces()[0]).log_e.to_bits(), last.report.log_e.to_bits());
}

#[test]
fn a_restart_goes_on_with_weight_and_evidence() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(8, GOOD);
    let before = bench.status();
    bench.restart();
    let after = bench.status();
    assert_eq!(bench.weight(), before.weight);
    assert_eq!(after.report.canary, before.report.canary);
    assert_eq!(after.report.log_e.to_bits(), before.report.log_e.to_bits());
    assert_eq!((after.canary.p99, after.canary.requests), (before.canary.p99, before.canary.requests));
    assert_eq!(after.started, before.started);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_rollout_with_restarts_goes_as_one_without(
        restarts in proptest::collection::vec(1..40u32, 1..4),
        canary_fails in prop_oneof![Just(0.0), Just(0.02), Just(0.3)],
    ) {
        goes_as_one_without(&restarts, canary_fails);
    }
}

#[test]
fn a_restart_before_a_bad_canary_is_convicted_changes_nothing() {
    goes_as_one_without(&[4], 0.3);
}

fn goes_as_one_without(restarts: &[u32], canary_fails: f64) {
    let visitors = Visitors { fail: (0.01, canary_fails), ..GOOD };
    let (mut kept, mut restarted) = (Bench::new(Wish::default()), Bench::new(Wish::default()));
    for second in 0..40 {
        if restarts.contains(&second) {
            restarted.restart();
        }
        kept.seconds(1, visitors);
        restarted.seconds(1, visitors);
        assert_eq!(kept.status().report, restarted.status().report);
        assert_eq!(kept.state(), restarted.state());
        assert_eq!(kept.weight(), restarted.weight());
    }
}

#[test]
fn what_ended_stays_ended_over_a_restart() {
    let mut bench = Bench::new(Wish::default());
    let before = bench.decide(60, BAD);
    bench.restart();
    bench.seconds(3, GOOD);
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Aborted, Ratio::ZERO));
    assert_eq!((bench.status().report, bench.status().message), (before.report, before.message));
    let mut bench = Bench::new(Wish::default());
    bench.command(Command::Promote).unwrap();
    bench.restart();
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Promoted, Ratio::ONE));
}

#[test]
fn a_conviction_that_was_not_journaled_is_carried_out_before_traffic_flows() {
    let mut bench = Bench::new(Wish::default());
    bench.decide(60, BAD);
    let journal = bench.dir.path().join("journal.jsonl");
    let lines = fs::read_to_string(&journal).unwrap();
    let started = lines.lines().next().unwrap();
    bench.engine = None;
    fs::write(&journal, format!("{started}\n")).unwrap();
    bench.restart();
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Aborted, Ratio::ZERO));
}

#[test]
fn a_journal_that_cannot_be_written_raises_no_weight_and_lowers_every() {
    let mut bench = Bench::new(Wish::default());
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = bench.engine().journal.replace_file(full());
    bench.seconds(100, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5), "it would have been promoted");
    assert!(bench.status().message.contains("journal"), "{}", bench.status().message);
    let refused = bench.command(Command::Promote);
    assert!(matches!(refused, Err(CommandError::Journal(_))), "{refused:?}");
    let refused = bench.command(Command::SetWeight(Ratio::percent(20)));
    assert!(matches!(refused, Err(CommandError::Journal(_))), "{refused:?}");
    assert_eq!((bench.weight(), bench.history().len()), (Ratio::percent(5), 1));

    let lowered = bench.command(Command::SetWeight(Ratio::percent(2))).unwrap();
    assert_eq!((lowered.weight, bench.weight()), (Ratio::percent(2), Ratio::percent(2)));
    bench.decide(120, BAD);
    assert_eq!(bench.weight(), Ratio::ZERO);

    bench.engine().journal.replace_file(disk);
    bench.seconds(1, GOOD);
    assert!(!bench.status().message.contains("journal"), "{}", bench.status().message);
    let written = fs::read_to_string(bench.dir.path().join("journal.jsonl")).unwrap();
    let entries: Vec<JournalEntry> =
        written.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let weights: Vec<_> = entries.iter().map(|entry| entry.state.weight).collect();
    assert_eq!(weights, [Ratio::percent(5), Ratio::percent(2), Ratio::ZERO], "late, but whole and in order");
}

#[test]
fn a_rollout_does_not_begin_before_its_journal_can_be_written() {
    let mut bench = Bench::new(Wish::default());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = bench.engine().journal.replace_file(full);
    bench.reload(Wish { canary: "shop-v3", ..Wish::default() });
    bench.seconds(3, GOOD);
    assert_eq!((bench.weight(), bench.status().last), (Ratio::ZERO, None));
    bench.engine().journal.replace_file(disk);
    bench.seconds(1, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5));
    assert_eq!(bench.state().started, bench.clock.now());
}

#[test]
fn commands_say_what_they_cannot_do() {
    let mut bench = Bench::new(Wish::default());
    let unknown = bench.engine().command("shoe", Command::Abort, "alice");
    assert_eq!(unknown.unwrap_err().to_string(), "no release `shoe`: `weir status` lists them");
    let refused = bench.command(Command::Resume).unwrap_err();
    assert_eq!(refused.to_string(), "shop cannot do that: it is not paused: it goes on by itself");
    assert_eq!(bench.history().len(), 1);
}

#[test]
fn a_paused_rollout_stays_and_is_still_aborted() {
    let mut bench = Bench::new(Wish::default());
    let status = bench.command(Command::Pause).unwrap();
    assert_eq!((status.phase, bench.state().pause), (Phase::Paused, Some(Pause::Asked)));
    bench.seconds(100, GOOD);
    assert_eq!(bench.weight(), Ratio::percent(5));
    assert_eq!(bench.decide(60, BAD).phase, Phase::Aborted);
}

#[test]
fn a_retry_begins_without_evidence_and_with_a_trace_of_its_own() {
    let mut bench = Bench::new(Wish { affinity: Some(Affinity::ClientIp), ..Wish::default() });
    bench.decide(60, BAD);
    bench.live().failed_clients().insert(7);
    let status = bench.command(Command::Retry).unwrap();
    assert_eq!((status.weight, status.report.canary, status.canary.requests), (Ratio::percent(5), (0, 0), 0));
    assert!(bench.live().failed_clients().is_empty(), "clients may fail for the first time again");
    assert_eq!(bench.traces().len(), 2);
    assert_eq!(bench.decide(600, GOOD).phase, Phase::Promoted);
    let explained = bench.control().explain("shop").unwrap();
    let labels: Vec<_> = explained.decisions.iter().map(|entry| entry.reason.label()).collect();
    assert_eq!(labels, ["retry_command", "step_passed", "healthy"]);
    assert_eq!(explained.trace.as_ref(), Some(&bench.traces()[1]));
    let counted = bench.control().transitions();
    assert_eq!(counted[&(name("shop"), "errors")], 1);
}

#[test]
fn another_canary_is_another_rollout_and_the_old_one_can_come_back() {
    let mut bench = Bench::new(Wish::default());
    bench.decide(60, BAD);
    bench.reload(Wish { canary: "shop-v3", ..Wish::default() });
    assert_eq!((bench.weight(), bench.state().attempt), (Ratio::percent(5), 1));
    assert_eq!(bench.status().canary.backend.as_str(), "shop-v3");
    bench.seconds(2, GOOD);
    bench.reload(Wish::default());
    assert_eq!((bench.status().phase, bench.weight()), (Phase::Aborted, Ratio::ZERO), "it was aborted, and is");
}

#[test]
fn a_release_that_is_gone_is_no_longer_told_of() {
    let mut bench = Bench::new(Wish::default());
    bench.engine().restore(&snapshot([]));
    assert!(bench.control().status().is_empty());
    assert_eq!(bench.engine().command("shop", Command::Abort, "alice"), Err(CommandError::Unknown("shop".to_owned())));
}

#[test]
fn other_steps_take_effect_without_losing_evidence() {
    let mut bench = Bench::new(Wish { steps: vec![plain(5), plain(20), plain(50)], ..Wish::default() });
    while bench.weight() < Ratio::percent(20) {
        bench.seconds(1, GOOD);
    }
    let seen = bench.status().report.canary;
    bench.reload(Wish { steps: vec![plain(5), plain(10)], ..Wish::default() });
    assert_eq!(bench.weight(), Ratio::percent(10));
    assert_eq!(bench.history().last().unwrap().reason, Reason::StepsChanged);
    assert!(bench.status().report.canary.0 >= seen.0);
    bench.seconds(3, GOOD);
    let trace = bench.traces()[0].clone();
    assert_eq!(replay(&trace).log_e.to_bits(), bench.status().report.log_e.to_bits(), "the trace has the new steps");
}

#[test]
fn another_policy_judges_the_evidence_that_is_there() {
    let strict = Policy { alpha: 1e-9, ..Wish::default().policy };
    let mut bench = Bench::new(Wish { policy: strict, ..Wish::default() });
    let mut visitors = Visitors { fail: (0.0, 0.2), ..GOOD };
    while bench.status().report.log_e < 5.0 {
        bench.seconds(1, visitors);
        assert_eq!(bench.status().phase, Phase::Progressing, "nothing to show: it was convicted at once");
    }
    bench.reload(Wish::default());
    visitors.rate = 0;
    bench.seconds(1, visitors);
    assert_eq!(bench.status().phase, Phase::Aborted, "{}", bench.status().message);
    assert_eq!(replay(&bench.traces()[0]).log_e.to_bits(), bench.status().report.log_e.to_bits());
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut bench = Bench::new(Wish::default());
    bench.seconds(5, GOOD);
    let (report, entries) = (bench.status().report, bench.history().len());
    bench.reload(bench.wish.clone());
    assert_eq!((bench.status().report.log_e.to_bits(), bench.history().len()), (report.log_e.to_bits(), entries));
}

#[test]
fn a_step_waits_for_its_human() {
    let mut bench = Bench::new(Wish { steps: vec![Step { pause: true, ..plain(5) }, plain(50)], ..Wish::default() });
    while bench.status().phase == Phase::Progressing {
        bench.seconds(1, GOOD);
    }
    bench.seconds(50, GOOD);
    assert_eq!((bench.weight(), bench.state().pause), (Ratio::percent(5), Some(Pause::Approval)));
    assert!(bench.status().message.contains("`weir resume shop` goes on to 50%"), "{}", bench.status().message);
    bench.restart();
    assert_eq!(bench.command(Command::Resume).unwrap().weight, Ratio::percent(50));
}

#[test]
fn a_clock_that_jumps_back_loses_and_repeats_nothing() {
    let mut bench =
        Bench::new(Wish { policy: Policy { min_promote_s: 240.0, ..Policy::default() }, ..Wish::default() });
    bench.seconds(20, GOOD);
    let before = bench.status().report.stable.0 + bench.status().report.canary.0;
    let back = Arc::new(crate::clock::ManualClock::at(Timestamp::from_secs(START.as_secs() - 3600)));
    bench.engine().clock = Watch(back.clone());
    bench.clock = back;
    bench.seconds(20, GOOD);
    let after = bench.status().report.stable.0 + bench.status().report.canary.0;
    assert_eq!(after - before, 20 * 200);
    assert_eq!(replay(&bench.traces()[0]).log_e.to_bits(), bench.status().report.log_e.to_bits());
}

/// An engine on a thread of its own, as in the real house; the time is the machine's.
fn running(bench: &mut Bench) -> (Control, CancellationToken, std::thread::JoinHandle<()>) {
    let (engine, current) = (bench.engine.take().unwrap(), current(bench));
    let (control, cancel) = (bench.control().clone(), CancellationToken::new());
    let end = cancel.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(engine.run(current, end));
    });
    (control, cancel, thread)
}

/// From the convicting response to the weight, the best of some tries: the machine has other things to do.
#[test]
fn a_convicted_canary_is_out_within_ten_milliseconds() {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut bench = Bench::new(Wish::default());
        bench.seconds(5, GOOD);
        let live = bench.live();
        let (_, cancel, thread) = running(&mut bench);
        let (stable, canary) = (live.side(Side::Stable).of(0), live.side(Side::Canary).of(0));
        let begun = std::time::Instant::now();
        let mut last = begun;
        while live.weight() > Ratio::ZERO {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not convicted");
            if last.elapsed() > Duration::from_millis(5) {
                // The next failure, among as much traffic as fits the weight; the one that convicts is the last one.
                (0..19).for_each(|_| stable.record(3, false, false));
                last = std::time::Instant::now();
                canary.record(3, true, true);
                live.failed.notify_one();
            }
            std::thread::yield_now();
        }
        best = best.min(last.elapsed());
        cancel.cancel();
        thread.join().unwrap();
    }
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("convicting response to weight 0: {best:?}\n").as_bytes(),
    );
    assert!(best < Duration::from_millis(10), "{best:?}");
}

#[tokio::test]
async fn the_running_engine_ticks_obeys_and_ends_its_trace_whole() {
    let mut bench = Bench::new(Wish::default());
    let live = bench.live();
    let (control, cancel, thread) = running(&mut bench);
    let mut changes = control.subscribe();
    let done = control.command("shop", Command::SetWeight(Ratio::percent(30)), "alice").await.unwrap();
    assert_eq!((done.weight, live.weight()), (Ratio::percent(30), Ratio::percent(30)));
    live.side(Side::Stable).of(1).record(3, false, false);
    changes.wait_for(|all| all[0].stable.requests == 1).await.unwrap();
    // In the middle of a second: it must be in the trace all the same.
    live.side(Side::Canary).of(0).record(3, false, false);
    cancel.cancel();
    thread.join().unwrap();
    let report = replay(&bench.traces()[0]);
    assert_eq!((report.stable.0, report.canary.0), (1, 1));
    let stopped = control.command("shop", Command::Abort, "alice").await;
    assert_eq!(stopped, Err(CommandError::Stopped));
}

#[tokio::test]
async fn a_reload_is_followed() {
    let mut bench = Bench::new(Wish::default());
    let engine = bench.engine.take().unwrap();
    let (current, cancel) = (current(&bench), CancellationToken::new());
    let run = engine.run(current.clone(), cancel.clone());
    let test = async {
        let wish = Wish { canary: "shop-v3", ..Wish::default() };
        current.store(snapshot([wish.release(&bench.leaves)]));
        bench.control().reloaded().await;
        assert_eq!(bench.status().canary.backend.as_str(), "shop-v3");
        assert_eq!(wish.release(&bench.leaves).live.weight(), Ratio::percent(5));
        cancel.cancel();
    };
    tokio::join!(run, test);
}
