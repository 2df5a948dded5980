//! How much more a rate jumps about than independent requests would: bursts, retries, clients that fail in a row.
//!
//! The evidence of a burst is that of one accident, not of each request in it: gains are divided by this number. It is
//! taken from blocks before the bet, so the divided bets (whose expectation is at most 1 too, by Jensen) stay valid.
//!
//! A block counts by its distance to the *interval* between its two neighbours: a level that changes once, such as the onset
//! of an outage, is no burst and leaves no trace.
//!
//! A leap of *both* sides in one block is not counted either. The lot deals the requests of a moment to both, so what hits
//! both is the world's doing and the bet is fair as it is; what has to be feared is a side that fails in a row on its own.
//! Chance makes two sides that are bursty by themselves leap together now and then: therefore both must leap by more than
//! what is known of their dispersion explains.

use super::line::Counts;

/// The dispersion of both sides over blocks of one tick and of eight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dispersion {
    short: Scale,
    long: Scale,
    ticks: u8,
}

impl Dispersion {
    /// Takes in one tick.
    pub(super) fn observe(&mut self, tick: &Counts) {
        self.short.add(tick);
        self.short.end_block();
        self.long.add(tick);
        self.ticks += 1;
        if self.ticks == LONG_BLOCK {
            self.ticks = 0;
            self.long.end_block();
        }
    }

    /// By what to divide gains, at least 1: the lesser of the two sides', because what only one of them shows is either not
    /// in the canary's evidence or is the very thing that is to be found.
    pub(super) fn divisor(&self) -> f64 {
        let stable = self.short.stable.at_least(1.0).max(self.long.stable.at_least(1.0));
        if stable <= 1.0 {
            return 1.0;
        }
        // What the canary's few failures do not tell is presumed to be as with stable.
        let canary = self.short.canary.index(stable).max(self.long.canary.index(stable));
        stable.min(canary).max(1.0)
    }
}

/// Blocks of one length.
#[derive(Clone, Copy, Debug, Default)]
struct Scale {
    /// The block being filled, the one before it, and the one before that.
    blocks: [Counts; 3],
    stable: Index,
    canary: Index,
}

impl Scale {
    fn add(&mut self, tick: &Counts) {
        self.blocks[0].add(tick);
    }

    fn end_block(&mut self) {
        let stable = Leap::of(self.blocks.map(|block| (block.stable, block.stable_failed)));
        let canary = Leap::of(self.blocks.map(|block| (block.canary, block.canary_failed)));
        let is_shared =
            self.stable.is_exceeded(&stable, STABLE_SURPRISE) && self.canary.is_exceeded(&canary, CANARY_SURPRISE);
        if !is_shared {
            self.stable.take(&stable);
            self.canary.take(&canary);
        }
        // A block without requests says nothing: it is not a neighbour either.
        if self.blocks[0].requests() > 0 {
            self.blocks = [Counts::default(), self.blocks[0], self.blocks[1]];
        }
    }
}

/// How far the middle one of three blocks of one side is from the interval between the others.
#[derive(Clone, Copy, Debug, Default)]
struct Leap {
    /// Failures above the interval, or, below 0, under it.
    beyond: f64,
    /// The variance of the middle block's failures if requests were independent.
    variance: f64,
    /// Whether there are requests in all three.
    is_known: bool,
}

impl Leap {
    fn of(blocks: [(u64, u64); 3]) -> Self {
        let [next, (requests, failed), before] = blocks.map(|(requests, failed)| (requests as f64, failed as f64));
        if requests == 0.0 || next.0 == 0.0 || before.0 == 0.0 {
            return Self::default();
        }
        if before.1 + failed + next.1 == 0.0 {
            return Self { is_known: true, ..Self::default() };
        }
        let rates = (before.1 / before.0, next.1 / next.0);
        let (low, high) = (rates.0.min(rates.1) * requests, rates.0.max(rates.1) * requests);
        let beyond = if failed > high { failed - high } else { (failed - low).min(0.0) };
        let rate = (before.1 + failed + next.1) / (before.0 + requests + next.0);
        Self { beyond, variance: requests * rate * (1.0 - rate), is_known: true }
    }
}

/// Variance over that of independent requests, of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Index {
    seen: f64,
    expected: f64,
    weight: f64,
}

impl Index {
    fn take(&mut self, leap: &Leap) {
        if leap.is_known {
            self.seen = self.seen * KEEP + leap.beyond * leap.beyond / BETWEEN_NEIGHBOURS;
            self.expected = self.expected * KEEP + leap.variance;
            self.weight = self.weight * KEEP + 1.0;
        }
    }

    /// Whether a leap is upwards and more than `surprise` standard deviations, by the dispersion as it is known.
    fn is_exceeded(&self, leap: &Leap, surprise: f64) -> bool {
        leap.beyond > 0.0 && leap.beyond * leap.beyond > surprise * surprise * leap.variance * self.index(1.0).max(1.0)
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

/// Standard deviations from which a leap is more than a burst. With stable's many requests five are beyond every coincidence;
/// three of the canary, in the very same block, are one in a thousand.
const STABLE_SURPRISE: f64 = 5.0;
const CANARY_SURPRISE: f64 = 3.0;

/// What is presumed before anything is seen weighs as much as so many failures.
const PRIOR_FAILURES: f64 = 4.0;
