//! The geometry of one bet: what one request is worth when a line is to be refuted.
//!
//! Every request carries a label that weir drew: canary with probability `w`. Its chances of failing, `(ts, tc)`, may be
//! anything, and other ones for each request. To refute that `(ts, tc)` lies on the wrong side of a line, choose a point
//! `(as, ac)` on the right side, and the point `(as0, ac0)` of the line that minimises
//! `(1-w) KL(as || as0) + w KL(ac || ac0)`. The likelihood ratio of the two points,
//!
//! ```text
//! S(stable, failed) = as / as0      S(stable, fine) = (1 - as) / (1 - as0)
//! S(canary, failed) = ac / ac0      S(canary, fine) = (1 - ac) / (1 - ac0)
//! ```
//!
//! has an expectation that is linear in `(ts, tc)`, is 1 at the projection, and falls in the direction that leads away from
//! `(as, ac)`; the projection on a convex set being optimal, the expectation is at most 1 everywhere beyond the line. That
//! makes `S` an e-variable, and the growth-optimal one for that alternative (Grünwald, de Heide and Koolen, "Safe testing";
//! Larsson, Ramdas and Ruf, "The numeraire e-variable").

use super::Line;
use super::numeric::exp;

/// Requests and failures of both sides over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests of stable.
    pub(super) stable: u64,
    /// Failures among them.
    pub(super) stable_failed: u64,
    /// Requests of the canary.
    pub(super) canary: u64,
    /// Failures among them.
    pub(super) canary_failed: u64,
}

impl Counts {
    /// Requests of both.
    pub(super) fn requests(&self) -> u64 {
        self.stable + self.canary
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.stable += other.stable;
        self.stable_failed += other.stable_failed;
        self.canary += other.canary;
        self.canary_failed += other.canary_failed;
    }
}

/// The logarithms of `S` for the four outcomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bet {
    stable_failed: f64,
    stable_fine: f64,
    canary_failed: f64,
    canary_fine: f64,
}

impl Bet {
    /// A bet on nothing: `S` is 1 whatever happens.
    pub(super) const NONE: Self = Self { stable_failed: 0.0, stable_fine: 0.0, canary_failed: 0.0, canary_fine: 0.0 };

    /// The bet on `(stable, canary)` against everything on the other side of `line`, at the canary's share `weight`.
    ///
    /// [`Bet::NONE`] where no bet is possible: a point on the line or outside of the unit square, or nobody to compare with.
    pub(super) fn new(weight: f64, line: Line, stable: f64, canary: f64) -> Self {
        let inside = |p: f64| p > 0.0 && p < 1.0;
        if !(inside(weight) && inside(stable) && inside(canary)) || line.at(stable) == canary {
            return Self::NONE;
        }
        let (stable_null, canary_null) = project(weight, line, stable, canary);
        if !(inside(stable_null) && inside(canary_null)) {
            return Self::NONE;
        }
        Self {
            stable_failed: libm::log(stable / stable_null),
            stable_fine: libm::log1p((stable_null - stable) / (1.0 - stable_null)),
            canary_failed: libm::log(canary / canary_null),
            canary_fine: libm::log1p((canary_null - canary) / (1.0 - canary_null)),
        }
    }

    /// The logarithm of the product of `S` over these requests.
    pub(super) fn gain(&self, counts: &Counts) -> f64 {
        let fine = |requests: u64, failed: u64| requests.saturating_sub(failed) as f64;
        (counts.stable_failed as f64 * self.stable_failed
            + fine(counts.stable, counts.stable_failed) * self.stable_fine)
            + (counts.canary_failed as f64 * self.canary_failed
                + fine(counts.canary, counts.canary_failed) * self.canary_fine)
    }

    /// The gain of one request that is expected at these rates.
    pub(super) fn growth(&self, weight: f64, stable: f64, canary: f64) -> f64 {
        (1.0 - weight) * (stable * self.stable_failed + (1.0 - stable) * self.stable_fine)
            + weight * (canary * self.canary_failed + (1.0 - canary) * self.canary_fine)
    }

    /// The expected worth of one request of which the canary gets the share `weight`, at these true rates.
    #[cfg(test)]
    pub(super) fn mean(&self, weight: f64, stable: f64, canary: f64) -> f64 {
        (1.0 - weight) * (stable * self.stable_failed.exp() + (1.0 - stable) * self.stable_fine.exp())
            + weight * (canary * self.canary_failed.exp() + (1.0 - canary) * self.canary_fine.exp())
    }
}

/// Four bets that are weighed together: lanes side by side take a processor little longer than one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Four {
    stable_failed: [f64; FOUR],
    stable_fine: [f64; FOUR],
    canary_failed: [f64; FOUR],
    canary_fine: [f64; FOUR],
}

impl Four {
    /// The bets that `bet` says, by place.
    pub(super) fn from_fn(bet: impl Fn(usize) -> Bet) -> Self {
        let mut four = Self::default();
        for lane in 0..FOUR {
            let bet = bet(lane);
            four.stable_failed[lane] = bet.stable_failed;
            four.stable_fine[lane] = bet.stable_fine;
            four.canary_failed[lane] = bet.canary_failed;
            four.canary_fine[lane] = bet.canary_fine;
        }
        four
    }

    /// By which factors these requests let the capital on each grow, when gains are multiplied by `part`.
    pub(super) fn factors(&self, counts: &Counts, part: f64) -> [f64; FOUR] {
        let fine = |requests: u64, failed: u64| requests.saturating_sub(failed) as f64;
        let (stable_failed, stable_fine) = (counts.stable_failed as f64, fine(counts.stable, counts.stable_failed));
        let (canary_failed, canary_fine) = (counts.canary_failed as f64, fine(counts.canary, counts.canary_failed));
        let mut factors = [0.0; FOUR];
        for (lane, factor) in factors.iter_mut().enumerate() {
            let gain = (stable_failed * self.stable_failed[lane] + stable_fine * self.stable_fine[lane])
                + (canary_failed * self.canary_failed[lane] + canary_fine * self.canary_fine[lane]);
            *factor = exp(gain * part);
        }
        factors
    }

    /// The largest gain of one request that is expected at these rates, and at least 0.
    pub(super) fn growth(&self, weight: f64, stable: f64, canary: f64) -> f64 {
        (0..FOUR).map(|lane| self.bet(lane).growth(weight, stable, canary)).fold(0.0, f64::max)
    }

    fn bet(&self, lane: usize) -> Bet {
        Bet {
            stable_failed: self.stable_failed[lane],
            stable_fine: self.stable_fine[lane],
            canary_failed: self.canary_failed[lane],
            canary_fine: self.canary_fine[lane],
        }
    }
}

/// Bets in a [`Four`].
pub(super) const FOUR: usize = 4;

impl Line {
    /// The canary's rate on this line above stable's rate `stable`.
    pub fn at(self, stable: f64) -> f64 {
        self.times * stable + self.plus
    }
}

/// The point of `line` that is nearest to `(stable, canary)` in the sense of the divergence.
///
/// The derivative of the divergence along the line, times `x(1-x)y(1-y)`, is a cubic with one root between the points of the
/// line straight beside and straight above or below the given one.
fn project(weight: f64, line: Line, stable: f64, canary: f64) -> (f64, f64) {
    if line.times <= 0.0 {
        return (stable, line.plus);
    }
    // The cubic and its derivative.
    let slope = |x: f64| {
        let y = line.at(x);
        let (spread_x, spread_y) = (x * (1.0 - x), y * (1.0 - y));
        let stay = 1.0 - weight;
        let go = weight * line.times;
        let value = stay * (x - stable) * spread_y + go * (y - canary) * spread_x;
        let steepness = stay * (spread_y + (x - stable) * line.times * (1.0 - 2.0 * y))
            + go * (line.times * spread_x + (y - canary) * (1.0 - 2.0 * x));
        (value, steepness)
    };
    let beside = ((canary - line.plus) / line.times).clamp(0.0, 1.0);
    // Where the line leaves the unit square at the bottom or at the top.
    let (least, most) = (-line.plus / line.times, (1.0 - line.plus) / line.times);
    let x =
        root(slope, (stable.min(beside).max(least), stable.max(beside).min(most)), guess(weight, line, stable, canary));
    (x, line.at(x))
}

/// Nearly the same point: where failures are rare, `x(1-x)` is `x`, and the cubic a quadratic.
fn guess(weight: f64, line: Line, stable: f64, canary: f64) -> f64 {
    let (stay, go) = (1.0 - weight, weight * line.times);
    let square = (stay + go) * line.times;
    let linear = stay * (line.plus - stable * line.times) + go * (line.plus - canary);
    let constant = -stay * stable * line.plus;
    let spread = (linear * linear - 4.0 * square * constant).sqrt();
    // The larger root, in the form that takes no difference of like numbers.
    if linear <= 0.0 { (spread - linear) / (2.0 * square) } else { -2.0 * constant / (linear + spread) }
}

/// The root of a function, given with its derivative, that is negative at `low` and positive at `high`: Newton's steps from
/// `guess`, and a bisection where one would lead out of the bracket or hardly narrows it. Only sums, products and quotients:
/// the same bits on every machine.
fn root(f: impl Fn(f64) -> (f64, f64), (mut low, mut high): (f64, f64), guess: f64) -> f64 {
    let mut x = if guess > low && guess < high { guess } else { 0.5 * (low + high) };
    let mut last_step = high - low;
    for _ in 0..MAX_ROUNDS {
        let (value, steepness) = f(x);
        if value < 0.0 {
            low = x;
        } else {
            high = x;
        }
        let newton = x - value / steepness;
        let step = (newton - x).abs();
        // Before the bracket is asked: the last step may be none, and then it does not lead into the bracket either.
        if step <= PRECISION * x {
            return newton;
        }
        let is_good = newton > low && newton < high && step < 0.5 * last_step;
        let next = if is_good { newton } else { 0.5 * (low + high) };
        last_step = (next - x).abs();
        x = next;
        if last_step <= PRECISION * x {
            break;
        }
    }
    x
}

/// An error of the projection moves the expectation of `S` by as small a part of itself.
const PRECISION: f64 = 1e-14;

/// Bisection alone would be at the last bit by then.
const MAX_ROUNDS: usize = 100;

#[cfg(test)]
mod tests;
