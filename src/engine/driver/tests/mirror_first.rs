//! Copies of requests come before the first user.

use super::*;
use crate::rollout::MirrorFirst;

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
    assert_eq!(labels(&bench.history()), ["started", "mirrored", "step_passed", "healthy"]);
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
    assert_eq!(labels(&bench.history()), ["started", "mirrored", "little_traffic"]);
}
