//! The rollout: one canary's way from its first request to promotion or abort, as a pure state machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::{Culprit, Report, Verdict};
use crate::types::{Name, Ratio, Timestamp};

/// What a rollout is to do. Compiled from the configuration; never empty of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Which rollout this is: another text is another rollout (`stable`, `canary` and `revision` of the release).
    pub rollout: String,
    /// The stages, rising in weight.
    pub steps: Vec<Step>,
    /// What to do when a step's `at_most` ends without evidence.
    pub on_no_evidence: OnNoEvidence,
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The canary's share.
    pub weight: Ratio,
    /// Not before this time.
    pub at_least: Duration,
    /// When the evidence is not there by then, [`Spec::on_no_evidence`] decides.
    pub at_most: Option<Duration>,
    /// Wait for a human once the step has passed.
    pub pause: bool,
}

/// What to do when a step ends without evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNoEvidence {
    /// Stay, and go on looking.
    #[default]
    Hold,
    /// Go on to the next step.
    Promote,
    /// Take the canary out.
    Abort,
}

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Going through its steps by itself.
    Progressing,
    /// Waiting for a human. Evidence is still weighed, and may abort.
    Paused,
    /// The canary has all traffic. Final.
    Promoted,
    /// The canary has none. Final until a retry.
    Aborted,
}

/// Everything a rollout must remember. What the journal keeps, and a restart goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Which rollout; see [`Spec::rollout`].
    pub rollout: String,
    /// 1 at first, one more with each retry.
    pub attempt: u32,
    /// Where it is.
    pub phase: Phase,
    /// The index of the present step.
    pub step: usize,
    /// The canary's share in force.
    pub weight: Ratio,
    /// When this attempt began.
    pub started: Timestamp,
    /// When the present step began.
    pub step_started: Timestamp,
    /// When it was promoted or aborted.
    pub ended: Option<Timestamp>,
}

/// What a human may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// All traffic to the canary, now.
    Promote,
    /// No traffic to the canary, now.
    Abort,
    /// Stay at the weight until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Another weight, and pause there. 0 keeps the rollout open; it is no abort.
    SetWeight(Ratio),
    /// Start an aborted rollout again from its first step, with no evidence.
    Retry,
}

/// The outcome of one further check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check.
    pub name: Name,
    /// What it says.
    pub verdict: Verdict,
    /// One sentence: what was asked, what came back.
    pub detail: String,
}

/// What moves the state machine.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Time passes, and this is what the judge and the checks say.
    Tick {
        /// The judge's report.
        report: &'a Report,
        /// The further checks.
        checks: &'a [CheckResult],
    },
    /// A human's wish.
    Command {
        /// What.
        command: Command,
        /// Who, for the journal.
        by: &'a str,
    },
}

/// Why a rollout moved, or did not: a closed list. Event names, metric labels and sentences all derive from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Reason {
    /// The rollout began.
    Started,
    /// A step had its evidence.
    StepPassed,
    /// The last step had its evidence.
    Healthy,
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
}

/// What the driver has to do: journal first, then make it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The state from now on.
    pub state: State,
    /// Why it moved; `None` when it did not, and nothing is to be journaled.
    pub reason: Option<Reason>,
}
