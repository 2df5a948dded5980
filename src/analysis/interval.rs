//! How much higher the canary's error rate is than stable's: a confidence sequence, by inverting the test.
//!
//! For each of a grid of differences `d` there are two proofs: that the excess is above `d`, and that it is below. Each lays
//! one bet, on the canary's rate as it was seen so far, whenever that lies on its side. What is proved holds at every look,
//! with 95% confidence for both ends together; at rates that change, it holds for some time of the rollout.

use super::Line;
use super::cells::{cell, is_near, middle};
use super::line::{Bet, Counts};
use super::stream::{Stream, Weighing};

/// The two-sided confidence sequence.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    above: [Claim; GRID.len()],
    below: [Claim; GRID.len()],
    bets: [Bet; GRID.len()],
    laid_for: Option<(u8, u8, f64)>,
    canary: (u64, u64),
}

/// The evidence for one claim, and whether it has ever sufficed.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    log_e: f64,
    is_proved: bool,
}

impl Claim {
    fn take(&mut self, gain: f64) {
        self.log_e += gain;
        self.is_proved |= self.log_e >= LOG_ENOUGH;
    }
}

impl Default for Interval {
    fn default() -> Self {
        let claims = [Claim::default(); GRID.len()];
        Self { above: claims, below: claims, bets: [Bet::NONE; GRID.len()], laid_for: None, canary: (0, 0) }
    }
}

impl Interval {
    /// Takes in the block of `errors`, which is about to end.
    pub(super) fn take(&mut self, errors: &Stream, weighing: &Weighing<'_>) {
        let counts = *errors.counts();
        if counts.canary == 0 {
            return;
        }
        let share = errors.share(weighing).fraction();
        let excess = self.lay_bets(errors.cell(), share);
        for (place, &d) in GRID.iter().enumerate() {
            let gain = self.bets[place].gain(&counts) / errors.divisor();
            if excess > d { self.above[place].take(gain) } else { self.below[place].take(gain) }
        }
        self.see(&counts);
    }

    /// Lays the bets on these rates, and says by how much the canary's is higher. Those that were laid stay while they are at
    /// most a cell off: an estimate that wavers between two cells would have them all computed anew with every tick.
    fn lay_bets(&mut self, stable: u8, share: f64) -> f64 {
        let canary = cell(self.canary_rate(middle(stable)));
        let stays = |laid: &(u8, u8, f64)| is_near(laid.0, stable) && is_near(laid.1, canary) && laid.2 == share;
        let (stable, canary) = match self.laid_for.filter(stays) {
            Some((stable, canary, _)) => (middle(stable), middle(canary)),
            None => {
                self.laid_for = Some((stable, canary, share));
                let (stable, canary) = (middle(stable), middle(canary));
                for (bet, &d) in self.bets.iter_mut().zip(&GRID) {
                    *bet = Bet::new(share, line(d), stable, canary);
                }
                (stable, canary)
            }
        };
        canary - stable
    }

    /// `(lowest, highest)` excess that is not refuted; `None` before either end is known.
    pub(super) fn excess(&self) -> Option<(f64, f64)> {
        let low = GRID.iter().zip(&self.above).rev().find(|(_, claim)| claim.is_proved).map(|(d, _)| *d);
        let high = GRID.iter().zip(&self.below).find(|(_, claim)| claim.is_proved).map(|(d, _)| *d);
        let (low, high) = match (low, high) {
            (None, None) => return None,
            (low, high) => (low.unwrap_or(-1.0), high.unwrap_or(1.0)),
        };
        // At rates that change both "above" and "below" may have been true in their time.
        Some((low.min(high), low.max(high)))
    }

    /// The canary's rate as it was seen, drawn to stable's by two requests' worth.
    pub(super) fn canary_rate(&self, stable: f64) -> f64 {
        (self.canary.1 as f64 + 2.0 * stable) / (self.canary.0 as f64 + 2.0)
    }

    fn see(&mut self, counts: &Counts) {
        self.canary = (self.canary.0 + counts.canary, self.canary.1 + counts.canary_failed);
    }
}

fn line(d: f64) -> Line {
    Line { times: 1.0, plus: d }
}

/// ln(2 / 0.05): each end is wrong in at most 2.5% of the rollouts.
const LOG_ENOUGH: f64 = 3.688_879_454_113_936;

/// The differences, a factor of 1.6 apart: finer than an interval is after a few dozen failures.
const GRID: [f64; 29] = [
    -0.8, -0.5, -0.3, -0.17, -0.1, -0.06, -0.035, -0.02, -0.012, -0.007, -0.004, -0.002, -0.001, -0.0005, 0.0, 0.0005,
    0.001, 0.002, 0.004, 0.007, 0.012, 0.02, 0.035, 0.06, 0.1, 0.17, 0.3, 0.5, 0.8,
];
