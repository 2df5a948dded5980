//! Whether an endpoint has fallen silent: it has requests under way and answers none of them, for far longer than it takes
//! otherwise. A process that is stopped, or hangs in a lock or a collection, does that; its kernel still takes connections.
//!
//! What it takes otherwise is learned from its answers, so one that is slow by nature (long polls, reports) is not suspected.
//! One that has never answered may be silent for as long as the others of its backend: a new process that hangs, or whose
//! network is not there, is noticed as well.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// The least silence that is suspicious: longer than a slow request of a fast service, shorter than anybody's patience.
const LEAST: Duration = Duration::from_secs(2);

/// The silence that is suspicious in a backend of which nobody has answered yet: it may just have started.
const UNKNOWN: Duration = Duration::from_secs(10);

/// Silence is suspicious from so many times the average latency on.
const TIMES: u32 = 3;

/// Notes an answer; they take `average` by now.
pub(super) fn heard(endpoint: &Endpoint, average: Duration, now: Duration) {
    let patience = average.saturating_mul(TIMES).max(LEAST);
    let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    endpoint.heard.store(u64::from(patience) << 32 | u64::from(millis(now)), Relaxed);
}

/// Whether `endpoint`, which is one of `all` and has had a request under way since `since`, has fallen silent by `now`.
pub fn is_silent(endpoint: &Endpoint, all: &[Arc<Endpoint>], since: Duration, now: Duration) -> bool {
    let waited = now.saturating_sub(since);
    if waited < LEAST {
        return false;
    }
    let bits = endpoint.heard.load(Relaxed);
    let patience = patience(bits);
    if patience.is_zero() {
        return waited >= unknown(endpoint, all);
    }
    // Negative where another worker was ahead of `now`.
    let silent = millis(now).wrapping_sub(bits as u32).cast_signed();
    waited >= patience && u64::try_from(silent).is_ok_and(|millis| Duration::from_millis(millis) >= patience)
}

/// How long one that has never answered may take: as long as the others; longer where nobody has, and what they take is not
/// known, unless it has left and need not be waited for.
fn unknown(endpoint: &Endpoint, all: &[Arc<Endpoint>]) -> Duration {
    let others = all.iter().map(|other| patience(other.heard.load(Relaxed))).max().unwrap_or_default();
    match others {
        Duration::ZERO if endpoint.is_retired() => LEAST,
        Duration::ZERO => UNKNOWN,
        others => others,
    }
}

/// How long one that was heard of as in `bits` may be silent; 0 when it never was.
fn patience(bits: u64) -> Duration {
    Duration::from_millis(bits >> 32)
}

/// Uptime in milliseconds, modulo 2^32: 49 days.
fn millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Arc<Endpoint> {
        Arc::new(Endpoint::new(1, ([127, 0, 0, 1], 80).into(), "app:80"))
    }

    fn is_silent(endpoint: &Arc<Endpoint>, since: Duration, now: Duration) -> bool {
        super::is_silent(endpoint, std::slice::from_ref(endpoint), since, now)
    }

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_endpoint_that_answers_nobody_for_two_seconds_is_silent() {
        let endpoint = endpoint();
        heard(&endpoint, at(5), at(1000));
        assert!(!is_silent(&endpoint, at(500), at(2999)));
        assert!(is_silent(&endpoint, at(500), at(3000)));
    }

    #[test]
    fn a_request_waits_for_two_seconds_however_long_its_endpoint_had_nothing_to_do_before() {
        let endpoint = endpoint();
        heard(&endpoint, at(5), at(1000));
        assert!(!is_silent(&endpoint, at(60_000), at(61_999)));
        assert!(is_silent(&endpoint, at(60_000), at(62_000)));
    }

    #[test]
    fn an_answer_to_anybody_breaks_the_silence() {
        let endpoint = endpoint();
        heard(&endpoint, at(5), at(1000));
        heard(&endpoint, at(5), at(2900));
        assert!(!is_silent(&endpoint, at(0), at(4800)));
    }

    #[test]
    fn one_that_takes_long_by_nature_may_be_silent_for_three_times_as_long() {
        let endpoint = endpoint();
        heard(&endpoint, at(10_000), at(1000));
        assert!(!is_silent(&endpoint, at(1000), at(30_999)));
        assert!(is_silent(&endpoint, at(1000), at(31_000)));
    }

    #[test]
    fn one_that_has_never_answered_may_be_silent_for_as_long_as_the_others() {
        let (new, quick, slow) = (endpoint(), endpoint(), endpoint());
        heard(&quick, at(5), at(1000));
        let all = [new.clone(), quick.clone()];
        assert!(!super::is_silent(&new, &all, at(1000), at(2999)));
        assert!(super::is_silent(&new, &all, at(1000), at(3000)));
        heard(&slow, at(10_000), at(1000));
        let all = [new.clone(), quick, slow];
        assert!(!super::is_silent(&new, &all, at(1000), at(30_999)));
        assert!(super::is_silent(&new, &all, at(1000), at(31_000)));
    }

    #[test]
    fn where_nobody_has_ever_answered_ten_seconds_are_silence_and_two_for_one_that_has_left() {
        let endpoint = endpoint();
        assert!(!is_silent(&endpoint, at(1000), at(10_999)));
        assert!(is_silent(&endpoint, at(1000), at(11_000)));
        endpoint.retired.store(true, Relaxed);
        assert!(!is_silent(&endpoint, at(1000), at(2999)));
        assert!(is_silent(&endpoint, at(1000), at(3000)));
    }
}
