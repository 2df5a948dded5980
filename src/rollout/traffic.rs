//! Where to begin when there is little traffic: a share that is small of much is nothing of little.
//!
//! At 4 requests a second a canary with 1% gets one in 25 seconds: whatever it does, nobody learns of it. So a rollout goes on
//! to a larger step, without evidence, as if it had begun there. Two bounds keep what that may cost below what it gains:
//! - the canary gets at most [`MOST_RATE`], so that at most one user meets it within the time of a reaction;
//! - the step is a small one ([`SMALL`]). There a failure is still worth `ln(1/5%) = 3`, so that three convict a canary that
//!   always fails, instead of two at 1%; and when the crowd comes after all, 95 of 100 are with stable.

use std::time::Duration;

use super::spec::SMALL;
use super::{CheckResult, Phase, Spec, State};
use crate::analysis::{Hold, Report, Verdict};
use crate::types::Timestamp;

/// The step at which `state` should have begun, at the traffic that the judge sees; `None` when that is where it is.
///
/// Only at the very beginning of an attempt, before anything has moved it, and only while nothing speaks against the canary
/// and no check withholds its word. Steps with conditions (`at_least`, `pause`) are not passed over.
///
/// After copies of requests the beginning is that of the first step. Copies are made of some requests alone, so the judge has
/// yet to learn how many there are: see [`LEARNED`].
pub(super) fn start_by_traffic(
    spec: &Spec,
    state: &State,
    now: Timestamp,
    report: &Report,
    checks: &[CheckResult],
) -> Option<usize> {
    if !spec.start_by_traffic || !is_untouched(spec, state, now) || !is_free(state, report) {
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

/// Whether nothing has moved the canary since its first users came, and the traffic is known.
fn is_untouched(spec: &Spec, state: &State, now: Timestamp) -> bool {
    let (began, known) = match state.copies {
        None => (state.started, Duration::ZERO),
        Some(copies) => (copies.until, LEARNED),
    };
    let at_first = state.phase == Phase::Progressing && state.weight == spec.step(0).weight;
    at_first && state.step_started == began && now.since(began) >= known
}

/// Whether nothing speaks against more traffic but that there is too little.
fn is_free(state: &State, report: &Report) -> bool {
    let waits = match report.hold {
        None | Some(Hold::MoreEvidence | Hold::MinimumTime) => true,
        // A canary that has had something, and has fallen silent, may be warming up. One that has answered copies is warm.
        Some(Hold::NoCanaryTraffic) => report.canary.0 == 0 || state.copies.is_some(),
        Some(Hold::NoStableTraffic | Hold::WarmUp | Hold::StableIll | Hold::Suspicious | Hold::ShareMismatch) => false,
    };
    waits && report.culprit.is_none() && report.verdict != Verdict::Fail
}

/// After copies the judge's rate is that of requests that could be copied, and has a half-life of ten seconds: two of them later
/// it is at least three quarters of what comes.
pub(super) const LEARNED: Duration = Duration::from_secs(20);

/// Canary requests a second: one within a reaction, which takes two seconds.
pub(super) const MOST_RATE: f64 = 0.5;
