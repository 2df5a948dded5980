//! How much longer, as a time and in words.

use std::time::Duration;

use super::step::{has_mirrored, has_passed};
use super::words::{about, count, each};
use super::{CheckResult, OnNoEvidence, Phase, Scene, Spec, State};
use crate::analysis::{Hold, Report, Verdict};
use crate::types::{Ratio, Span, Timestamp};

/// How long until the rollout is expected to move by itself, at the present traffic and rates.
///
/// `None` when it does not, as after its end or while paused, and when it waits for something that nobody can foresee: a
/// check, traffic, the recovery of stable, an effect between what is tolerable and what is bad.
pub fn eta(scene: &Scene<'_>, state: &State, report: &Report, checks: &[CheckResult], now: Timestamp) -> Option<Span> {
    let spec = scene.spec;
    match state.phase {
        Phase::Progressing => {}
        Phase::HoldingBack if report.hold != Some(Hold::Suspicious) => {
            return Some(Span(spec.time_held_back().saturating_sub(now.since(state.step_started))));
        }
        Phase::Mirroring => return until_first_user(spec, state, report, now).map(Span),
        Phase::HoldingBack | Phase::Paused | Phase::Promoted | Phase::Aborted => return None,
    }
    let step = spec.step(state.step);
    let elapsed = now.since(state.step_started);
    let least = step.at_least.saturating_sub(elapsed);
    let evidence = if has_passed(spec, state, report, checks) {
        Some(Duration::ZERO)
    } else if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        None
    } else {
        foreseen(scene, state, report, now)
    };
    let evidence = evidence.map(|time| time.max(least));
    let waits = match spec.on_no_evidence {
        OnNoEvidence::Hold => false,
        OnNoEvidence::Promote => report.hold != Some(Hold::Suspicious),
        OnNoEvidence::Abort => true,
    };
    let limit = step.at_most.filter(|_| waits).map(|limit| limit.saturating_sub(elapsed).max(least));
    evidence.into_iter().chain(limit).min().map(Span)
}

/// How long until enough copies are answered, as they have come so far.
fn until_first_user(spec: &Spec, state: &State, report: &Report, now: Timestamp) -> Option<Duration> {
    let mirror = spec.mirror();
    let (answers, since) = (report.canary.0, now.since(state.started));
    let missing = mirror.requests.saturating_sub(answers);
    let seconds = since.as_secs_f64() * missing as f64 / answers as f64;
    let copies = if missing == 0 { Duration::ZERO } else { Duration::try_from_secs_f64(seconds).ok()? };
    let is_foreseen = missing > 0 || has_mirrored(spec, report);
    is_foreseen.then(|| copies.max(mirror.at_least.saturating_sub(now.since(state.step_started))))
}

/// The judge's time to a decision, where only traffic and time are missing.
fn foreseen(scene: &Scene<'_>, state: &State, report: &Report, now: Timestamp) -> Option<Duration> {
    match report.hold {
        Some(Hold::MoreEvidence | Hold::Suspicious | Hold::MinimumTime) => report.eta.map(|eta| eta.0),
        Some(Hold::NoCanaryTraffic) => {
            // Nothing is amiss where there are long times between two requests of the canary.
            let every = gap(scene, state, now)?;
            report.needed.map(|needed| every.saturating_mul(u32::try_from(needed).unwrap_or(u32::MAX)))
        }
        _ => None,
    }
}

/// `4 canary responses so far, some 310 more needed; at this rate about 15 minutes to a decision`.
pub(super) fn outlook(scene: &Scene<'_>, report: &Report, eta: Option<Span>) -> String {
    let (requests, _) = report.canary;
    let seen = so_far(scene, report);
    let needed = report.needed.filter(|&needed| needed > 0);
    if report.needed.is_none() && requests > 0 && report.hold == Some(Hold::MoreEvidence) {
        return format!(
            "{seen}; as things are it is neither clearly good nor clearly bad, and no decision is in sight"
        );
    }
    let needed = needed.map_or_else(String::new, |needed| format!(", some {} more needed", count(needed)));
    let time = eta.filter(|eta| eta.0 > Duration::ZERO);
    let time = time.map_or_else(String::new, |eta| format!("; at this rate {} to a decision", about(eta.0)));
    format!("{seen}{needed}{time}")
}

/// What is to be said while the canary gets nothing: whether that is for want of traffic, and when there will be more.
pub(super) fn silence(scene: &Scene<'_>, state: &State, report: &Report, now: Timestamp, eta: Option<Span>) -> String {
    let Scene { release, canary, .. } = scene;
    let silent = scene.has_no_response(report);
    if state.weight == Ratio::ZERO {
        return format!("{canary} gets no requests at a weight of 0%, so there is nothing to judge");
    }
    if report.stable.0 == 0 && silent {
        return format!("no request has come to {release} yet, so there is nothing to judge");
    }
    match gap(scene, state, now) {
        Some(every) if silent => {
            let weight = state.weight;
            format!("no canary response yet; at this rate and {weight} one comes {}", each(every))
        }
        Some(every) => format!("{}; one comes {}", outlook(scene, report, eta), each(every)),
        None if silent => format!("{canary} gets no requests, so there is nothing to judge"),
        None => {
            let seen = so_far(scene, report);
            format!("{canary} gets no requests at the moment, so there is nothing to judge ({seen})")
        }
    }
}

/// The time from one request of the canary to the next, as the traffic and the weight have been; `None` where it is so short
/// that silence is another matter.
fn gap(scene: &Scene<'_>, state: &State, now: Timestamp) -> Option<Duration> {
    let requests = scene.seen.0.requests + scene.seen.1.requests;
    let seconds = now.since(state.started).as_secs_f64() / (requests as f64 * state.weight.fraction());
    (LONG_S..MOST_S).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn so_far(scene: &Scene<'_>, report: &Report) -> String {
    if report.canary.0 == 0 {
        "no canary response yet".to_owned()
    } else {
        format!("{} so far", scene.responses(report))
    }
}

/// Half of the silence that the judge remarks upon: twice the usual time between two requests is nothing to wonder at.
const LONG_S: f64 = 5.0;

/// Further away than ten weeks is not a time to tell anybody.
const MOST_S: f64 = 6e6;
