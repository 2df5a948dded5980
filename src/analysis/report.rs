//! What the judge says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RouteName;
use crate::types::Span;

/// What convicts a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Culprit {
    /// Too many errors in all.
    Errors,
    /// Too many responses slower than this many milliseconds.
    Latency(u32),
    /// Too many errors on one route.
    Route(RouteName),
}

impl fmt::Display for Culprit {
    /// `error`, `latency:>80ms` or `route:NAME`, as replay and metrics have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors => f.write_str("error"),
            Self::Latency(bound) => write!(f, "latency:>{bound}ms"),
            Self::Route(route) => write!(f, "route:{route}"),
        }
    }
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

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCanaryTraffic => "no-canary-traffic",
            Self::NoStableTraffic => "no-stable-traffic",
            Self::WarmUp => "warm-up",
            Self::StableIll => "stable-ill",
            Self::Suspicious => "suspicious",
            Self::ShareMismatch => "share-mismatch",
            Self::MoreEvidence => "more-evidence",
            Self::MinimumTime => "minimum-time",
        })
    }
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
    /// Requests a second of both versions lately; `None` before some ten seconds are known, in a tick without requests, and in
    /// one with far more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
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
