//! Where to begin when there is little traffic: a share that is small of much is nothing of little.
//!
//! At 4 requests a second a canary with 1% gets one in 25 seconds: whatever it does, nobody learns of it. So a rollout goes on
//! to a larger step, without evidence, as if it had begun there. Two bounds keep what that may cost below what it gains:
//! - the canary gets at most [`MOST_RATE`], so that at most one user meets it within the time of a reaction;
//! - the step is a small one ([`SMALL`]). There a failure is still worth `ln(1/5%) = 3`, so that three convict a canary that
//!   always fails, instead of two at 1%; and when the crowd comes after all, 95 of 100 are with stable.

use super::spec::SMALL;
use super::{CheckResult, Phase, Spec, State};
use crate::analysis::{Hold, Report, Verdict};

/// The step at which `state` should have begun, at the traffic that the judge sees; `None` when that is where it is.
///
/// Only at the very beginning of an attempt, before anything has moved it, and only while nothing speaks against the canary
/// and no check withholds its word. Steps with conditions (`at_least`, `pause`) are not passed over.
pub(super) fn start_by_traffic(spec: &Spec, state: &State, report: &Report, checks: &[CheckResult]) -> Option<usize> {
    let untouched =
        state.phase == Phase::Progressing && state.step_started == state.started && state.weight == spec.step(0).weight;
    if !spec.start_by_traffic || !untouched || !is_free(report) {
        return None;
    }
    let rate = report.rate.filter(|_| checks.iter().all(|check| check.verdict == Verdict::Pass))?;
    let conditions = spec.steps.iter().take_while(|step| step.at_least.is_zero() && !step.pause).count();
    let within = |index: &usize| {
        let weight = spec.step(*index).weight;
        weight > state.weight && weight <= SMALL && rate * weight.fraction() <= MOST_RATE
    };
    (1..spec.steps.len().min(conditions + 1)).rev().find(within)
}

/// Whether nothing speaks against more traffic but that there is too little.
fn is_free(report: &Report) -> bool {
    let waits = match report.hold {
        None | Some(Hold::MoreEvidence | Hold::MinimumTime) => true,
        // A canary that has had something, and has fallen silent, may be warming up, or suspicious.
        Some(Hold::NoCanaryTraffic) => report.canary.0 == 0,
        Some(Hold::NoStableTraffic | Hold::WarmUp | Hold::StableIll | Hold::Suspicious | Hold::ShareMismatch) => false,
    };
    waits && report.culprit.is_none() && report.verdict != Verdict::Fail
}

/// Canary requests a second: one within a reaction, which takes two seconds.
pub(super) const MOST_RATE: f64 = 0.5;
