//! Passive ejection: an endpoint that fails requests in a row is left alone for a while. Pure.

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

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
