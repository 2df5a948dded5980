//! What the judge promises of memory.

use std::hint::black_box;

use weir::analysis::{Culprit, Judge, Policy, Report, Tick};
use weir::simulate::traffic::draw;
use weir::simulate::{Behaviour, World};
use weir::stats::Bounds;
use weir::types::Ratio;

const WEIGHT: Ratio = Ratio::percent(25);

/// Seconds of a rollout at 25% of which the canary gets the share `seen`, and fails on one of 50 routes.
fn drawn(seen: Ratio) -> Vec<Tick> {
    let stable = Behaviour::failing(0.002);
    let canary = Behaviour { bad_route: Some((7, 0.1)), ..stable };
    let world = World { routes: 50, ..World::of(500.0, stable, canary) };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut second = |t: i64| {
        let (share, weight) = if t < 0 { (Ratio::ZERO, Ratio::ZERO) } else { (seen, WEIGHT) };
        Tick { weight, ..draw(&world, t, share, &Bounds::default(), &mut rng) }
    };
    (-30..400).map(&mut second).collect()
}

#[test]
fn a_tick_allocates_nothing_once_routes_and_weight_are_known() {
    for seen in [WEIGHT, Ratio::percent(20)] {
        let ticks = drawn(seen);
        let (first, steady) = ticks.split_at(100);
        let mut judge = Judge::new(Policy { alpha: 1e-300, ..Policy::default() }, Bounds::default());
        let next = Some(Ratio::percent(50));
        for tick in first {
            judge.observe(tick, next);
        }
        let mut last = Report::default();
        let memory = allocation_counter::measure(|| {
            for tick in steady {
                last = black_box(judge.observe(tick, next));
            }
        });
        assert_eq!(memory.count_total, 0, "at a share of {seen}: {memory:?}");
        assert_eq!(last.culprit, Some(Culprit::Route("/r/7".into())), "nothing is left out that a report may say");
    }
}
