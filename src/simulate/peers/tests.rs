use super::*;
use crate::analysis::{Tick, Verdict};
use crate::simulate::Pilot;
use crate::stats::{Bounds, Tally};

/// When and how a pilot ends if each second of the canary is as `second` says, at a hundred requests of stable.
fn end(pilot: &mut dyn Pilot, second: impl Fn(i64) -> (u64, u64)) -> (i64, Verdict, u32) {
    let tally = |(requests, errors)| {
        let mut tally = Tally { requests, errors, ..Tally::default() };
        tally.buckets[3] = requests;
        tally
    };
    let mut weight = 0;
    for t in 0..20_000 {
        weight = pilot.weight().ppm() / 10_000;
        let tick = Tick { t, stable: tally((100, 0)), canary: tally(second(t)), ..Tick::default() };
        let verdict = pilot.see(&tick);
        if verdict != Verdict::Inconclusive {
            return (t + 1, verdict, weight);
        }
    }
    (20_000, Verdict::Inconclusive, weight)
}

#[test]
fn flagger_promotes_after_interval_times_steps_and_rolls_back_after_interval_times_threshold() {
    let flagger = || Flagger::new(Bounds::default());
    assert_eq!(end(&mut flagger(), |_| (10, 0)), (600, Verdict::Pass, 50));
    assert_eq!(end(&mut flagger(), |_| (10, 10)), (660, Verdict::Fail, 5));
    assert_eq!(end(&mut flagger(), |_| (0, 0)), (660, Verdict::Fail, 5));
    assert_eq!(end(&mut flagger(), |t| (100, u64::from(t % 2 == 0))), (600, Verdict::Pass, 50), "99.5% will do");
}

#[test]
fn argo_looks_from_the_second_step_on_and_forgives_three_bad_measurements() {
    assert_eq!(end(&mut Argo::default(), |_| (10, 0)), (2400, Verdict::Pass, 80));
    assert_eq!(end(&mut Argo::default(), |_| (10, 10)), (1500, Verdict::Fail, 60));
    assert_eq!(end(&mut Argo::default(), |_| (100, 4)), (2400, Verdict::Pass, 80), "96% will do");
    assert_eq!(end(&mut Argo::default(), |_| (0, 0)), (1500, Verdict::Fail, 60));
    let early = end(&mut Argo::default(), |t| (10, if t < 590 { 10 } else { 0 }));
    assert_eq!(early, (2400, Verdict::Pass, 80), "nobody looks in the first ten minutes");
}

#[test]
fn kayenta_needs_three_hours_for_a_promotion_and_one_for_a_failure() {
    let kayenta = || Kayenta::new(Bounds::default());
    assert_eq!(end(&mut kayenta(), |_| (10, 0)), (10_800, Verdict::Pass, 5));
    assert_eq!(end(&mut kayenta(), |_| (10, 1)), (3600, Verdict::Fail, 5));
    assert_eq!(end(&mut kayenta(), |_| (0, 0)), (3600, Verdict::Fail, 5));
    let late = |from| move |t| (10, u64::from(t > from));
    assert_eq!(end(&mut kayenta(), late(3600)), (10_800, Verdict::Fail, 5));
    assert_eq!(end(&mut kayenta(), late(7200)), (10_800, Verdict::Pass, 5), "most of the minutes were good");
}
