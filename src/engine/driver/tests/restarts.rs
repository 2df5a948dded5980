//! A restart changes nothing of a rollout.

use proptest::prelude::*;

use super::*;
use crate::failures::{Cause, Failures};
use crate::snapshot::Affinity;

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
