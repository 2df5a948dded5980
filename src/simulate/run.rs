//! One simulated rollout.

use crate::analysis::{Culprit, Judge, Policy, Tick, Verdict};
use crate::stats::Bounds;
use crate::types::Ratio;

use super::scenario::{Scenario, Traffic};
use super::traffic::draw;
use super::world::World;

/// Who chooses the weights and decides.
pub trait Pilot {
    /// The canary's share from now on.
    fn weight(&self) -> Ratio;

    /// Takes in a second; those before 0 are history of stable alone. Pass promotes, Fail aborts, and both end the rollout.
    fn see(&mut self, tick: &Tick) -> Verdict;

    /// Of what the canary was convicted, and the evidence, where there is such a thing.
    fn grounds(&self) -> (Option<Culprit>, f64) {
        (None, 0.0)
    }
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was decided.
    pub verdict: Verdict,
    /// In which second; the last one when nothing was.
    pub t: i64,
    /// Of what a canary was convicted.
    pub culprit: Option<Culprit>,
    /// Requests that the canary got.
    pub canary: u64,
    /// Users that it hurt: see [`super::World::harm`].
    pub hurt: f64,
    /// What the requests since the fault began would have told somebody who knows all rates, as a multiple of what he needs
    /// to convict: how much longer it took than the least possible. 0 where that is not known.
    pub wald: f64,
    /// The evidence against the canary at the end.
    pub log_e: f64,
}

impl Outcome {
    const NONE: Self =
        Self { verdict: Verdict::Inconclusive, t: 0, culprit: None, canary: 0, hurt: 0.0, wald: 0.0, log_e: 0.0 };

    /// Adds what a second of `world` did to users, and, where the fault `is_there`, what it told.
    fn add(&mut self, world: &World, tick: &Tick, (policy, bounds): (&Policy, &Bounds), is_there: bool) {
        if tick.t >= 0 {
            let others = world.of_others(tick.weight.fraction());
            self.hurt += tick.canary.requests as f64 * others * world.harm(bounds);
        }
        if is_there && world.canary_takes_part() {
            let requests = (tick.stable.requests + tick.canary.requests) as f64;
            let information = world.information(policy, tick.weight.fraction(), bounds);
            self.wald += requests * information / -libm::log(policy.alpha);
        }
    }
}

/// Plays `scenario` for `seconds`, after `history` seconds of stable alone.
pub fn play(
    scenario: &Scenario,
    policy: &Policy,
    pilot: &mut dyn Pilot,
    (history, seconds): (i64, i64),
    seed: u64,
) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let bounds = Bounds::default();
    let mut outcome = Outcome { t: seconds, ..Outcome::NONE };
    let drawn = match &scenario.traffic {
        Traffic::Drawn(world) => Some(world(policy, &mut rng)),
        Traffic::Imagined(_) | Traffic::Recorded(..) => None,
    };
    for t in -history..seconds {
        let weight = if t < 0 { Ratio::ZERO } else { pilot.weight() };
        let imagined = |world: &World, outcome: &mut Outcome, rng: &mut fastrand::Rng| {
            let tick = draw(world, t, weight, &bounds, rng);
            outcome.add(world, &tick, (policy, &bounds), t >= scenario.onset);
            tick
        };
        let tick = match (&scenario.traffic, &drawn) {
            (Traffic::Imagined(world), _) => imagined(&world(t, weight.fraction()), &mut outcome, &mut rng),
            (Traffic::Drawn(_), Some(world)) => imagined(world, &mut outcome, &mut rng),
            (Traffic::Drawn(_), None) => break,
            (Traffic::Recorded(recording, fault), _) => {
                let (tick, hurt) = recording.deal(t, weight, *fault, &mut rng);
                outcome.hurt += hurt as f64;
                tick
            }
        };
        outcome.canary += tick.canary.requests;
        outcome.verdict = pilot.see(&tick);
        if t >= 0 && outcome.verdict != Verdict::Inconclusive {
            outcome.t = t;
            break;
        }
    }
    (outcome.culprit, outcome.log_e) = pilot.grounds();
    outcome
}

/// The judge alone, at given weights, each from its second on, whatever is seen.
#[derive(Debug)]
pub struct AtWeights<'a> {
    judge: Judge,
    weights: &'a [(i64, Ratio)],
    now: i64,
    grounds: (Option<Culprit>, f64),
}

impl<'a> AtWeights<'a> {
    /// Before the first second.
    pub fn new(policy: &Policy, weights: &'a [(i64, Ratio)]) -> Self {
        Self { judge: Judge::new(policy.clone(), Bounds::default()), weights, now: 0, grounds: (None, 0.0) }
    }

    fn place(&self) -> usize {
        self.weights.partition_point(|(from, _)| *from <= self.now)
    }
}

impl Pilot for AtWeights<'_> {
    fn weight(&self) -> Ratio {
        self.place().checked_sub(1).map_or(Ratio::ZERO, |place| self.weights[place].1)
    }

    fn see(&mut self, tick: &Tick) -> Verdict {
        self.now = tick.t.max(0);
        let next = self.weights.get(self.place()).map(|(_, weight)| *weight);
        let report = self.judge.observe(tick, next);
        self.now = tick.t + 1;
        self.grounds = (report.culprit, report.log_e);
        match report.verdict {
            Verdict::Pass if next.is_some() => Verdict::Inconclusive,
            verdict => verdict,
        }
    }

    fn grounds(&self) -> (Option<Culprit>, f64) {
        self.grounds.clone()
    }
}
