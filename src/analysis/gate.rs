//! The gate between two steps: may more users see the canary?
//!
//! The same proof as for promotion, against a wider margin: so wide that, at the next weight, at most [`MOST_HURT`] users are
//! hurt within the time of a reaction. Little traffic, or a small next step, needs little proof; the ramp follows the traffic.

use super::cells::{is_near, middle};
use super::line::Bet;
use super::numeric::exp;
use super::proof::Proof;
use super::stream::{MOST_IN_FAVOUR, Stream, Weighing};
use super::{Line, Policy};

/// Proofs that the canary's error rate is within each of a ladder of margins, since the step began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    rungs: [Proof<1>; RUNGS],
    bets: [Bet; RUNGS],
    laid_for: (u8, f64),
}

impl Default for Gate {
    fn default() -> Self {
        Self { rungs: [Proof::START; RUNGS], bets: [Bet::NONE; RUNGS], laid_for: (0, 0.0) }
    }
}

impl Gate {
    /// Takes in the block of `errors`, which is about to end.
    pub(super) fn take(&mut self, errors: &Stream, weighing: &Weighing<'_>) {
        if errors.counts().canary == 0 {
            return;
        }
        self.lay_bets(errors, weighing);
        for rung in 0..RUNGS {
            let factor = exp(self.gain(rung, errors));
            self.rungs[rung].take(&[factor], MOST_IN_FAVOUR / weighing.policy.beta);
        }
    }

    /// What the proof for the next weight is worth with the present block; 1 at the step's beginning.
    pub(super) fn worth(&mut self, errors: &Stream, weighing: &Weighing<'_>, next: f64, rate: f64) -> f64 {
        let hurt_by_all = rate * next * REACTION_S;
        let margin = if hurt_by_all > 0.0 { MOST_HURT / hurt_by_all } else { f64::INFINITY };
        // The widest rung within the margin; the narrowest, which is that of promotion, is always enough.
        let rung = (1..RUNGS).rev().find(|&rung| line(weighing.policy, rung).plus <= margin).unwrap_or(0);
        if line(weighing.policy, rung).at(middle(errors.cell())) >= 1.0 {
            return f64::INFINITY;
        }
        self.lay_bets(errors, weighing);
        self.rungs[rung].worth(&[exp(self.gain(rung, errors))])
    }

    fn lay_bets(&mut self, errors: &Stream, weighing: &Weighing<'_>) {
        let key = (errors.cell(), errors.share(weighing).fraction());
        // As in the interval: an estimate that wavers between two cells lays no new bets.
        if is_near(self.laid_for.0, key.0) && self.laid_for.1 == key.1 {
            return;
        }
        self.laid_for = key;
        let stable = middle(key.0);
        for (rung, bet) in self.bets.iter_mut().enumerate() {
            let line = line(weighing.policy, rung);
            *bet = if line.at(stable) < 1.0 { Bet::new(key.1, line, stable, stable) } else { Bet::NONE };
        }
    }

    /// The gain of the present block on a rung: 0 where nothing can be told.
    fn gain(&self, rung: usize, errors: &Stream) -> f64 {
        if errors.counts().canary == 0 {
            return 0.0;
        }
        self.bets[rung].gain(errors.counts()) / errors.divisor()
    }
}

/// The line of a rung: the bad line, its additive part doubled with each rung.
fn line(policy: &Policy, rung: usize) -> Line {
    let plus = policy.err_bad.plus.max(LEAST_MARGIN) * (1u32 << rung) as f64;
    Line { times: policy.err_bad.times, plus: plus.min(WIDEST_MARGIN) }
}

/// From half a point, doubling, up to the widest.
const RUNGS: usize = 8;
const LEAST_MARGIN: f64 = 0.001;
const WIDEST_MARGIN: f64 = 0.5;

/// Users that may be hurt at the next weight before it is taken back, and how long that takes.
const MOST_HURT: f64 = 20.0;
const REACTION_S: f64 = 2.0;
