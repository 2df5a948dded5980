//! The trace has every second as it was judged.

use super::*;
use crate::snapshot::Affinity;

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
