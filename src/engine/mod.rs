//! The loop that drives rollouts: observe, judge, step, journal, act.

use serde::{Deserialize, Serialize};

use crate::analysis::Report;
use crate::rollout::{CheckResult, Phase, Reason, State};
use crate::types::{Name, Ratio, Span, Timestamp};

/// One line of the journal: a decision, what it rests on, and the state it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// When.
    pub time: Timestamp,
    /// The release.
    pub release: Name,
    /// Its stable backend.
    pub stable: Name,
    /// Its canary backend.
    pub canary: Name,
    /// Why.
    pub reason: Reason,
    /// The weight before.
    pub from: Ratio,
    /// The state from now on.
    pub state: State,
    /// What the judge knew.
    pub report: Report,
    /// The same in one plain sentence.
    pub message: String,
}

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
    /// The further checks.
    pub checks: Vec<CheckResult>,
}

/// One version of a release as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideStatus {
    /// Its backend.
    pub backend: Name,
    /// Requests since the rollout began that count as evidence.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
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
