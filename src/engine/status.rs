//! Releases as people see them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::JournalEntry;
use super::tracked::Tracked;
use crate::analysis::{Report, RouteTally};
use crate::balancer::{has_any, is_available};
use crate::clock::uptime;
use crate::failures::Failures;
use crate::rollout::{CheckResult, Phase, eta, present};
use crate::stats::{Bounds, Tally};
use crate::types::{Name, Ratio, Side, Span, Timestamp};

/// A release as people see it: `weir status -o json`, the admin API, the live view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// The release.
    pub name: Name,
    /// Where its rollout is.
    pub phase: Phase,
    /// The canary's share in force.
    pub weight: Ratio,
    /// The present step, from 0, and the weights of all steps.
    pub step: usize,
    /// The weights of all steps.
    pub steps: Vec<Ratio>,
    /// When the rollout began.
    pub started: Timestamp,
    /// When the present step began.
    pub step_started: Timestamp,
    /// The present in one plain sentence: what is awaited, or how it ended.
    pub message: String,
    /// The last decision.
    pub last: Option<JournalEntry>,
    /// What was seen of stable.
    pub stable: SideStatus,
    /// What was seen of the canary.
    pub canary: SideStatus,
    /// What the judge says.
    pub report: Report,
    /// How long until the rollout is expected to move by itself; `None` where that cannot be foreseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Span>,
    /// What failed in this attempt, as far as this weir knows.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    pub failures: Failures,
    /// What was seen in this attempt by route, as [`JournalEntry::routes`] has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteTally>,
    /// The further checks.
    pub checks: Vec<CheckResult>,
    /// Whether there may be evidence of the attempt that this engine has not: it took it up late. See
    /// [`super::Control::inherit`].
    #[serde(skip)]
    pub late: bool,
}

/// One version of a release as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideStatus {
    /// Its backend.
    pub backend: Name,
    /// Users' requests since the rollout began that count as evidence.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
    /// Of the canary: its answers to copies of requests before its first user, which count as evidence too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copies: u64,
    /// Failures among these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_copies: u64,
    /// Requests per second lately.
    pub rate: f64,
    /// The median of the response times since the rollout began; `None` without requests.
    pub p50: Option<Span>,
    /// The 99th percentile.
    pub p99: Option<Span>,
    /// Endpoints that take requests.
    pub available: usize,
    /// All endpoints.
    pub endpoints: usize,
}

/// `tracked` as people see it at `now`. `trouble`: why no decision can be journaled at present.
pub(super) fn status(tracked: &Tracked, now: Timestamp, trouble: Option<&str>) -> ReleaseStatus {
    let (release, state) = (&tracked.release, &tracked.state);
    let checks = tracked.checks.results();
    ReleaseStatus {
        name: release.name.clone(),
        phase: state.phase,
        weight: release.live.weight(),
        step: state.step,
        steps: release.spec.steps.iter().map(|step| step.weight).collect(),
        started: state.started,
        step_started: state.step_started,
        message: message(tracked, now, trouble),
        last: tracked.last.clone(),
        stable: side(tracked, Side::Stable),
        canary: side(tracked, Side::Canary),
        report: tracked.evidence.report.clone(),
        eta: eta(&tracked.scene(), state, &tracked.evidence.report, &checks, now),
        failures: tracked.failures(),
        routes: tracked.routes(),
        checks,
        late: tracked.late,
    }
}

fn message(tracked: &Tracked, now: Timestamp, trouble: Option<&str>) -> String {
    let state = &tracked.state;
    let ended = tracked.last.as_ref().filter(|last| !state.phase.is_open() && last.state == *state);
    let message = match (ended, canary_alone(tracked)) {
        (Some(last), None) => last.message.clone(),
        (Some(last), Some(alone)) => format!("{}; but {alone}", last.message),
        (None, None) => present(&tracked.scene(), state, &tracked.evidence.report, &tracked.checks.results(), now),
        (None, Some(alone)) => format!("at {}, but {alone}: there is nothing to compare it with", state.weight),
    };
    match trouble {
        Some(trouble) => format!("{message}; no weight is raised while {trouble}"),
        None => message,
    }
}

/// That the canary gets everything, which is better than no answer, where stable has no endpoint and it is not meant to.
fn canary_alone(tracked: &Tracked) -> Option<String> {
    let release = &tracked.release;
    let is_there = |side| has_any(&release.backend(side).endpoints);
    let alone = release.live.weight() < Ratio::ONE && !is_there(Side::Stable) && is_there(Side::Canary);
    let (stable, canary) = (&release.backend(Side::Stable).name, &release.backend(Side::Canary).name);
    alone.then(|| format!("{stable} has no endpoint, so {canary} gets every request"))
}

fn side(tracked: &Tracked, side: Side) -> SideStatus {
    let backend = tracked.release.backend(side);
    let ((seen, rate), bounds) = (tracked.side(side), &tracked.release.bounds);
    let now = uptime();
    let (copies, failed) = if side == Side::Canary { tracked.copies() } else { (0, 0) };
    SideStatus {
        backend: backend.name.clone(),
        requests: seen.requests.saturating_sub(copies),
        errors: seen.errors.saturating_sub(failed),
        copies,
        failed_copies: failed,
        rate,
        p50: quantile(seen, bounds, 0.5),
        p99: quantile(seen, bounds, 0.99),
        available: backend.endpoints.iter().filter(|endpoint| is_available(endpoint, now)).count(),
        endpoints: backend.endpoints.len(),
    }
}

/// What is mostly not there is not written.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The response time that a share `q` of the exchanges did not exceed, straight lines drawn between the bounds; beyond the
/// last bound that bound. `None` without exchanges.
fn quantile(tally: &Tally, bounds: &Bounds, q: f64) -> Option<Span> {
    let total: u64 = tally.buckets.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = q * total as f64;
    let (mut below, mut lower) = (0, 0);
    for (&count, &bound) in tally.buckets.iter().zip(bounds.as_millis()) {
        if (below + count) as f64 >= rank && count > 0 {
            let part = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
            let millis = f64::from(lower) + part * f64::from(bound - lower);
            return Some(Span(Duration::from_millis(millis.round() as u64)));
        }
        below += count;
        lower = bound;
    }
    Some(Span(bounds.horizon()))
}

#[cfg(test)]
mod tests;
