//! How many repeats a backend can stand: a share of its requests, and a few a second in any case.
//!
//! Repeats are for single failures. When a backend fails as a whole they multiply its load, at the moment at which it can bear
//! that least. A budget relative to the traffic bounds the factor (Finagle's `RetryBudget`, and linkerd's after it: 20% of the
//! requests of the last 10 s, and 10 a second).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::types::Ratio;

/// A backend's budget of repeats, shared by all workers.
///
/// A purse whose content evaporates: requests and time put tokens in, repeats take one out, and what is not used loses all but
/// 1/e within `WINDOW`. At a steady rate it holds what came in within `WINDOW`, and over any time no more repeats are
/// possible than came in during it plus that.
#[derive(Debug)]
pub struct RetryBudget {
    /// Requests that have not been turned into tokens yet.
    deposits: AtomicU64,
    /// A [`Purse`].
    purse: AtomicU64,
}

impl RetryBudget {
    /// Counts a request: call it once for each first attempt.
    pub fn deposit(&self) {
        self.deposits.fetch_add(1, Relaxed);
    }

    /// Takes one repeat out of the budget; false when there is none left.
    ///
    /// `budget` is the part of the requests that may be repeats. Routes to one backend should agree on it; else each
    /// repeat uses its own route's part of the requests since the last one.
    pub fn withdraw(&self, budget: Ratio, now: Duration) -> bool {
        let requests = self.deposits.swap(0, Relaxed) as f64;
        let mut is_granted = false;
        let take = |bits| {
            let purse = Purse::from_bits(bits).filled(requests * budget.fraction(), now);
            is_granted = purse.tokens >= 1.0;
            let tokens = if is_granted { purse.tokens - 1.0 } else { purse.tokens };
            Some(Purse { tokens, ..purse }.to_bits())
        };
        // The closure never declines, so this cannot fail; it says what the last try, the one that held, saw.
        let _ = self.purse.fetch_update(Relaxed, Relaxed, take);
        is_granted
    }
}

impl Default for RetryBudget {
    /// Holds what it would hold after a long time without requests: an endpoint may die with many of the first requests of all.
    fn default() -> Self {
        let purse = Purse { tokens: (PER_SECOND * WINDOW.as_secs_f64()) as f32, stamp: 0 };
        Self { deposits: AtomicU64::new(0), purse: AtomicU64::new(purse.to_bits()) }
    }
}

/// Tokens and when they were last counted, in one atomic word.
#[derive(Clone, Copy)]
struct Purse {
    tokens: f32,
    /// Uptime in milliseconds, modulo 2^32: 49 days.
    stamp: u32,
}

impl Purse {
    fn from_bits(bits: u64) -> Self {
        Self { tokens: f32::from_bits((bits >> 32) as u32), stamp: bits as u32 }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.tokens.to_bits()) << 32 | u64::from(self.stamp)
    }

    /// As it is at `now`, when `income` has come from requests since it was last counted, evenly over that time.
    fn filled(self, income: f64, now: Duration) -> Self {
        let stamp = now.as_millis() as u32;
        // Negative where another worker was ahead of `now`.
        let elapsed = f64::from(stamp.wrapping_sub(self.stamp).cast_signed().max(0)) / 1e3;
        let age = elapsed / WINDOW.as_secs_f64();
        // What remains of a steady inflow, on average: (1 - e^-x) / x, which is 1 at 0.
        let kept = if age > 0.0 { -(-age).exp_m1() / age } else { 1.0 };
        let tokens = f64::from(self.tokens) * (-age).exp() + (income + PER_SECOND * elapsed) * kept;
        let stamp = if elapsed > 0.0 { stamp } else { self.stamp };
        Self { tokens: tokens as f32, stamp }
    }
}

/// How long a budget that is not used remembers requests.
const WINDOW: Duration = Duration::from_secs(10);

/// Repeats a second that are possible without any requests: what a backend with little traffic needs to be tried again at all.
const PER_SECOND: f64 = 10.0;

#[cfg(test)]
mod tests;
