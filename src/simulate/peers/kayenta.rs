//! Spinnaker's automated canary analysis: Kayenta with its judge.

use super::mann_whitney::shift;
use super::window::quantile;
use crate::analysis::{Tick, Verdict};
use crate::simulate::Pilot;
use crate::stats::{Bounds, Tally};
use crate::types::Ratio;

/// A lifetime of three hours with an analysis each hour of everything since the start, as the guide's starting point has it.
/// One data point a minute for two metrics: the error rate, and the p99. A metric fails when the confidence interval of its
/// shift (Mann-Whitney, 98%) lies above a quarter of the estimated shift and its mean is not lower; the score is the share of
/// metrics that do not fail. Below 75 at any analysis fails the canary, and the last analysis must reach 95. Where half of the
/// metrics have no data, it fails.
#[derive(Debug)]
pub struct Kayenta {
    minute: (Tally, Tally),
    /// By metric: stable's points, and the canary's.
    errors: (Vec<f64>, Vec<f64>),
    latency: (Vec<f64>, Vec<f64>),
    bounds: Bounds,
}

impl Kayenta {
    /// At the start.
    pub fn new(bounds: Bounds) -> Self {
        let (minute, errors, latency) = Default::default();
        Self { minute, errors, latency, bounds }
    }

    fn end_minute(&mut self) {
        let (stable, canary) = std::mem::take(&mut self.minute);
        // Errors that nobody counted are none (`nanStrategy: replace`), a latency that nobody measured is no point.
        let rate = |tally: &Tally| tally.errors as f64 / tally.requests.max(1) as f64;
        self.errors.0.push(rate(&stable));
        if canary.requests > 0 {
            self.errors.1.push(rate(&canary));
        }
        self.latency.0.extend(quantile(0.99, &stable, &self.bounds));
        self.latency.1.extend(quantile(0.99, &canary, &self.bounds));
    }

    /// Of 100.
    fn score(&self) -> f64 {
        let metrics = [&self.errors, &self.latency];
        if metrics.iter().any(|(control, experiment)| control.is_empty() || experiment.is_empty()) {
            return 0.0;
        }
        let passed = metrics.iter().filter(|(control, experiment)| !is_high(control, experiment)).count();
        100.0 * passed as f64 / metrics.len() as f64
    }
}

impl Pilot for Kayenta {
    fn weight(&self) -> Ratio {
        Ratio::percent(WEIGHT)
    }

    fn see(&mut self, tick: &Tick) -> Verdict {
        if tick.t < 0 {
            return Verdict::Inconclusive;
        }
        self.minute.0 += &tick.stable;
        self.minute.1 += &tick.canary;
        let now = tick.t + 1;
        if now % MINUTE_S == 0 {
            self.end_minute();
        }
        if now % INTERVAL_S != 0 {
            return Verdict::Inconclusive;
        }
        match self.score() {
            score if score >= PASS && now >= LIFETIME_S => Verdict::Pass,
            score if score >= MARGINAL && now < LIFETIME_S => Verdict::Inconclusive,
            _ => Verdict::Fail,
        }
    }
}

/// Whether the shift from `control` to `experiment` is "High". Equal series pass unseen.
fn is_high(control: &[f64], experiment: &[f64]) -> bool {
    if sorted(control) == sorted(experiment) {
        return false;
    }
    let Some((lower, estimate)) = shift(control, experiment, Z) else { return false };
    let (before, after) = (mean(control), mean(experiment));
    // Where a mean is 0 there is no ratio, and none is asked for.
    let is_larger = before == 0.0 || after == 0.0 || after / before >= ALLOWED_INCREASE;
    lower > TOLERANCE * estimate.abs() && is_larger
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A share that a baseline of the same size would get too; stable as a whole is compared with, which is only steadier.
const WEIGHT: u32 = 5;
const MINUTE_S: i64 = 60;
/// "A canary lifetime of 3 hours, an interval of 1 hour and no warm-up period."
const LIFETIME_S: i64 = 3 * 3600;
const INTERVAL_S: i64 = 3600;
/// "A marginal threshold of 75 and a pass threshold of 95."
const MARGINAL: f64 = 75.0;
const PASS: f64 = 95.0;
/// `MannWhitneyClassifier(tolerance = 0.25, confLevel = 0.98)`: 2.326 is the normal quantile of 99%.
const TOLERANCE: f64 = 0.25;
const Z: f64 = 2.326_347_874;
/// `effectSize.allowedIncrease`, of the ratio of the means.
const ALLOWED_INCREASE: f64 = 1.0;
