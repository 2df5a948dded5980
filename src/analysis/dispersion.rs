//! How much more a rate jumps about than independent requests would: bursts, retries, clients that fail in a row.
//!
//! The evidence of a burst is that of one accident, not of each request in it: gains are divided by this number. It is
//! taken from blocks before the bet, so the divided bets (whose expectation is at most 1 too, by Jensen) stay valid.
//!
//! A block counts by its distance to the *interval* between its two neighbours: a level that changes once, such as the onset
//! of an outage, is no burst and leaves no trace.

/// The dispersion of both sides over blocks of one tick and of eight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dispersion {
    stable: [Scale; 2],
    canary: [Scale; 2],
    ticks: u8,
}

impl Dispersion {
    /// Takes in one tick.
    pub(super) fn observe(&mut self, stable: (u64, u64), canary: (u64, u64)) {
        self.stable[0].add(stable);
        self.canary[0].add(canary);
        self.stable[1].add(stable);
        self.canary[1].add(canary);
        self.ticks += 1;
        self.stable[0].end_block();
        self.canary[0].end_block();
        if self.ticks == LONG_BLOCK {
            self.ticks = 0;
            self.stable[1].end_block();
            self.canary[1].end_block();
        }
    }

    /// By what to divide gains, at least 1: the lesser of the two sides', because what only one of them shows is either not
    /// in the canary's evidence or is the very thing that is to be found.
    pub(super) fn divisor(&self) -> f64 {
        let stable = self.stable[0].at_least(1.0).max(self.stable[1].at_least(1.0));
        if stable <= 1.0 {
            return 1.0;
        }
        // What the canary's few failures do not tell is presumed to be as with stable.
        let canary = self.canary[0].index(stable).max(self.canary[1].index(stable));
        stable.min(canary).max(1.0)
    }
}

/// Blocks of one length of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Scale {
    /// The block being filled, the one before it, and the one before that.
    blocks: [(f64, f64); 3],
    seen: f64,
    expected: f64,
    weight: f64,
}

impl Scale {
    fn add(&mut self, (requests, failed): (u64, u64)) {
        self.blocks[0].0 += requests as f64;
        self.blocks[0].1 += failed as f64;
    }

    fn end_block(&mut self) {
        let [next, (requests, failed), before] = self.blocks;
        if requests > 0.0 && next.0 > 0.0 && before.0 > 0.0 {
            let rates = (before.1 / before.0, next.1 / next.0);
            let (low, high) = (rates.0.min(rates.1) * requests, rates.0.max(rates.1) * requests);
            let beyond = (low - failed).max(failed - high).max(0.0);
            let rate = (before.1 + failed + next.1) / (before.0 + requests + next.0);
            self.seen = self.seen * KEEP + beyond * beyond / BETWEEN_NEIGHBOURS;
            self.expected = self.expected * KEEP + requests * rate * (1.0 - rate);
            self.weight = self.weight * KEEP + 1.0;
        }
        // A block without requests says nothing: it is not a neighbour either.
        if next.0 > 0.0 {
            self.blocks = [(0.0, 0.0), next, (requests, failed)];
        }
    }

    /// What the index is at least, but for one case in twenty: independent requests must not look dispersed by chance.
    fn at_least(&self, prior: f64) -> f64 {
        if self.weight == 0.0 {
            return prior;
        }
        let noise = (SQUARES_NOISE / self.weight + 1.0 / (self.expected + PRIOR_FAILURES)).sqrt();
        self.index(prior) - SLACK - 1.6 * noise
    }

    /// Variance over that of independent requests, drawn towards `prior` by a few failures' worth.
    fn index(&self, prior: f64) -> f64 {
        (self.seen + PRIOR_FAILURES * prior) / (self.expected + PRIOR_FAILURES)
    }
}

/// Ticks of the long blocks: bursts of a few seconds fall into one of them.
const LONG_BLOCK: u8 = 8;

/// For three independent normal blocks of variance 1, the mean square distance of the middle one to the interval between the
/// others: 2/3 of the mean square gap of the two largest of three, 1.173.
const BETWEEN_NEIGHBOURS: f64 = 0.782;

/// The statistic's bias where failures are rare: 1 / 0.782 - 1.
const SLACK: f64 = 0.28;

/// The variance of one block's square, in units of its mean squared: 2 for a normal number, more for a distance that is 0 in
/// a third of the cases.
const SQUARES_NOISE: f64 = 3.5;

/// Half the weight after 120 blocks.
const KEEP: f64 = 0.994_240;

/// What is presumed before anything is seen weighs as much as so many failures.
const PRIOR_FAILURES: f64 = 4.0;
