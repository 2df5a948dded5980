//! One kind of evidence over time: the capital that is bet on "the canary is worse", and on "the canary is not bad".
//!
//! A stream gathers a *block*: the ticks until the canary had traffic of this kind. Within a block all bets are those that
//! were laid at its beginning, so a block is worth the same however its requests are cut into ticks; at its end the capital
//! takes the gain, and the estimates take in the counts. A block that the canary never joined is worth nothing: otherwise
//! the good answers of stable alone would convict a canary that nobody sends traffic to.

use super::Policy;
use super::baseline::Baseline;
use super::cells::{cell, middle};
use super::dispersion::Dispersion;
use super::hypotheses::{GOOD_ALTERNATIVES, Kind, MAX_ALTERNATIVES, VIEWS};
use super::line::{Counts, FOUR};
use super::proof::Proof;
use super::share::{is_plausible, seen_share};
use super::tables::{Share, Table};

/// How the ticks of a block are weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighing<'a> {
    /// The policy.
    pub(super) policy: &'a Policy,
    /// The bets at the weight in force.
    pub(super) table: &'a Table,
    /// The weight in force as a fraction of one.
    pub(super) weight: f64,
    /// Whether the weight in force can be taken for the share by which labels were drawn.
    pub(super) trust: Trust,
}

/// Whether the weight in force can be taken for the share by which labels were drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Yes.
    #[default]
    Drawn,
    /// No: only compare within each block, at the share that is seen in it.
    Seen,
}

/// One kind of evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    kind: Kind,
    /// What is bet by each view of stable's rate, by alternative.
    against: [[f64; MAX_ALTERNATIVES]; VIEWS],
    /// The same with the gains of the present block, and the factors by which it lets the capital in favour grow.
    after: [[f64; MAX_ALTERNATIVES]; VIEWS],
    factors: [f64; FOUR],
    is_weighed: bool,
    /// The sums of `against` and `after`.
    at_stake: f64,
    after_at_stake: f64,
    /// Capital that joins with the next block.
    joining: f64,
    /// Capital on "not bad", since the step began.
    in_favour: Proof<GOOD_ALTERNATIVES>,
    /// Requests and failures of the canary since then.
    canary_in_step: (u64, u64),
    counts: Counts,
    cells: [u8; VIEWS],
    divisor: f64,
    began: i64,
    baseline: Baseline,
    dispersion: Dispersion,
}

impl Stream {
    /// A stream without capital that has seen nothing.
    pub(super) fn new(kind: Kind, now: i64) -> Self {
        Self {
            kind,
            against: [[0.0; MAX_ALTERNATIVES]; VIEWS],
            after: [[0.0; MAX_ALTERNATIVES]; VIEWS],
            factors: [1.0; FOUR],
            is_weighed: false,
            at_stake: 0.0,
            after_at_stake: 0.0,
            joining: 0.0,
            in_favour: Proof::START,
            canary_in_step: (0, 0),
            counts: Counts::default(),
            cells: [0; VIEWS],
            divisor: 1.0,
            began: now,
            baseline: Baseline::default(),
            dispersion: Dispersion::default(),
        }
    }

    /// Adds capital: it is at stake from the next block on, and safe until then.
    pub(super) fn endow(&mut self, capital: f64) {
        self.joining += capital;
    }

    /// Takes all capital out, in the form of what it is worth at the last block's end.
    pub(super) fn withdraw(&mut self) -> f64 {
        let capital = self.joining + self.at_stake;
        (self.joining, self.at_stake) = (0.0, 0.0);
        self.against = [[0.0; MAX_ALTERNATIVES]; VIEWS];
        capital
    }

    /// Begins the proof that the canary is not bad anew.
    pub(super) fn restart_in_favour(&mut self) {
        self.in_favour = Proof::START;
        self.canary_in_step = (0, 0);
    }

    /// Counts more of the present block.
    pub(super) fn add(&mut self, counts: &Counts) {
        self.counts.add(counts);
        self.is_weighed = false;
    }

    /// Ends the block if it can end: the next one begins at `now`. Without `weighing` there was no canary to weigh.
    pub(super) fn end_block(&mut self, weighing: Option<&Weighing<'_>>, favour: Favour, ending: Ending, now: i64) {
        if let Some(weighing) = weighing {
            let awaited = self.counts.requests() as f64 * weighing.weight;
            if ending == Ending::OfTick && self.counts.canary == 0 && awaited < LONGEST_WAIT {
                return;
            }
            self.take_gains(weighing, favour);
        }
        let counts = self.counts;
        if counts.requests() > 0 {
            let seconds = (now - self.began).max(1) as f64;
            self.baseline.observe(counts.stable, counts.stable_failed, seconds);
            self.dispersion.observe(&counts);
            self.began = now;
            let (requests, failed) = self.canary_in_step;
            self.canary_in_step = (requests + counts.canary, failed + counts.canary_failed);
        }
        self.counts = Counts::default();
        self.is_weighed = false;
    }

    /// Weighs the present block, as far as it has come. Does nothing while the canary has no part in it.
    pub(super) fn weigh(&mut self, weighing: Option<&Weighing<'_>>) {
        let Some(weighing) = weighing.filter(|_| self.counts.canary > 0) else { return };
        let share = self.share(weighing);
        let spread = 1.0 / self.divisor;
        if self.at_stake > 0.0 {
            self.after = self.against_after(&share, spread);
            self.after_at_stake = total(&self.after);
        }
        if matches!(self.kind, Kind::Errors | Kind::Latency) {
            self.factors = share.in_favour(self.kind, self.cells[0]).factors(&self.counts, spread);
        }
        self.is_weighed = true;
    }

    fn against_after(&self, share: &Share<'_>, spread: f64) -> [[f64; MAX_ALTERNATIVES]; VIEWS] {
        // A pair of fours, of which only the first is needed by most kinds.
        let fours = self.kind.alternatives().div_ceil(FOUR);
        let mut factors = [[1.0; FOUR]; MAX_ALTERNATIVES / FOUR];
        let mut factors_of = None;
        let mut after = [[0.0; MAX_ALTERNATIVES]; VIEWS];
        for (view, part) in self.kind.views().iter().enumerate() {
            if *part == 0.0 {
                continue;
            }
            // In calm times all views see the same: one look for all of them.
            if factors_of != Some(self.cells[view]) {
                factors_of = Some(self.cells[view]);
                let bets = share.against(self.kind, self.cells[view]);
                for (factors, bets) in factors.iter_mut().zip(bets.iter()).take(fours) {
                    *factors = bets.factors(&self.counts, spread);
                }
            }
            let capitals = self.against[view].iter().zip(factors.as_flattened());
            for (after, (capital, factor)) in after[view].iter_mut().zip(capitals) {
                *after = capital * factor;
            }
        }
        after
    }

    /// What the capital on "worse" is worth with the present block, if that was weighed.
    pub(super) fn worth(&self) -> f64 {
        self.joining + if self.is_weighed { self.after_at_stake } else { self.at_stake }
    }

    /// What the capital on "not bad" is worth with the present block, 1 at the step's beginning. Infinite where no canary
    /// could be bad.
    pub(super) fn worth_in_favour(&self, policy: &Policy, favour: Favour) -> f64 {
        if self.kind.cannot_be_bad(policy, middle(self.cells[0])) {
            return f64::INFINITY;
        }
        if favour == Favour::Ignored || !self.is_weighed {
            return self.in_favour.standing();
        }
        self.in_favour.worth(&self.factors)
    }

    /// The steady estimate of stable's rate, before the present block.
    pub(super) fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// The present block, as it is.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    fn take_gains(&mut self, weighing: &Weighing<'_>, favour: Favour) {
        if !self.is_weighed {
            return;
        }
        if self.at_stake > 0.0 {
            (self.against, self.at_stake) = (self.after, self.after_at_stake);
        }
        if favour == Favour::Gathered {
            self.in_favour.take(&self.factors, MOST_IN_FAVOUR / weighing.policy.beta);
        }
    }

    /// What a request is expected to add to the best bet on "worse", at these rates.
    pub(super) fn growth_against(&self, weighing: &Weighing<'_>, stable: f64, canary: f64) -> f64 {
        let share = Share::Drawn(weighing.table);
        let bets = share.against(self.kind, self.cells[0]);
        bets.iter().map(|four| four.growth(weighing.weight, stable, canary)).fold(0.0, f64::max) / self.divisor
    }

    /// What a request is expected to add to the best bet on "not bad", at the rates seen in this step.
    pub(super) fn growth_in_favour(&self, weighing: &Weighing<'_>) -> f64 {
        let stable = middle(self.cells[0]);
        let (requests, failed) = self.canary_in_step;
        let canary = (failed as f64 + 2.0 * stable) / (requests as f64 + 2.0);
        let share = Share::Drawn(weighing.table);
        share.in_favour(self.kind, self.cells[0]).growth(weighing.weight, stable, canary) / self.divisor
    }

    /// The cell of the steady estimate on which the present block's bets rest.
    pub(super) fn cell(&self) -> u8 {
        self.cells[0]
    }

    /// By what the present block's gains are divided.
    pub(super) fn divisor(&self) -> f64 {
        self.divisor
    }

    /// By which share the present block is weighed.
    pub(super) fn share<'a>(&self, weighing: &Weighing<'a>) -> Share<'a> {
        if weighing.trust == Trust::Drawn && is_plausible(&self.counts, weighing.weight) {
            Share::Drawn(weighing.table)
        } else {
            Share::Seen(weighing.policy, seen_share(&self.counts))
        }
    }

    /// Lays the bets of a block that has not begun; leaves the others as they are.
    pub(super) fn lay_bets(&mut self) {
        if self.counts.requests() > 0 {
            return;
        }
        self.cells = [cell(self.baseline.steady()), cell(self.baseline.quick()), cell(OUTAGE_RATE)];
        self.divisor = self.dispersion.divisor();
        if self.joining > 0.0 {
            for (part, capitals) in self.kind.views().iter().zip(&mut self.against) {
                for (index, capital) in capitals.iter_mut().enumerate().take(self.kind.alternatives()) {
                    *capital += self.joining * part * self.kind.prior(index);
                }
            }
            self.joining = 0.0;
            self.at_stake = total(&self.against);
        }
    }
}

fn total(capital: &[[f64; MAX_ALTERNATIVES]; VIEWS]) -> f64 {
    // Lane by lane first: one long chain of sums would be most of the time that a stream takes.
    let mut lanes = [0.0; MAX_ALTERNATIVES];
    for view in capital {
        for (lane, part) in lanes.iter_mut().zip(view) {
            *lane += part;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// What ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The end of a tick: the canary may be waited for.
    OfTick,
    /// The end of a weight: other bets hold from now on.
    OfWeight,
}

/// Whether what is seen now counts for the canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Favour {
    /// It does.
    Gathered,
    /// It does not: the times are not normal.
    Ignored,
}

/// Stable failing at this rate: the view of those who expect an outage in the next tick.
const OUTAGE_RATE: f64 = 0.2;

/// A block is given up when so many canary requests are missing in it: chance alone does that once in 9 million blocks.
const LONGEST_WAIT: f64 = 16.0;

/// What speaks for the canary is kept up to ten times of what is needed: good hours must not outweigh bad minutes.
pub(super) const MOST_IN_FAVOUR: f64 = 10.0;
