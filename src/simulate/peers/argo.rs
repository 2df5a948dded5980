//! Argo Rollouts' background analysis.

use super::window::Window;
use crate::analysis::{Tick, Verdict};
use crate::simulate::Pilot;
use crate::types::Ratio;

/// 20%, 40%, 60%, 80%, ten minutes each, then promotion. From 40% on (`startingStep: 2`) the success rate is measured every
/// five minutes: below 95% is a failed measurement, more than `failureLimit: 3` of them abort. `irate` takes the last two
/// samples, so a measurement sees one scrape interval. No requests make it NaN, which is not >= 0.95.
#[derive(Debug)]
pub struct Argo {
    now: i64,
    failed: u32,
    canary: Window,
}

impl Default for Argo {
    fn default() -> Self {
        Self { now: 0, failed: 0, canary: Window::new(SCRAPE_S) }
    }
}

impl Pilot for Argo {
    fn weight(&self) -> Ratio {
        Ratio::percent(WEIGHT * (1 + u32::try_from(self.now / PAUSE_S).unwrap_or(0)).min(STEPS))
    }

    fn see(&mut self, tick: &Tick) -> Verdict {
        if tick.t < 0 {
            return Verdict::Inconclusive;
        }
        self.canary.push(&tick.canary);
        self.now = tick.t + 1;
        if self.now >= PAUSE_S && (self.now - PAUSE_S) % INTERVAL_S == 0 {
            let seen = self.canary.sum();
            let good = (seen.requests - seen.errors) as f64 / seen.requests as f64;
            // Without requests it is not a number, which fails, too.
            self.failed += u32::from(good.is_nan() || good < MIN_SUCCESS);
            if self.failed > FAILURE_LIMIT {
                return Verdict::Fail;
            }
        }
        if self.now >= PAUSE_S * i64::from(STEPS) { Verdict::Pass } else { Verdict::Inconclusive }
    }
}

/// `setWeight: 20, 40, 60, 80`.
const WEIGHT: u32 = 20;
const STEPS: u32 = 4;
/// `pause: {duration: 10m}`.
const PAUSE_S: i64 = 600;
/// `interval: 5m`.
const INTERVAL_S: i64 = 300;
/// `failureLimit: 3`: the most that may fail.
const FAILURE_LIMIT: u32 = 3;
/// `successCondition: result >= 0.95`.
const MIN_SUCCESS: f64 = 0.95;
/// The usual scrape interval in clusters (kube-prometheus has 30 s, Istio's sample 15 s).
const SCRAPE_S: usize = 15;
