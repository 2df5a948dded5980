//! Passive ejection: an endpoint that fails requests in a row is left alone for a while. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::types::Ratio;

/// When endpoints are ejected.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierPolicy {
    /// Whether at all.
    pub enabled: bool,
    /// Failures in a row until ejection.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts.
    pub ejection: Duration,
    /// The largest part of a backend's endpoints ejected at once; at least one endpoint always stays.
    pub max_ejected: Ratio,
}

/// An endpoint's own state.
#[derive(Debug, Default)]
pub struct Ejection {
    /// Failures since the last success.
    pub failures: AtomicU32,
    /// Ejected until this uptime in nanoseconds; 0 when not.
    pub until: AtomicU64,
    /// How often it was ejected in a row.
    pub times: AtomicU32,
}

/// What a request says of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered.
    Good,
    /// It did not: a connection error, a timeout, 502, 503 or 504.
    Bad,
}

/// An endpoint has just been ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejected {
    /// For this long.
    pub duration: Duration,
    /// After so many failures in a row.
    pub failures: u32,
}

/// Notes what a request says of `which`, one of `endpoints`; tells when that ejects it.
pub fn record(
    policy: &OutlierPolicy,
    endpoints: &[Arc<Endpoint>],
    which: &Endpoint,
    sign: Sign,
    now: Duration,
) -> Option<Ejected> {
    let _ = (policy, endpoints, which, sign, now);
    None
}
