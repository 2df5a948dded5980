//! Why a rollout moved.

use serde::{Deserialize, Serialize};

use super::Command;
use crate::analysis::Culprit;
use crate::types::Name;

/// Why a rollout moved: a closed list. Event names, metric labels and sentences all derive from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Reason {
    /// The rollout began.
    Started,
    /// Enough copies of requests were answered, and nothing speaks against the canary.
    Mirrored,
    /// There is so little traffic that it begins at a later step than the first.
    LittleTraffic,
    /// A step had its evidence.
    StepPassed,
    /// There was some evidence against the canary, so that it went back to a small step.
    SteppedBack,
    /// The last step had its evidence.
    Healthy,
    /// The time of the hold-back is over.
    HoldBackOver,
    /// The evidence convicts the canary.
    Convicted {
        /// Of what.
        culprit: Culprit,
    },
    /// A further check failed.
    CheckFailed {
        /// Which.
        check: Name,
        /// What it said.
        detail: String,
    },
    /// A step's `atMost` ended without evidence.
    NoEvidence,
    /// A step passed that waits for a human.
    AwaitingApproval,
    /// A human asked for it.
    Command {
        /// What.
        command: Command,
        /// Who.
        by: String,
    },
    /// The steps in the configuration changed.
    StepsChanged,
    /// No instance of the canary came up in time.
    CannotStart {
        /// What kept it.
        detail: String,
    },
    /// Whoever deploys took the canary back.
    Undone,
}

impl Reason {
    /// Every [`Reason::label`] there is, so that a series for each exists from the start.
    pub const LABELS: [&'static str; 22] = [
        "started",
        "mirrored",
        "little_traffic",
        "step_passed",
        "stepped_back",
        "healthy",
        "hold_back_over",
        "errors",
        "latency",
        "route_errors",
        "check_failed",
        "no_evidence",
        "awaiting_approval",
        "promote_command",
        "abort_command",
        "pause_command",
        "resume_command",
        "set_weight_command",
        "retry_command",
        "steps_changed",
        "cannot_start",
        "undone",
    ];

    /// The reason as a metric label. Labels are an interface: dashboards and alerts name them.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Mirrored => "mirrored",
            Self::LittleTraffic => "little_traffic",
            Self::StepPassed => "step_passed",
            Self::SteppedBack => "stepped_back",
            Self::Healthy => "healthy",
            Self::HoldBackOver => "hold_back_over",
            Self::Convicted { culprit: Culprit::Errors } => "errors",
            Self::Convicted { culprit: Culprit::Latency(_) } => "latency",
            Self::Convicted { culprit: Culprit::Route(_) } => "route_errors",
            Self::CheckFailed { .. } => "check_failed",
            Self::NoEvidence => "no_evidence",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Command { command: Command::Promote, .. } => "promote_command",
            Self::Command { command: Command::Abort, .. } => "abort_command",
            Self::Command { command: Command::Pause, .. } => "pause_command",
            Self::Command { command: Command::Resume, .. } => "resume_command",
            Self::Command { command: Command::SetWeight(_), .. } => "set_weight_command",
            Self::Command { command: Command::Retry, .. } => "retry_command",
            Self::StepsChanged => "steps_changed",
            Self::CannotStart { .. } => "cannot_start",
            Self::Undone => "undone",
        }
    }
}
