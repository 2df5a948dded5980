//! What a rollout is to do.

use std::time::Duration;

use super::State;
use crate::types::Ratio;

/// What a rollout is to do. Compiled from the configuration; never empty of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Which rollout this is: another text is another rollout (`stable`, `canary` and `revision` of the release).
    pub rollout: String,
    /// What comes before the first step: copies of requests for the canary, and no user yet.
    pub mirror_first: Option<MirrorFirst>,
    /// The stages, rising in weight.
    pub steps: Vec<Step>,
    /// What to do when a step's `at_most` ends without evidence.
    pub on_no_evidence: OnNoEvidence,
    /// What to do when there is some evidence against the canary, but not enough.
    pub on_suspicion: OnSuspicion,
    /// What stable keeps for a time once the canary has won.
    pub hold_back: Option<HoldBack>,
    /// Whether a rollout that sees little traffic begins at a later step than the first.
    pub start_by_traffic: bool,
}

/// Copies of requests that the canary gets before any user is sent to it.
///
/// A request is copied with the probability `share`, drawn as the sides of a step are. The canary's answer to the copy counts for
/// the canary, and stable's to the same request for nobody; stable's answers to requests that were not drawn count for stable.
/// So both sides see what they would see at a step of that weight, and are judged as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorFirst {
    /// Of how many requests: above 0, at most one half, and below the last step, so that a replay, which knows nothing but
    /// weights, promotes nobody for it.
    pub share: Ratio,
    /// So many answers to copies, at least.
    pub requests: u64,
    /// Not before this time.
    pub at_least: Duration,
    /// When it has not passed by then, [`Spec::on_no_evidence`] decides.
    pub at_most: Option<Duration>,
}

/// What stable keeps for a time once the canary has won: enough to compare with, and warm enough to return to at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldBack {
    /// Stable's share.
    pub weight: Ratio,
    /// For how long.
    pub time: Duration,
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

/// What to do when there is some evidence against the canary, but not enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSuspicion {
    /// Stay at the weight, and go on looking.
    #[default]
    Hold,
    /// Go back to a small step, where each failure tells more and hurts fewer.
    StepBack,
}

impl Spec {
    /// Where to go back to from `weight` when suspicious: the largest step of at most 5%, or the first; `None` when that
    /// is no way back.
    ///
    /// A failure of the canary is worth about `ln(1/weight)`: at 5% four times as much as at 50%.
    pub fn way_back(&self, weight: Ratio) -> Option<usize> {
        let small = self.fitting(SMALL);
        (self.step(small).weight < weight && weight > SMALL).then_some(small)
    }

    /// The canary's share during the hold-back; `None` where there is none, or none between the last step and everything.
    pub fn held_back(&self) -> Option<Ratio> {
        let weight = self.hold_back?.weight.complement();
        let last = self.steps.last()?.weight;
        (last < weight && weight < Ratio::ONE).then_some(weight)
    }

    /// What the canary must have seen of copies before its first step; nothing where that is not asked for (any more).
    pub(super) fn mirror(&self) -> MirrorFirst {
        const NOTHING: MirrorFirst =
            MirrorFirst { share: Ratio::ZERO, requests: 0, at_least: Duration::ZERO, at_most: None };
        self.mirror_first.unwrap_or(NOTHING)
    }

    /// The share of the requests that are copied in `state`; 0 in all but one phase.
    pub fn mirrored(&self, state: &State) -> Ratio {
        if state.is_mirrored() { self.mirror().share } else { Ratio::ZERO }
    }

    /// The canary's share of what counts as evidence in `state`: of the copies before the first step, else of the traffic.
    pub fn share(&self, state: &State) -> Ratio {
        if state.is_mirrored() { self.mirrored(state) } else { state.weight }
    }

    /// How long the hold-back lasts.
    pub(super) fn time_held_back(&self) -> Duration {
        self.hold_back.map_or(Duration::ZERO, |hold_back| hold_back.time)
    }

    /// The step at `index`; beyond the last: the last. A spec without steps acts as one step of 0% that waits for a human.
    pub fn step(&self, index: usize) -> Step {
        const NOTHING: Step = Step { weight: Ratio::ZERO, at_least: Duration::ZERO, at_most: None, pause: true };
        self.steps.get(index).or(self.steps.last()).copied().unwrap_or(NOTHING)
    }

    /// The index of the step that comes after `weight`; `None` when what comes next is everything.
    ///
    /// By weight, not by index, so that it holds between steps too, and so that a replay, which knows nothing but weights,
    /// comes to the same.
    pub fn after(&self, weight: Ratio) -> Option<usize> {
        self.steps.iter().position(|step| step.weight > weight)
    }

    /// The weight of the step that comes after `weight`: what the judge must have evidence for.
    pub fn next_weight(&self, weight: Ratio) -> Option<Ratio> {
        self.after(weight).map(|index| self.step(index).weight)
    }

    /// The index of the step that `weight` belongs to: the last one that asks for no more, or the first.
    pub fn fitting(&self, weight: Ratio) -> usize {
        self.steps.iter().rposition(|step| step.weight <= weight).unwrap_or(0)
    }
}

/// The weight up to which a step is a small one.
pub(super) const SMALL: Ratio = Ratio::percent(5);
