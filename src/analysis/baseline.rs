//! What stable's rate is taken to be: only where a bet is placed depends on it, never whether the bet is fair.

use super::numeric::exp;

/// Two estimates of one rate, from what came before: a steady one, and one that follows the onset of an outage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Baseline {
    steady: Faded,
    quick: Faded,
}

impl Baseline {
    /// Takes in what was seen of stable over `seconds`.
    pub(super) fn observe(&mut self, requests: u64, failed: u64, seconds: f64) {
        let by_requests = requests as f64 / HALF_LIFE_REQUESTS;
        self.steady.fade((seconds / HALF_LIFE_S).min(by_requests));
        self.steady.add(requests, failed);
        self.quick.fade(seconds / QUICK_HALF_LIFE_S);
        self.quick.add(requests, failed);
    }

    /// The steady estimate.
    pub(super) fn steady(&self) -> f64 {
        (self.steady.failed + PRIOR_FAILED) / (self.steady.requests + PRIOR_REQUESTS)
    }

    /// The quick estimate where it differs from the steady one by more than chance; the steady one elsewhere, so that in
    /// calm times both lay the same bets and nothing is lost on noise.
    pub(super) fn quick(&self) -> f64 {
        let steady = self.steady();
        let expected = self.quick.requests * steady;
        let off = self.quick.failed - expected;
        if off * off <= QUICK_SURPRISE * (expected * (1.0 - steady) + 1.0) {
            return steady;
        }
        (self.quick.failed + QUICK_PRIOR_REQUESTS * steady) / (self.quick.requests + QUICK_PRIOR_REQUESTS)
    }
}

/// Counts that lose their weight with time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faded {
    /// Requests.
    pub(super) requests: f64,
    /// Failures among them.
    pub(super) failed: f64,
}

impl Faded {
    /// Fades by so many half-lives.
    pub(super) fn fade(&mut self, half_lives: f64) {
        let keep = exp(-std::f64::consts::LN_2 * half_lives);
        self.requests *= keep;
        self.failed *= keep;
    }

    /// Adds fresh counts.
    pub(super) fn add(&mut self, requests: u64, failed: u64) {
        self.requests += requests as f64;
        self.failed += failed as f64;
    }
}

/// The steady estimate forgets half after 20 s or after 3,000 requests, whichever comes later: at little traffic it needs the
/// requests to be an estimate at all, at much traffic 20 s follow the day.
const HALF_LIFE_S: f64 = 20.0;
const HALF_LIFE_REQUESTS: f64 = 3000.0;

/// Two ticks: the shortest onset that can be followed from one tick to the next without following the noise.
const QUICK_HALF_LIFE_S: f64 = 2.0;

/// A tenth of a failure in ten requests: 1% before anything is known, and forgotten after a few dozen requests.
const PRIOR_FAILED: f64 = 0.1;
const PRIOR_REQUESTS: f64 = 10.0;
const QUICK_PRIOR_REQUESTS: f64 = 5.0;

/// Two standard deviations and a half, squared.
const QUICK_SURPRISE: f64 = 6.25;
