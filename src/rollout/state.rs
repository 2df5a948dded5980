//! What a rollout remembers, what moves it, and what comes out.

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::analysis::{Report, Verdict};
use crate::types::{Name, Ratio, Timestamp};

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The canary has no user yet, but gets copies of requests. Its answers are weighed, and may abort.
    Mirroring,
    /// Going through its steps by itself.
    Progressing,
    /// Waiting for a human. Evidence is still weighed, and may abort.
    Paused,
    /// The canary has won, and has all traffic but what stable keeps for a time. Evidence is still weighed, and may abort.
    HoldingBack,
    /// The canary has all traffic. Final.
    Promoted,
    /// The canary has none. Final until a retry.
    Aborted,
}

impl Phase {
    /// Whether evidence still counts: neither promoted nor aborted.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Mirroring | Self::Progressing | Self::Paused | Self::HoldingBack)
    }

    /// What has been decided about the canary: `Inconclusive` while evidence still counts.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Promoted => Verdict::Pass,
            Self::Aborted => Verdict::Fail,
            Self::Mirroring | Self::Progressing | Self::Paused | Self::HoldingBack => Verdict::Inconclusive,
        }
    }
}

/// What a paused rollout waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pause {
    /// The step has passed, and asks for a human's approval.
    Approval,
    /// Somebody said to pause; the step goes on from the beginning when resumed.
    Asked,
    /// Somebody said to pause before the first step: copies go on, and their time begins anew when resumed.
    Mirroring,
    /// Somebody said to pause during the hold-back, which begins anew when resumed.
    HoldBack,
    /// Somebody set this weight.
    Weight,
}

/// Everything a rollout must remember. What the journal keeps, and a restart goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Which rollout; see [`super::Spec::rollout`].
    pub rollout: String,
    /// 1 at first, one more with each retry.
    pub attempt: u32,
    /// Where it is.
    pub phase: Phase,
    /// What it waits for; with [`Phase::Paused`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
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
    /// What came of copies of requests before the first user; `None` where there were none, and while they go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
}

/// What came of copies of requests. Some that were under way at the end may be answered later, and count as users' requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Copies {
    /// When they ended: by the first step, or with the rollout.
    pub until: Timestamp,
    /// The canary's answers to them.
    pub answers: u64,
    /// Failures among these.
    pub failed: u64,
}

impl State {
    /// `(answers, failures)` to copies, among what `report` counts of the canary: nothing that a user saw.
    pub fn of_copies(&self, report: &Report) -> (u64, u64) {
        if self.is_mirrored() {
            return report.canary;
        }
        self.copies.map_or((0, 0), |copies| (copies.answers, copies.failed))
    }

    /// Whether the canary gets copies of requests in place of users; also while that is paused.
    pub fn is_mirrored(&self) -> bool {
        self.phase == Phase::Mirroring || self.pause == Some(Pause::Mirroring)
    }

    /// Whether stable has but what it keeps after the canary has won; also while that is paused.
    pub fn is_held_back(&self) -> bool {
        self.phase == Phase::HoldingBack || self.pause == Some(Pause::HoldBack)
    }
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
#[derive(Clone, Copy, Debug)]
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
        /// What the judge says at that moment.
        report: &'a Report,
    },
    /// The canary is gone, whatever its traffic says.
    Gone {
        /// Why.
        reason: &'a Reason,
        /// What the judge said last.
        report: &'a Report,
    },
}

/// What the driver has to do: journal first, then make it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The state from now on.
    pub state: State,
    /// Why it moved; `None` when it did not, and nothing is to be journaled.
    pub reason: Option<Reason>,
}

impl Transition {
    /// To `state`, because of `reason`.
    pub(super) fn to(state: State, reason: Reason) -> Self {
        Self { state, reason: Some(reason) }
    }

    /// Nowhere.
    pub(super) fn stay(state: &State) -> Self {
        Self { state: state.clone(), reason: None }
    }
}
