//! The gate between two steps: may more users see the canary?
//!
//! The same proof as for promotion, against a wider margin: so wide that, at the next weight, at most [`MOST_HURT`] users are
//! hurt within the time of a reaction. Little traffic, or a small next step, needs little proof; the ramp follows the traffic.

use super::cells::middle;
use super::line::Bet;
use super::proof::Proof;
use super::stream::{MOST_IN_FAVOUR, Stream, Weighing};
use super::{Line, Policy};

/// Proofs that the canary's error rate is within each of a ladder of margins, since the step began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    rungs: [Proof<1>; RUNGS],
}

impl Default for Gate {
    fn default() -> Self {
        Self { rungs: [Proof::START; RUNGS] }
    }
}

impl Gate {
    /// Takes in the block of `errors`, which is about to end.
    pub(super) fn take(&mut self, errors: &Stream, weighing: &Weighing<'_>) {
        if errors.counts().canary == 0 {
            return;
        }
        for rung in 0..RUNGS {
            let gain = gain(rung, errors, weighing);
            self.rungs[rung].take(&[gain], MOST_IN_FAVOUR / weighing.policy.beta);
        }
    }

    /// What the proof for the next weight is worth with the present block; 1 at the step's beginning.
    pub(super) fn worth(&self, errors: &Stream, weighing: &Weighing<'_>, next: f64, rate: f64) -> f64 {
        let hurt_by_all = rate * next * REACTION_S;
        let margin = if hurt_by_all > 0.0 { MOST_HURT / hurt_by_all } else { f64::INFINITY };
        // The widest rung within the margin; the narrowest, which is that of promotion, is always enough.
        let rung = (1..RUNGS).rev().find(|&rung| line(weighing.policy, rung).plus <= margin).unwrap_or(0);
        if line(weighing.policy, rung).at(middle(errors.cell())) >= 1.0 {
            return f64::INFINITY;
        }
        self.rungs[rung].worth(&[gain(rung, errors, weighing)])
    }
}

/// The gain of the present block on a rung: 0 where nothing can be told.
fn gain(rung: usize, errors: &Stream, weighing: &Weighing<'_>) -> f64 {
    let stable = middle(errors.cell());
    let line = line(weighing.policy, rung);
    if errors.counts().canary == 0 || line.at(stable) >= 1.0 {
        return 0.0;
    }
    let bet = Bet::new(errors.share(weighing).fraction(), line, stable, stable);
    bet.gain(errors.counts()) / errors.divisor()
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
