//! Passive ejection: an endpoint that fails requests in a row is left alone for a while. Pure.
//!
//! It decides only among the endpoints of one backend. What an ejected endpoint answered has already been counted for the
//! judge, and the backend's share of the traffic stays what it was.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::endpoint::{Ejection, Endpoint};
use crate::types::Ratio;

/// When endpoints are ejected.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierPolicy {
    /// Whether at all.
    pub enabled: bool,
    /// Failures in a row until ejection; 0 counts as 1.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts. Each further one lasts longer by as much, at most [`MOST_TIMES`] times as long;
    /// each span of this length without another ejection takes one back.
    pub ejection: Duration,
    /// The largest part of a backend's endpoints ejected at once; at least one endpoint always stays.
    pub max_ejected: Ratio,
}

/// What a request says of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered.
    Good,
    /// It did not: a connection error, a timeout, 502, 503 or 504.
    Bad,
    /// It answers nobody any more: as bad as any number of failures.
    Silent,
}

/// An endpoint has just been ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejected {
    /// For this long.
    pub duration: Duration,
    /// After so many failures in a row.
    pub failures: u32,
}

/// The longest ejection, as a multiple of the first: 5 minutes at 10 s, Envoy's bound.
pub const MOST_TIMES: u32 = 30;

/// Notes what a request says of `which`, one of `endpoints`; tells when that ejects it.
///
/// A success forgets the failures before it. An endpoint that comes back is on probation: its first request, if it fails,
/// ejects it again. What comes in while it is ejected does not prolong that. When too many are out already, failures go on
/// being counted, and the first one after there is room ejects. Workers that eject at the same instant may together exceed
/// the largest part by one each; [`crate::balancer::pick`] still finds an endpoint then.
pub fn record(
    policy: &OutlierPolicy,
    endpoints: &[Arc<Endpoint>],
    which: &Endpoint,
    sign: Sign,
    now: Duration,
) -> Option<Ejected> {
    let state = &which.ejection;
    if sign == Sign::Good {
        // Mostly 0 already, and then the line stays shared among the workers.
        if state.failures.load(Relaxed) != 0 {
            state.failures.store(0, Relaxed);
        }
        return None;
    }
    let until = state.until.load(Relaxed);
    if !policy.enabled || until > nanos(now) {
        return None;
    }
    let limit = policy.consecutive_failures.max(1);
    let count = if sign == Sign::Silent { limit } else { 1 };
    let failures = state.failures.fetch_add(count, Relaxed).saturating_add(count);
    if failures < limit || !has_room(policy, endpoints, which, now) {
        return None;
    }
    let times = remembered(policy, state, now).saturating_add(1).min(MOST_TIMES);
    let duration = policy.ejection.saturating_mul(times);
    let end = nanos(now.saturating_add(duration));
    // Of several workers that see the last failure at once, one ejects.
    state.until.compare_exchange(until, end, Relaxed, Relaxed).ok()?;
    state.times.store(times, Relaxed);
    state.failures.store(limit - 1, Relaxed);
    Some(Ejected { duration, failures })
}

/// Notes a good answer to a request that began at `began`. An ejected endpoint gets requests for want of others: when it
/// answers one of them it is well again, and takes its part at once.
pub fn pardon(policy: &OutlierPolicy, which: &Endpoint, began: Duration, now: Duration) {
    let state = &which.ejection;
    let until = state.until.load(Relaxed);
    if until <= nanos(now) {
        return;
    }
    let lasts = policy.ejection.saturating_mul(state.times.load(Relaxed));
    let since = until.saturating_sub(nanos(lasts));
    // An answer to an older request says nothing of what came after it.
    if nanos(began) > since {
        let _ = state.until.compare_exchange(until, nanos(now), Relaxed, Relaxed);
    }
}

/// Whether one more may go, and another one that takes requests stays.
fn has_room(policy: &OutlierPolicy, endpoints: &[Arc<Endpoint>], which: &Endpoint, now: Duration) -> bool {
    let others = || endpoints.iter().filter(|endpoint| endpoint.id != which.id);
    let ejected = others().filter(|endpoint| endpoint.ejection.is_ejected(now)).count() as u64;
    let most = endpoints.len() as u64 * u64::from(policy.max_ejected.ppm()) / u64::from(Ratio::PARTS);
    ejected < most && others().any(|endpoint| endpoint.is_available(now))
}

/// The earlier ejections that still count at `now`.
fn remembered(policy: &OutlierPolicy, state: &Ejection, now: Duration) -> u32 {
    let well = now.saturating_sub(state.until());
    let forgotten = nanos(well).checked_div(nanos(policy.ejection)).unwrap_or(u64::MAX);
    state.times.load(Relaxed).saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
}

/// Nanoseconds of uptime: 584 years of them.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
