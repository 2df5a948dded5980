//! Is the canary as good as stable? The statistics, and the judge that draws the verdict from them. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::stats::{Bounds, Tally};
use crate::types::{Ratio, Span};

/// `times * stable + plus`: a line in the plane of (stable's rate, canary's rate).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
pub struct Line {
    /// Times stable's rate.
    pub times: f64,
    /// Plus this rate, as a fraction of one.
    pub plus: f64,
}

impl From<(f64, f64)> for Line {
    fn from((times, plus): (f64, f64)) -> Self {
        Self { times, plus }
    }
}

impl From<Line> for (f64, f64) {
    fn from(line: Line) -> Self {
        (line.times, line.plus)
    }
}

/// What the judge must be sure of, and how sure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Bound on the probability that a tolerable canary is ever aborted.
    pub alpha: f64,
    /// Bound on the probability that a bad canary is ever promoted.
    pub beta: f64,
    /// Seconds after the canary's first traffic in which only errors far above stable's may abort.
    pub warmup_s: f64,
    /// How far above stable's the canary's error rate may be during warm-up, as a fraction of one.
    pub warmup_err_tol: f64,
    /// Seconds after the start before which nothing is promoted.
    pub min_promote_s: f64,
    /// Errors: tolerable up to this line.
    pub err_tol: Line,
    /// Errors: bad from this line on.
    pub err_bad: Line,
    /// Share slower than a bound, for each bound: tolerable up to this line.
    pub lat_tol: Line,
    /// Share slower than a bound: bad from this line on.
    pub lat_bad: Line,
    /// Errors of one route: tolerable up to this line.
    pub route_tol: Line,
    /// Errors of one route: bad from this line on.
    pub route_bad: Line,
}

impl Default for Policy {
    fn default() -> Self {
        let line = |times, plus| Line { times, plus };
        Self {
            alpha: 0.01,
            beta: 0.01,
            warmup_s: 15.0,
            warmup_err_tol: 0.3,
            min_promote_s: 240.0,
            err_tol: line(1.25, 0.001),
            err_bad: line(1.5, 0.005),
            lat_tol: line(1.25, 0.005),
            lat_bad: line(1.5, 0.02),
            route_tol: line(1.25, 0.01),
            route_bad: line(1.5, 0.05),
        }
    }
}

/// One tick's observations: what came since the tick before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// Whole seconds since the start of the rollout; below 0 is history of stable alone.
    pub t: i64,
    /// The canary's share that was in force.
    pub weight: Ratio,
    /// All traffic of both sides.
    pub stable: Tally,
    /// All traffic of the canary.
    pub canary: Tally,
    /// Requests and errors by route, where they are known apart.
    pub routes: Vec<RouteTally>,
}

/// Requests and errors of one route in a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTally {
    /// The route's name.
    pub route: String,
    /// `(requests, errors)` of stable.
    pub stable: (u64, u64),
    /// `(requests, errors)` of the canary.
    pub canary: (u64, u64),
}

/// What convicts a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Culprit {
    /// Too many errors in all.
    Errors,
    /// Too many responses slower than this many milliseconds.
    Latency(u32),
    /// Too many errors on one route.
    Route(String),
}

/// What the evidence says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The canary is not bad: it may be promoted.
    Pass,
    /// The canary is not tolerable: it must be aborted.
    Fail,
    /// Neither is shown yet.
    #[default]
    Inconclusive,
}

/// Why the judge holds back although time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    /// The canary has had no traffic lately.
    NoCanaryTraffic,
    /// Stable has had no traffic lately: there is nothing to compare with.
    NoStableTraffic,
    /// The canary is warming up.
    WarmUp,
    /// Stable itself is in an incident.
    StableIll,
    /// There is some evidence against the canary.
    Suspicious,
    /// The share that was seen does not fit the weight.
    ShareMismatch,
    /// More requests are needed.
    MoreEvidence,
    /// `min_promote_s` has not passed.
    MinimumTime,
}

/// Everything the judge has to say after a tick. The state machine decides on it, the journal keeps it, people read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Fail: abort now. Pass: the promote side has its evidence. Sticky once Fail.
    pub verdict: Verdict,
    /// Whether the evidence suffices to go to the next weight.
    pub next: Verdict,
    /// The largest part of the evidence against the canary.
    pub culprit: Option<Culprit>,
    /// Why not further; `None` with Fail, and with Pass.
    pub hold: Option<Hold>,
    /// Natural logarithm of the evidence against the canary; Fail at `ln(1/alpha)`. `-inf` is written as null.
    #[serde(with = "finite")]
    pub log_e: f64,
    /// Where `log_e` convicts.
    #[serde(with = "finite")]
    pub log_e_limit: f64,
    /// The weakest part of the evidence for the canary; Pass at `log_promote_limit`.
    #[serde(with = "finite")]
    pub log_promote: f64,
    /// Where `log_promote` suffices.
    #[serde(with = "finite")]
    pub log_promote_limit: f64,
    /// The weakest part of the evidence for the next weight, as a part of what is needed: 0 to 1.
    #[serde(with = "finite")]
    pub next_progress: f64,
    /// `(requests, errors)` of stable since the start of the rollout.
    pub stable: (u64, u64),
    /// `(requests, errors)` of the canary since the start of the rollout.
    pub canary: (u64, u64),
    /// The canary's error rate above stable's, as a confidence interval in fractions of one; `None` before there is one.
    pub excess: Option<(f64, f64)>,
    /// How long until a decision, at the present traffic and rates.
    pub eta: Option<Span>,
    /// How many more canary requests until a decision, at the present rates.
    pub needed: Option<u64>,
}

/// `-inf` and NaN as null, so that reports are JSON.
mod finite {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_none() }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NEG_INFINITY))
    }
}

/// Weighs the evidence of one rollout, tick by tick, in constant memory.
///
/// Deterministic: the same policy, bounds and ticks give the same reports to the last bit, on every machine.
#[derive(Clone, Debug)]
pub struct Judge {
    policy: Policy,
    bounds: Bounds,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(policy: Policy, bounds: Bounds) -> Self {
        Self { policy, bounds }
    }

    /// Weighs one tick. `next` is the weight that the rollout wants to go to next; `None` on the last step.
    pub fn observe(&mut self, tick: &Tick, next: Option<Ratio>) -> Report {
        let _ = (tick, next, &self.policy, &self.bounds, Duration::ZERO);
        Report::default()
    }

    /// What [`Judge::observe`] would say of an unfinished tick, without remembering it: whether to end the tick early,
    /// because it already convicts.
    pub fn convicts(&self, unfinished: &Tick) -> bool {
        let _ = unfinished;
        false
    }
}
