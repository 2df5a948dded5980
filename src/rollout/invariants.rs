//! What holds of every transition, whatever led to it: the rules of the state machine, said once more and differently.

use std::time::Duration;

use super::spec::SMALL;
use super::traffic::{LEARNED, MOST_RATE};
use super::{CheckResult, Command, Input, OnNoEvidence, Phase, Reason, Spec, State, Transition};
use crate::analysis::{Hold, Report, Verdict};
use crate::types::Ratio;

/// A rule that a transition breaks. None ever does: the type is for tests and for the engine's own alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Aborted is 0%, promoted is 100%, and both have an end.
    #[error("the weight does not fit the phase")]
    WeightOfPhase,
    /// Only a paused rollout waits for something.
    #[error("the pause does not fit the phase")]
    PauseOfPhase,
    /// The step's index is beyond the last.
    #[error("there is no such step")]
    NoSuchStep,
    /// It moved without a reason, or has one without having moved.
    #[error("a move and its reason go together")]
    Reason,
    /// The canary was convicted, and is still in.
    #[error("a failed canary was not aborted")]
    NotAborted,
    /// More weight with evidence that does not carry it.
    #[error("the weight rose without evidence")]
    RoseWithoutEvidence,
    /// More weight before the step's time was over.
    #[error("the weight rose before its time")]
    RoseEarly,
    /// More weight because the configuration changed.
    #[error("the weight rose because the steps changed")]
    RoseByConfiguration,
    /// More than one step at once.
    #[error("the weight rose by more than a step")]
    RoseTooFar,
    /// Out of promoted.
    #[error("promoted is final")]
    LeftPromoted,
    /// Out of aborted by anything but a retry.
    #[error("aborted is final until a retry")]
    LeftAborted,
    /// Copies ended, and it is not said when and with what; or the other way round.
    #[error("the end of the copies and what is said of it go together")]
    Copies,
    /// Another rollout, or another attempt without a retry.
    #[error("the rollout or its attempt changed")]
    Identity,
}

/// Checks `transition`, which led away from `before` because of `input`; `None` stands for [`super::reconcile`] with the
/// same rollout.
///
/// # Errors
/// The first rule that does not hold.
pub fn invariants(
    spec: &Spec,
    before: &State,
    transition: &Transition,
    input: Option<Input<'_>>,
) -> Result<(), Violation> {
    let after = &transition.state;
    standing(spec, after)?;
    hold(transition.reason.is_some() == (after != before), Violation::Reason)?;
    let retried = matches!(input, Some(Input::Command { command: Command::Retry, .. }));
    if retried && before.phase == Phase::Aborted {
        hold(after.attempt == before.attempt.saturating_add(1), Violation::Identity)?;
        let first = if spec.mirror_first.is_some() { Ratio::ZERO } else { spec.step(0).weight };
        return hold(after.weight == first, Violation::RoseTooFar);
    }
    let same = (after.attempt, &after.rollout, after.started) == (before.attempt, &before.rollout, before.started);
    hold(same, Violation::Identity)?;
    let ends_copies = before.is_mirrored() && !after.is_mirrored();
    hold(after.copies.is_some() == (before.copies.is_some() || ends_copies), Violation::Copies)?;
    hold(before.phase != Phase::Promoted || after == before, Violation::LeftPromoted)?;
    hold(before.phase != Phase::Aborted || after == before, Violation::LeftAborted)?;
    match input {
        None => hold(after.weight <= before.weight, Violation::RoseByConfiguration),
        Some(Input::Tick { report, checks }) => by_itself(spec, before, transition, report, checks),
        Some(Input::Command { .. }) => Ok(()),
        Some(Input::Gone { .. }) => hold(!after.phase.is_open(), Violation::NotAborted),
    }
}

/// What holds of a state alone.
fn standing(spec: &Spec, state: &State) -> Result<(), Violation> {
    let fits = match state.phase {
        Phase::Aborted => state.weight == Ratio::ZERO && state.ended.is_some(),
        Phase::Promoted => state.weight == Ratio::ONE && state.ended.is_some(),
        Phase::Mirroring => state.ended.is_none() && state.weight == Ratio::ZERO,
        Phase::HoldingBack => state.ended.is_none() && state.weight < Ratio::ONE,
        Phase::Progressing | Phase::Paused => state.ended.is_none(),
    };
    hold(fits, Violation::WeightOfPhase)?;
    hold(state.pause.is_some() == (state.phase == Phase::Paused), Violation::PauseOfPhase)?;
    // A final state outlives the configuration it came from.
    hold(!state.phase.is_open() || state.step < spec.steps.len().max(1), Violation::NoSuchStep)
}

/// What holds of a transition that nobody asked for.
fn by_itself(
    spec: &Spec,
    before: &State,
    transition: &Transition,
    report: &Report,
    checks: &[CheckResult],
) -> Result<(), Violation> {
    let after = &transition.state;
    let failed = report.verdict == Verdict::Fail || checks.iter().any(|check| check.verdict == Verdict::Fail);
    hold(!failed || !before.phase.is_open() || after.phase == Phase::Aborted, Violation::NotAborted)?;
    if after.weight <= before.weight {
        return Ok(());
    }
    if before.phase == Phase::HoldingBack {
        hold(after.weight == Ratio::ONE, Violation::RoseTooFar)?;
        hold(report.hold != Some(Hold::Suspicious), Violation::RoseWithoutEvidence)?;
        return hold(
            after.ended.is_some_and(|end| end.since(before.step_started) >= spec.time_held_back()),
            Violation::RoseEarly,
        );
    }
    if before.phase == Phase::Mirroring {
        return by_mirroring(spec, before, transition, report);
    }
    if transition.reason == Some(Reason::LittleTraffic) {
        return by_traffic(spec, before, after, report);
    }
    let next = spec.next_weight(before.weight);
    let won = spec.held_back().filter(|&weight| weight > before.weight).unwrap_or(Ratio::ONE);
    hold(after.weight == next.unwrap_or(won), Violation::RoseTooFar)?;
    let evidence = if next.is_some() { report.next } else { report.verdict };
    let whole = evidence == Verdict::Pass && checks.iter().all(|check| check.verdict == Verdict::Pass);
    let waived = transition.reason == Some(Reason::NoEvidence) && spec.on_no_evidence == OnNoEvidence::Promote;
    hold(whole || waived, Violation::RoseWithoutEvidence)?;
    let step = spec.step(before.step);
    let least = if waived { step.at_most.unwrap_or(Duration::MAX) } else { step.at_least };
    let moved = after.ended.unwrap_or(after.step_started);
    hold(moved.since(before.step_started) >= least, Violation::RoseEarly)
}

/// What holds of the way from copies to the first users.
fn by_mirroring(spec: &Spec, before: &State, transition: &Transition, report: &Report) -> Result<(), Violation> {
    let after = &transition.state;
    hold(after.weight == spec.step(0).weight, Violation::RoseTooFar)?;
    let Some(mirror) = spec.mirror_first else { return Ok(()) };
    let waived = transition.reason == Some(Reason::NoEvidence) && spec.on_no_evidence == OnNoEvidence::Promote;
    let doubted = report.hold == Some(Hold::Suspicious) || report.hold == Some(Hold::ShareMismatch);
    hold(waived || (report.canary.0 >= mirror.requests && !doubted), Violation::RoseWithoutEvidence)?;
    let least = if waived { mirror.at_most.unwrap_or(Duration::MAX) } else { mirror.at_least };
    hold(after.step_started.since(before.step_started) >= least, Violation::RoseEarly)
}

/// What holds of a start at a later step than the first.
fn by_traffic(spec: &Spec, before: &State, after: &State, report: &Report) -> Result<(), Violation> {
    let canary = report.rate.map(|rate| rate * after.weight.fraction());
    let few = after.weight <= SMALL && canary.is_some_and(|canary| canary <= MOST_RATE);
    hold(few && after.weight == spec.step(after.step).weight, Violation::RoseTooFar)?;
    let suspected = report.culprit.is_some() || report.hold == Some(Hold::Suspicious);
    hold(spec.start_by_traffic && !suspected, Violation::RoseWithoutEvidence)?;
    let passed_over = spec.steps.iter().take(after.step);
    let unconditional = passed_over.clone().all(|step| step.at_least.is_zero() && !step.pause);
    let began = before.copies.map_or(before.started, |copies| copies.until);
    let known = before.copies.is_none() || after.step_started.since(began) >= LEARNED;
    hold(before.step_started == began && known && unconditional, Violation::RoseEarly)
}

fn hold(rule: bool, otherwise: Violation) -> Result<(), Violation> {
    if rule { Ok(()) } else { Err(otherwise) }
}
