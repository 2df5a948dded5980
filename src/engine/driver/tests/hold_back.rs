//! After it has won, the canary is watched for a while in which stable keeps a share.

use super::*;
use crate::rollout::HoldBack;

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
