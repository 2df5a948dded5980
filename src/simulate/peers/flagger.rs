//! Flagger's canary analysis.

use super::window::{Window, quantile};
use crate::analysis::{Tick, Verdict};
use crate::simulate::Pilot;
use crate::stats::Bounds;
use crate::types::Ratio;

/// Every minute: at least 99% of the last minute's requests without a 5xx, and a p99 of at most 500 ms. Passed: 5 points more
/// weight, and promotion once 50% has passed. Failed, or nothing measured: one failed check; rolled back in the round after
/// the tenth. Failed checks are never forgiven.
#[derive(Debug)]
pub struct Flagger {
    weight: u32,
    failed: u32,
    canary: Window,
    bounds: Bounds,
}

impl Flagger {
    /// At the start: the first round gives the canary its first weight.
    pub fn new(bounds: Bounds) -> Self {
        Self { weight: STEP_WEIGHT, failed: 0, canary: Window::new(INTERVAL_S as usize), bounds }
    }

    fn passes(&self) -> bool {
        let seen = self.canary.sum();
        if seen.requests == 0 {
            return false;
        }
        let success = 100.0 * (1.0 - seen.errors as f64 / seen.requests as f64);
        let fast = quantile(0.99, &seen, &self.bounds).is_some_and(|p99| p99 <= MAX_P99_MS);
        success >= MIN_SUCCESS && fast
    }
}

impl Pilot for Flagger {
    fn weight(&self) -> Ratio {
        Ratio::percent(self.weight)
    }

    fn see(&mut self, tick: &Tick) -> Verdict {
        if tick.t < 0 {
            return Verdict::Inconclusive;
        }
        self.canary.push(&tick.canary);
        if (tick.t + 1) % INTERVAL_S != 0 {
            return Verdict::Inconclusive;
        }
        if self.failed >= THRESHOLD {
            return Verdict::Fail;
        }
        if !self.passes() {
            self.failed += 1;
        } else if self.weight >= MAX_WEIGHT {
            return Verdict::Pass;
        } else {
            self.weight += STEP_WEIGHT;
        }
        Verdict::Inconclusive
    }
}

/// `interval: 1m`, for the schedule and for the metrics.
const INTERVAL_S: i64 = 60;
/// `threshold: 10`.
const THRESHOLD: u32 = 10;
/// `stepWeight: 5`, `maxWeight: 50`.
const STEP_WEIGHT: u32 = 5;
const MAX_WEIGHT: u32 = 50;
/// `request-success-rate`, `thresholdRange: {min: 99}`.
const MIN_SUCCESS: f64 = 99.0;
/// `request-duration`, `thresholdRange: {max: 500}`.
const MAX_P99_MS: f64 = 500.0;
