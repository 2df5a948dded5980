//! The present in one plain sentence: where the rollout stands, and what it waits for.

use std::time::Duration;

use super::explain::{comparison, of_steps, rule, ways_on};
use super::outlook::{eta, outlook, silence};
use super::step::has_passed;
use super::words::{about, count, counted, one_in, percent};
use super::{CheckResult, OnNoEvidence, Pause, Phase, Scene, State};
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
            let seen = scene.responses(report);
            let why = match state.pause {
                Some(Pause::Approval) => {
                    format!("{} has passed; {}", of_steps(spec, state, ""), ways_on(release, spec, weight))
                }
                Some(Pause::Weight) => format!("{seen}; held there by hand until `weir resume {release}`"),
                Some(Pause::Asked | Pause::Mirroring | Pause::HoldBack) | None => {
                    format!("{seen}; it goes on with `weir resume {release}`")
                }
            };
            format!("paused at {weight}: {why}{}", suspicion(report, "; there is evidence against it"))
        }
        Phase::Mirroring => mirrored(scene, state, report, now),
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

/// How far the copies are, and what keeps users away yet.
fn mirrored(scene: &Scene<'_>, state: &State, report: &Report, now: Timestamp) -> String {
    let Scene { stable, canary, .. } = scene;
    let (mirror, (answers, failed)) = (scene.spec.mirror(), report.canary);
    let failures = if failed == 0 { "none failed".to_owned() } else { format!("{} failed", count(failed)) };
    let of = format!("{} of {}", count(answers), counted(mirror.requests, "mirrored answer"));
    let elapsed = now.since(state.step_started);
    let least = mirror.at_least.saturating_sub(elapsed);
    let doubt = match report.hold {
        Some(Hold::NoCanaryTraffic) => "; nothing is copied at the moment".to_owned(),
        Some(Hold::NoStableTraffic) => format!("; there is nothing of {stable} to compare with at the moment"),
        Some(Hold::WarmUp) => "; it is warming up, and only gross errors count yet".to_owned(),
        Some(Hold::StableIll) => format!("; {stable} itself is ill"),
        Some(Hold::ShareMismatch) => "; its share of the answers does not fit the share that is copied".to_owned(),
        Some(Hold::Suspicious) => suspicion(report, "; there is evidence against it"),
        Some(Hold::MoreEvidence | Hold::MinimumTime) | None if least.is_zero() => String::new(),
        Some(Hold::MoreEvidence | Hold::MinimumTime) | None => {
            format!("; this lasts at least {}, {} more", Span(mirror.at_least), about(least))
        }
    };
    let overdue = over(mirror.at_most, scene.spec.on_no_evidence, elapsed);
    format!("mirrored: {of}, {failures}{doubt}; no user is sent to {canary} yet{overdue}")
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
    let outlook = |report| outlook(scene, report, eta);
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
            // Less than its share is a canary that loses requests. With affinity more is somebody's who asks a lot.
            let more = report.canary.0 as f64 > all as f64 * state.weight.fraction();
            let way_on = if more { crowd(scene, state) } else { String::new() };
            format!(
                "{canary} got {share} of the requests so far, which does not fit its weight: not going on like this{way_on}"
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

/// What to do where one client sends most of the canary's requests.
fn crowd(scene: &Scene<'_>, state: &State) -> String {
    let Scene { release, spec, .. } = scene;
    let Some(next) = spec.next_weight(state.weight) else { return String::new() };
    format!(
        " (with affinity a single client that sends most of them does this, and its answers say little of the others': send it \
         to stable by an override, or go on by hand with `weir set-weight {release} {next}`)"
    )
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
    over(spec.step(state.step).at_most, spec.on_no_evidence, now.since(state.step_started))
}

fn over(at_most: Option<Duration>, on_no_evidence: OnNoEvidence, elapsed: Duration) -> String {
    at_most.filter(|limit| elapsed >= *limit).map_or_else(String::new, |limit| {
        format!("; atMost ({}) is over, and onNoEvidence is {}", Span(limit), rule(on_no_evidence))
    })
}
