//! One simulated rollout.

use crate::analysis::{Culprit, Judge, Policy, Verdict};
use crate::stats::Bounds;
use crate::types::Ratio;

use super::scenario::Scenario;
use super::traffic::draw;

/// Who chooses the weights.
#[derive(Clone, Copy, Debug)]
pub enum Steering<'a> {
    /// These weights, each from its second on, whatever is seen.
    Recorded(&'a [(i64, Ratio)]),
    /// The judge's evidence leads through these steps.
    ByEvidence(&'a [Ratio]),
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was decided.
    pub verdict: Verdict,
    /// In which second.
    pub t: i64,
    /// Of what a canary was convicted.
    pub culprit: Option<Culprit>,
    /// Requests of both versions since the fault began.
    pub requests: u64,
    /// Users of the canary that were hurt: its failures beyond those that stable would have had too.
    pub hurt: u64,
    /// The evidence against the canary at the end.
    pub log_e: f64,
}

/// Plays `scenario` for `seconds`, after `history` seconds of stable alone.
pub fn run(
    scenario: &Scenario,
    policy: &Policy,
    steering: Steering<'_>,
    history: i64,
    seconds: i64,
    seed: u64,
) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let bounds = Bounds::default();
    let mut judge = Judge::new(policy.clone(), bounds.clone());
    let mut outcome =
        Outcome { verdict: Verdict::Inconclusive, t: seconds, culprit: None, requests: 0, hurt: 0, log_e: 0.0 };
    let mut step = 0;
    for t in -history..seconds {
        let (weight, next) = if t < 0 { (Ratio::ZERO, None) } else { weight_at(steering, t, step) };
        let world = (scenario.world)(t.max(if t < 0 { i64::MIN } else { 0 }), weight.fraction());
        let tick = draw(&world, t, weight, &bounds, &mut rng);
        if t >= scenario.onset {
            outcome.requests += tick.stable.requests + tick.canary.requests;
            outcome.hurt += tick.canary.errors;
        }
        let report = judge.observe(&tick, next);
        outcome.log_e = report.log_e;
        if t < 0 {
            continue;
        }
        match report.verdict {
            Verdict::Fail => return Outcome { verdict: Verdict::Fail, t, culprit: report.culprit, ..outcome },
            Verdict::Pass if next.is_none() => return Outcome { verdict: Verdict::Pass, t, ..outcome },
            _ if next.is_some() && report.next == Verdict::Pass => step += 1,
            _ => {}
        }
    }
    outcome
}

fn weight_at(steering: Steering<'_>, t: i64, step: usize) -> (Ratio, Option<Ratio>) {
    match steering {
        Steering::ByEvidence(steps) => (steps[step.min(steps.len() - 1)], steps.get(step + 1).copied()),
        Steering::Recorded(weights) => {
            let place = weights.partition_point(|(from, _)| *from <= t);
            let weight = place.checked_sub(1).map_or(Ratio::ZERO, |place| weights[place].1);
            (weight, weights.get(place).map(|(_, weight)| *weight))
        }
    }
}
