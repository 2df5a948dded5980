//! Another configuration in the middle of a rollout.

use super::*;

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
