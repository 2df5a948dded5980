//! The present in one plain sentence: where the rollout stands, and what it waits for.

use std::time::Duration;

use super::explain::{comparison, of_steps, rule, ways_on};
use super::outlook::{eta, outlook, silence};
use super::step::has_passed;
use super::words::{about, counted, one_in, percent};
use super::{CheckResult, Pause, Phase, Scene, State};
use crate::analysis::{Culprit, Hold, Report, Verdict};
use crate::types::{Span, Timestamp};

/// What `state` waits for at `now`: one sentence, without capital and full stop.
pub fn present(scene: &Scene<'_>, state: &State, report: &Report, checks: &[CheckResult], now: Timestamp) -> String {
    let Scene { release, canary, spec, .. } = scene;
    let weight = state.weight;
    match state.phase {
        Phase::Promoted => format!("promoted: {canary} has all traffic"),
        Phase::Aborted => format!("aborted: {canary} has no traffic; `weir retry {release}` starts it again"),
        Phase::Paused => {
            let seen = counted(report.canary.0, "canary response");
            let why = match state.pause {
                Some(Pause::Approval) => {
                    format!("{} has passed; {}", of_steps(spec, state, ""), ways_on(release, spec, weight))
                }
                Some(Pause::Weight) => format!("{seen}; held there by hand until `weir resume {release}`"),
                Some(Pause::Asked | Pause::HoldBack) | None => {
                    format!("{seen}; it goes on with `weir resume {release}`")
                }
            };
            format!("paused at {weight}: {why}{}", suspicion(report, "; there is evidence against it"))
        }
        Phase::HoldingBack => {
            let left = spec.time_held_back().saturating_sub(now.since(state.step_started));
            let (stable, kept) = (scene.stable, weight.complement());
            let when = if left.is_zero() { String::new() } else { format!(" for {} more", about(left)) };
            let against = suspicion(report, "; there is some evidence against it, so it is not promoted yet");
            format!("at {weight}: {canary} has won; {stable} keeps {kept}{when}, to return to at once{against}")
        }
        Phase::Progressing => {
            let awaited = awaited(scene, state, report, checks, now);
            format!("at {weight} ({}): {awaited}{}", of_steps(spec, state, ""), overdue(scene, state, now))
        }
    }
}

/// What is missing for the next step.
fn awaited(scene: &Scene<'_>, state: &State, report: &Report, checks: &[CheckResult], now: Timestamp) -> String {
    let spec = scene.spec;
    if let Some(check) = checks.iter().find(|check| check.verdict == Verdict::Fail) {
        return format!("the check {} fails: {}", check.name, check.detail);
    }
    let evidence = if spec.after(state.weight).is_none() { report.verdict } else { report.next };
    if evidence != Verdict::Pass {
        return missing(scene, state, report, checks, now);
    }
    if let Some(check) = checks.iter().find(|check| check.verdict != Verdict::Pass) {
        return format!("the evidence is there; waiting for the check {}: {}", check.name, check.detail);
    }
    let least = spec.step(state.step).at_least;
    let left = least.saturating_sub(now.since(state.step_started));
    if has_passed(spec, state, report, checks) && !left.is_zero() {
        return format!("the evidence is there; this step lasts at least {}, {} more", Span(least), about(left));
    }
    format!("the evidence is there: {}", comparison(scene, report))
}

/// What the judge waits for.
fn missing(scene: &Scene<'_>, state: &State, report: &Report, checks: &[CheckResult], now: Timestamp) -> String {
    let Scene { stable, canary, .. } = scene;
    let eta = eta(scene, state, report, checks, now);
    let outlook = |report| outlook(report, eta);
    match report.hold {
        Some(Hold::NoCanaryTraffic) => silence(scene, state, report, now, eta),
        Some(Hold::NoStableTraffic) => {
            format!("{stable} gets no requests at the moment, so there is nothing to compare {canary} with")
        }
        Some(Hold::WarmUp) => format!("{canary} is warming up, and only gross errors count yet; {}", outlook(report)),
        Some(Hold::StableIll) => {
            let (requests, errors) = report.stable;
            let rate = percent(errors, requests);
            format!(
                "{stable} itself is ill ({rate} of its requests failed so far), so {canary} goes no further until it is well"
            )
        }
        Some(Hold::Suspicious) => {
            let evidence = suspicion(report, "there is some evidence against it");
            format!("{}{evidence}, too little to abort; {}", comparison(scene, report), outlook(report))
        }
        Some(Hold::ShareMismatch) => {
            let all = report.stable.0 + report.canary.0;
            let share = percent(report.canary.0, all);
            format!(
                "{canary} got {share} of the requests so far, which does not fit its weight: not going on like this"
            )
        }
        Some(Hold::MinimumTime) => {
            let left = eta
                .filter(|eta| eta.0 > Duration::ZERO)
                .map_or_else(String::new, |eta| format!(", {} more", about(eta.0)));
            format!("the evidence is there; waiting for the minimum time (analysis.minimumTime) to pass{left}")
        }
        Some(Hold::MoreEvidence) | None => outlook(report),
    }
}

/// The strength of the evidence against the canary, behind `text`; nothing while there is hardly any.
fn suspicion(report: &Report, text: &str) -> String {
    let Some(number) = one_in(report.log_e).filter(|_| report.hold == Some(Hold::Suspicious)) else {
        return String::new();
    };
    let what = match &report.culprit {
        None => String::new(),
        Some(Culprit::Errors) => " because of its errors".to_owned(),
        Some(Culprit::Latency(millis)) => format!(" because of responses slower than {millis}ms"),
        Some(Culprit::Route(route)) => format!(" because of errors on route {route}"),
    };
    let text = if text.starts_with(';') { text.to_owned() } else { format!("; {text}") };
    format!("{text}{what} (by chance in fewer than 1 in {number} releases)")
}

/// That the step's time is over, and why nothing happens.
fn overdue(scene: &Scene<'_>, state: &State, now: Timestamp) -> String {
    let spec = scene.spec;
    match spec.step(state.step).at_most {
        Some(limit) if now.since(state.step_started) >= limit => {
            let rule = rule(spec.on_no_evidence);
            format!("; atMost ({}) is over, and onNoEvidence is {rule}", Span(limit))
        }
        _ => String::new(),
    }
}
