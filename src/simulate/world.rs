//! What users, stable and canary do in one second.

use crate::analysis::{Kind, Policy};
use crate::stats::Bounds;

/// One second of the world.
#[derive(Clone, Debug)]
pub struct World {
    /// Requests a second of all users.
    pub rate: f64,
    /// Routes that the requests are spread over evenly; 0: not told apart.
    pub routes: usize,
    /// The canary gets nothing, whatever the weight.
    pub canary_absent: bool,
    /// Stable gets nothing.
    pub stable_absent: bool,
    /// Failing requests a second of one client who, by affinity, is with the canary: nothing but his first one is news.
    pub bad_client: u64,
    /// The share of all requests that one client sends who, by affinity, is with the canary while that has a weight.
    pub heavy_client: f64,
    /// How stable does.
    pub stable: Behaviour,
    /// How the canary does.
    pub canary: Behaviour,
}

/// How one version does.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// The chance that a request fails.
    pub errors: f64,
    /// The median of the latency in milliseconds, and the standard deviation of its logarithm.
    pub median_ms: f64,
    /// See `median_ms`.
    pub spread: f64,
    /// The share of requests that take `tail_ms` longer (a timeout, a cold cache).
    pub tail: f64,
    /// How much longer those take.
    pub tail_ms: f64,
    /// Failures come so many at a time.
    pub burst: u64,
    /// One route, and the chance that a request to it fails.
    pub bad_route: Option<(usize, f64)>,
}

impl Behaviour {
    /// Median 30 ms, no tail, this error rate.
    pub fn failing(errors: f64) -> Self {
        Self { errors, median_ms: 30.0, spread: 0.5, tail: 0.0, tail_ms: 0.0, burst: 1, bad_route: None }
    }

    /// The chance that a request fails, over all `routes`.
    pub fn failing_at(&self, routes: usize) -> f64 {
        match self.bad_route {
            Some((_, rate)) if routes > 0 => self.errors + (rate - self.errors) / routes as f64,
            _ => self.errors,
        }
    }

    fn is_as_fast_as(&self, other: &Self) -> bool {
        (self.median_ms, self.spread, self.tail, self.tail_ms)
            == (other.median_ms, other.spread, other.tail, other.tail_ms)
    }

    /// The chance that an answer takes longer than `ms`.
    pub fn slower_than(&self, ms: f64) -> f64 {
        let body = |ms: f64| {
            if ms <= 0.0 { 1.0 } else { 0.5 * libm::erfc(libm::log(ms / self.median_ms) / self.spread * 0.5f64.sqrt()) }
        };
        (1.0 - self.tail) * body(ms) + self.tail * body(ms - self.tail_ms)
    }
}

impl World {
    /// Two versions under `rate` requests a second.
    pub fn of(rate: f64, stable: Behaviour, canary: Behaviour) -> Self {
        Self {
            rate,
            routes: 0,
            canary_absent: false,
            stable_absent: false,
            bad_client: 0,
            heavy_client: 0.0,
            stable,
            canary,
        }
    }

    /// Whether there is anything to compare, and the lot says who has what.
    pub fn canary_takes_part(&self) -> bool {
        !self.canary_absent && !self.stable_absent && self.heavy_client == 0.0
    }

    /// The part of the canary's requests at `weight` that comes from users other than the one who sends so many.
    pub fn of_others(&self, weight: f64) -> f64 {
        let others = (1.0 - self.heavy_client) * weight;
        if self.heavy_client > 0.0 { others / (others + self.heavy_client) } else { 1.0 }
    }

    /// The chance that a request to the canary hurts its user: that it fails, or is slower than some bound, where on stable
    /// it would not have. Of several ways to be hurt the one that hurts most counts.
    pub fn harm(&self, bounds: &Bounds) -> f64 {
        let (stable, canary) = (&self.stable, &self.canary);
        let failing = canary.failing_at(self.routes) - stable.failing_at(self.routes);
        if stable.is_as_fast_as(canary) {
            return failing.max(0.0);
        }
        let slower = |&bound: &u32| canary.slower_than(bound.into()) - stable.slower_than(bound.into());
        bounds.as_millis().iter().map(slower).fold(failing.max(0.0), f64::max)
    }

    /// What one request is worth, on average, to somebody who knows all rates and bets on what is to be shown: see
    /// [`Policy::information`].
    pub fn information(&self, policy: &Policy, weight: f64, bounds: &Bounds) -> f64 {
        let (stable, canary) = (&self.stable, &self.canary);
        let errors =
            policy.information(Kind::Errors, weight, stable.failing_at(self.routes), canary.failing_at(self.routes));
        let route = match canary.bad_route {
            Some((_, rate)) if self.routes > 0 => {
                policy.information(Kind::Route, weight, stable.errors, rate) / self.routes as f64
            }
            _ => 0.0,
        };
        if stable.is_as_fast_as(canary) {
            return errors.max(route);
        }
        let slow = |&bound: &u32| {
            let bound = f64::from(bound);
            policy.information(Kind::Latency, weight, stable.slower_than(bound), canary.slower_than(bound))
        };
        bounds.as_millis().iter().map(slow).fold(errors.max(route), f64::max)
    }
}
