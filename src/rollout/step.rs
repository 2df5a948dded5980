//! The state machine. Total: every input in every state has an answer, and none panics.

use super::traffic::start_by_traffic;
use super::{
    CheckResult, Command, Copies, Input, OnNoEvidence, OnSuspicion, Pause, Phase, Reason, Spec, State, Transition,
};
use crate::analysis::{Culprit, Hold, Report, Verdict};
use crate::types::{Ratio, Timestamp};

/// Why a command does nothing in the present state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Promoted is final.
    #[error(
        "it is promoted, and that is final: another `canary` or `revision` in the configuration starts a new rollout"
    )]
    Promoted,
    /// Aborted is final until a retry.
    #[error("it is aborted: `retry` starts it again from its first step")]
    Aborted,
    /// Only an aborted rollout can be tried again.
    #[error("it is not aborted: there is nothing to try again")]
    NotAborted,
    /// It is paused as asked.
    #[error("it is paused already: `resume` goes on")]
    Paused,
    /// Nothing to resume.
    #[error("it is not paused: it goes on by itself")]
    NotPaused,
    /// The weight is as asked.
    #[error("it is paused at {0} already")]
    SameWeight(Ratio),
}

/// The first transition of a rollout that the journal does not know: to its first step, or to what comes before that.
pub fn start(spec: &Spec, now: Timestamp) -> Transition {
    Transition::to(begin(spec, 1, now), Reason::Started)
}

/// Whether `command` does anything in `state`; [`step`] stays where it is when not.
///
/// # Errors
/// The reason, for the one who asked.
pub fn permits(state: &State, command: Command) -> Result<(), Refusal> {
    match (state.phase, command) {
        (Phase::Promoted, _) => Err(Refusal::Promoted),
        (Phase::Aborted, Command::Retry) => Ok(()),
        (Phase::Aborted, _) => Err(Refusal::Aborted),
        (_, Command::Retry) => Err(Refusal::NotAborted),
        (Phase::Paused, Command::Pause) => Err(Refusal::Paused),
        (Phase::Mirroring | Phase::Progressing | Phase::HoldingBack, Command::Resume) => Err(Refusal::NotPaused),
        (Phase::Paused, Command::SetWeight(weight)) if weight == state.weight => Err(Refusal::SameWeight(weight)),
        (Phase::Mirroring | Phase::Progressing | Phase::Paused | Phase::HoldingBack, _) => Ok(()),
    }
}

/// Where `input` takes the rollout. Stays, without a reason, in a final state, for a command that [`permits`] refuses, and
/// for the state of another rollout.
pub fn step(spec: &Spec, state: &State, now: Timestamp, input: Input<'_>) -> Transition {
    if state.rollout != spec.rollout {
        return Transition::stay(state);
    }
    let (report, mut transition) = match input {
        Input::Tick { report, checks } if state.phase.is_open() => (report, tick(spec, state, now, report, checks)),
        Input::Command { command, by, report } if permits(state, command).is_ok() => {
            let reason = Reason::Command { command, by: by.to_owned() };
            (report, Transition::to(obey(spec, state, now, command), reason))
        }
        Input::Gone { reason, report } if state.phase.is_open() => {
            (report, Transition::to(end(state, Phase::Aborted, now), reason.clone()))
        }
        Input::Tick { .. } | Input::Command { .. } | Input::Gone { .. } => return Transition::stay(state),
    };
    if state.is_mirrored() && !transition.state.is_mirrored() {
        let (answers, failed) = report.canary;
        transition.state.copies = Some(Copies { until: now, answers, failed });
    }
    transition
}

/// Fits the state to a configuration whose steps may have changed. Another rollout starts; the same one keeps its weight
/// where a step has it, and otherwise falls to the nearest lower step. The weight never rises.
pub fn reconcile(spec: &Spec, state: &State, now: Timestamp) -> Transition {
    if state.rollout != spec.rollout {
        return start(spec, now);
    }
    if !state.phase.is_open() {
        return Transition::stay(state);
    }
    let mut fitted = State { step: spec.fitting(state.weight), ..state.clone() };
    let step = spec.step(fitted.step);
    let most = if state.is_mirrored() {
        // One that is no longer configured ends by itself.
        Ratio::ZERO
    } else if state.is_held_back() {
        // One that is no longer configured ends by itself.
        spec.held_back().unwrap_or(state.weight)
    } else {
        step.weight
    };
    // A weight that somebody set is not of the steps' making.
    if state.pause != Some(Pause::Weight) && most < state.weight {
        fitted.weight = most;
        fitted.step_started = now;
    }
    let approved = step.pause && step.weight == state.weight;
    if state.pause == Some(Pause::Approval) && !approved {
        (fitted.phase, fitted.pause) = (Phase::Progressing, None);
    }
    if fitted == *state { Transition::stay(state) } else { Transition::to(fitted, Reason::StepsChanged) }
}

fn begin(spec: &Spec, attempt: u32, now: Timestamp) -> State {
    let state = State {
        rollout: spec.rollout.clone(),
        attempt,
        phase: Phase::Progressing,
        pause: None,
        step: 0,
        weight: spec.step(0).weight,
        started: now,
        step_started: now,
        ended: None,
        copies: None,
    };
    if spec.mirror_first.is_some() { mirrored(&state, now) } else { state }
}

fn tick(spec: &Spec, state: &State, now: Timestamp, report: &Report, checks: &[CheckResult]) -> Transition {
    if report.verdict == Verdict::Fail {
        // A judge that convicts names a culprit; errors are the plainest reading of one that does not.
        let culprit = report.culprit.clone().unwrap_or(Culprit::Errors);
        return Transition::to(end(state, Phase::Aborted, now), Reason::Convicted { culprit });
    }
    if let Some(failed) = checks.iter().find(|check| check.verdict == Verdict::Fail) {
        let reason = Reason::CheckFailed { check: failed.name.clone(), detail: failed.detail.clone() };
        return Transition::to(end(state, Phase::Aborted, now), reason);
    }
    if state.phase == Phase::Paused {
        return Transition::stay(state);
    }
    if let Some(back) = way_back(spec, state, report) {
        return Transition::to(stand(spec, state, back, now), Reason::SteppedBack);
    }
    if state.phase == Phase::HoldingBack {
        return hold_back(spec, state, now, report);
    }
    if state.phase == Phase::Mirroring {
        return mirror(spec, state, now, report);
    }
    if let Some(first) = start_by_traffic(spec, state, now, report, checks) {
        return Transition::to(stand(spec, state, first, now), Reason::LittleTraffic);
    }
    let step = spec.step(state.step);
    let elapsed = now.since(state.step_started);
    if elapsed < step.at_least {
        return Transition::stay(state);
    }
    if has_passed(spec, state, report, checks) {
        let last = spec.after(state.weight).is_none();
        let reason = if last { Reason::Healthy } else { Reason::StepPassed };
        return go_on(spec, state, now, reason);
    }
    if step.at_most.is_none_or(|at_most| elapsed < at_most) {
        return Transition::stay(state);
    }
    without_evidence(spec, state, now, report, |reason| go_on(spec, state, now, reason))
}

/// To the first step, once enough copies were answered and nothing speaks against the canary.
fn mirror(spec: &Spec, state: &State, now: Timestamp, report: &Report) -> Transition {
    let mirror = spec.mirror();
    let elapsed = now.since(state.step_started);
    if elapsed < mirror.at_least {
        return Transition::stay(state);
    }
    let first = |reason| Transition::to(stand(spec, state, 0, now), reason);
    if has_mirrored(spec, report) {
        return first(Reason::Mirrored);
    }
    if mirror.at_most.is_none_or(|at_most| elapsed < at_most) {
        return Transition::stay(state);
    }
    without_evidence(spec, state, now, report, first)
}

/// Whether enough copies were answered, time aside, and nothing that the judge sees speaks against users on the canary.
pub(super) fn has_mirrored(spec: &Spec, report: &Report) -> bool {
    // Whatever else it holds back for is a doubt, or something that hides one.
    let undoubted = matches!(report.hold, None | Some(Hold::MoreEvidence | Hold::MinimumTime));
    let asked_for = spec.mirror_first.is_some();
    report.verdict != Verdict::Fail && (!asked_for || (undoubted && report.canary.0 >= spec.mirror().requests))
}

/// What becomes of a rollout whose time is over without evidence; `on` is the way on.
fn without_evidence(
    spec: &Spec,
    state: &State,
    now: Timestamp,
    report: &Report,
    on: impl FnOnce(Reason) -> Transition,
) -> Transition {
    match spec.on_no_evidence {
        OnNoEvidence::Abort => Transition::to(end(state, Phase::Aborted, now), Reason::NoEvidence),
        // Evidence against the canary is not "no evidence".
        OnNoEvidence::Promote if report.hold != Some(Hold::Suspicious) => on(Reason::NoEvidence),
        OnNoEvidence::Promote | OnNoEvidence::Hold => Transition::stay(state),
    }
}

/// Promotes when the time of the hold-back is over, and nothing has come up that stands against it.
fn hold_back(spec: &Spec, state: &State, now: Timestamp, report: &Report) -> Transition {
    if now.since(state.step_started) < spec.time_held_back() || report.hold == Some(Hold::Suspicious) {
        return Transition::stay(state);
    }
    Transition::to(end(state, Phase::Promoted, now), Reason::HoldBackOver)
}

/// The step to go back to, where the evidence is suspicious and the rollout is to go back then.
fn way_back(spec: &Spec, state: &State, report: &Report) -> Option<usize> {
    let suspicious = spec.on_suspicion == OnSuspicion::StepBack && report.hold == Some(Hold::Suspicious);
    if suspicious { spec.way_back(state.weight) } else { None }
}

/// Whether the present step has all its evidence, time aside.
pub(super) fn has_passed(spec: &Spec, state: &State, report: &Report, checks: &[CheckResult]) -> bool {
    let last = spec.after(state.weight).is_none();
    let evidence = if last { report.verdict } else { report.next };
    evidence == Verdict::Pass && checks.iter().all(|check| check.verdict == Verdict::Pass)
}

/// To the next step, or first to a human where the step asks for one.
fn go_on(spec: &Spec, state: &State, now: Timestamp, reason: Reason) -> Transition {
    let step = spec.step(state.step);
    // Below its step's weight (the configuration changed) it has yet to get there.
    if step.pause && state.weight >= step.weight {
        let waiting = State { phase: Phase::Paused, pause: Some(Pause::Approval), ..state.clone() };
        return Transition::to(waiting, Reason::AwaitingApproval);
    }
    Transition::to(advance(spec, state, now), reason)
}

fn advance(spec: &Spec, state: &State, now: Timestamp) -> State {
    match (spec.after(state.weight), spec.held_back().filter(|&weight| weight > state.weight)) {
        (Some(index), _) => stand(spec, state, index, now),
        (None, Some(weight)) => keep_back(&State { weight, ..state.clone() }, now),
        (None, None) => end(state, Phase::Promoted, now),
    }
}

/// At the beginning of the time in which the canary gets copies alone.
fn mirrored(state: &State, now: Timestamp) -> State {
    State { phase: Phase::Mirroring, pause: None, weight: Ratio::ZERO, step_started: now, ..state.clone() }
}

/// At the beginning of the hold-back.
fn keep_back(state: &State, now: Timestamp) -> State {
    State { phase: Phase::HoldingBack, pause: None, step_started: now, ..state.clone() }
}

/// At the beginning of the step at `index`.
fn stand(spec: &Spec, state: &State, index: usize, now: Timestamp) -> State {
    let weight = spec.step(index).weight;
    State { phase: Phase::Progressing, pause: None, step: index, weight, step_started: now, ..state.clone() }
}

fn end(state: &State, phase: Phase, now: Timestamp) -> State {
    let weight = if phase == Phase::Promoted { Ratio::ONE } else { Ratio::ZERO };
    State { phase, pause: None, weight, ended: Some(now), ..state.clone() }
}

fn obey(spec: &Spec, state: &State, now: Timestamp, command: Command) -> State {
    match command {
        Command::Promote => end(state, Phase::Promoted, now),
        Command::Abort => end(state, Phase::Aborted, now),
        Command::Pause => {
            let pause = match state.phase {
                Phase::Mirroring => Pause::Mirroring,
                Phase::HoldingBack => Pause::HoldBack,
                Phase::Progressing | Phase::Paused | Phase::Promoted | Phase::Aborted => Pause::Asked,
            };
            State { phase: Phase::Paused, pause: Some(pause), ..state.clone() }
        }
        Command::Resume if state.pause == Some(Pause::Mirroring) => mirrored(state, now),
        Command::Resume if state.pause == Some(Pause::HoldBack) => keep_back(state, now),
        Command::Resume if state.pause == Some(Pause::Approval) => advance(spec, state, now),
        Command::Resume => stand(spec, state, spec.fitting(state.weight), now),
        Command::SetWeight(weight) => State {
            phase: Phase::Paused,
            pause: Some(Pause::Weight),
            step: spec.fitting(weight),
            weight,
            step_started: now,
            ..state.clone()
        },
        Command::Retry => begin(spec, state.attempt.saturating_add(1), now),
    }
}
