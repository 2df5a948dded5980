//! weir itself as a pilot: the judge and the state machine, as the engine has them.

use std::time::Duration;

use crate::analysis::trace::{Header, Meta, Routing};
use crate::analysis::{Culprit, Judge, Policy, Tick, Verdict};
use crate::rollout::{Input, Spec, State, start, step};
use crate::stats::Bounds;
use crate::types::{Ratio, Timestamp};

use super::run::Pilot;

/// A rollout by a policy and its steps.
#[derive(Debug)]
pub struct Weir<'a> {
    judge: Judge,
    spec: &'a Spec,
    state: State,
    grounds: (Option<Culprit>, f64),
}

impl<'a> Weir<'a> {
    /// At the start of a rollout.
    pub fn new(policy: &Policy, bounds: &Bounds, routing: Routing, judge_latency: bool, spec: &'a Spec) -> Self {
        let meta = Meta { routing, le_ms: bounds.clone(), judge_latency, ..Meta::default() };
        let judge = Judge::of_trace(&Header { policy: policy.clone(), meta });
        Self { judge, spec, state: start(spec, START).state, grounds: (None, 0.0) }
    }
}

impl Pilot for Weir<'_> {
    fn weight(&self) -> Ratio {
        self.state.weight
    }

    fn see(&mut self, tick: &Tick) -> Verdict {
        let report = self.judge.observe(tick, self.spec.next_weight(tick.weight));
        let Ok(seconds) = u64::try_from(tick.t + 1) else { return Verdict::Inconclusive };
        let now = START + Duration::from_secs(seconds);
        let transition = step(self.spec, &self.state, now, Input::Tick { report: &report, checks: &[] });
        self.grounds = (report.culprit, report.log_e);
        self.state = transition.state;
        self.state.phase.verdict()
    }

    fn grounds(&self) -> (Option<Culprit>, f64) {
        self.grounds.clone()
    }
}

/// Any time will do.
const START: Timestamp = Timestamp::from_secs(1_000_000_000);
