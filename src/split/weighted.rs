//! An exact split among any number of backends, at random positions.
//!
//! # What is kept
//! Backend `i` has the share `p_i = w_i / W`. After `n` picks it has had `x_i(n)` of them, and always
//! `floor(p_i n) <= x_i(n) <= ceil(p_i n)`: every backend is less than one request away from its quota, at every `n`. That is
//! the quota condition of Balinski and Young (The Quota Method of Apportionment, 1975), known to schedulers as proportionate
//! fairness (Baruah, Cohen, Plaxton and Varvel, Proportionate Progress, Algorithmica 15, 1996).
//!
//! It is the same as: the pick number `j` of backend `i` (from 0) lies in its window, from `floor(j / p_i)` on and before
//! `ceil((j + 1) / p_i)`.
//!
//! # Why a next pick always exists
//! Fixed windows of unit jobs on one machine can be kept from now (`n`) on exactly when for no later `b` more jobs end by `b`
//! than there is time (Hall's condition): `sum max(0, floor(p_i b) - x_i) <= b - n`. At `n = 0` that holds, as `sum p_i = 1`.
//! While it holds, the job with the earliest deadline among those whose window has begun may be picked, and it still holds
//! (EDF is optimal for unit jobs). Some window has always begun: else `x_i >= ceil(p_i (n + 1))` for all `i`, and the sum
//! over `i` gives `n >= n + 1`.
//!
//! # Why there is choice, and how it is used
//! EDF alone is a fixed rhythm. With `n' = n + 1` and the `x_i` after a pick, `b - n'` is the sum of `p_i b - x_i`, so Hall's
//! condition says that the sum of `(p_i b - x_i) - max(0, floor(p_i b) - x_i)` is not negative. A backend that is not ahead of
//! its quota at `b` adds the fraction of `p_i b`, at least 0. Those ahead take away their leads `x_i - p_i b`, which only shrink
//! as `b` grows. The sum is an integer, so it is enough that the leads at `n' + 1` together are below 1 (and that nobody's
//! deadline has passed at `n'`). Every pick that leaves it like that is safe.
//!
//! So: who must run now, runs. Otherwise one of the safe ones is drawn, by its hazard: the probability with which it has to run
//! now so that every single request is its with probability `p_i` (see [`View::hazard`]). The heaviest backend gets its
//! hazard, the others share what is left in proportion to theirs. Should none be safe by the short test, EDF decides.
//! With two backends that makes every request each one's with exactly its share, whatever rhythm the traffic has. With more it
//! is close where one is as heavy as all others together; else the chance at a fixed place of the period (`W` picks) can be
//! half as large again as the share or half as small, with the average over all places exact. Only traffic with the very
//! rhythm of the period would notice. Canaries are judged on [`super::SharePhase`], which has no such remainder.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::stats::bump;
use crate::types::Weight;

/// One worker's place in a split among many. Written by that worker alone, and for one [`WeightedSplit`] only.
#[derive(Debug, Default)]
pub struct SplitPhase {
    /// Picks in the present period of `total` picks, after which everybody has had exactly its weight.
    picks: AtomicU64,
    /// How many of them each backend with a weight has had.
    had: OnceLock<Box<[AtomicU64]>>,
}

/// A split by weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedSplit {
    /// Those that have a weight.
    shares: Box<[Share]>,
    /// The place of the largest weight among them.
    heaviest: usize,
    /// The sum of the weights.
    total: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Share {
    /// The place in the list that the split was made of.
    index: usize,
    weight: u64,
}

impl WeightedSplit {
    /// A split by `weights`; `None` when nobody has any.
    pub fn new(weights: &[Weight]) -> Option<Self> {
        let all = weights.iter().enumerate().map(|(index, weight)| Share { index, weight: weight.value().into() });
        let shares: Box<[Share]> = all.filter(|share| share.weight > 0).collect();
        let total = shares.iter().map(|share| share.weight).sum();
        let (heaviest, _) = shares.iter().enumerate().max_by_key(|(_, share)| share.weight)?;
        Some(Self { shares, heaviest, total })
    }

    /// The index of the backend that takes the next request.
    ///
    /// After any number of picks with one phase each backend has had its share of them, give or take less than one. Weight 0
    /// is never picked. A phase that has served another split before gives no such promise.
    pub fn pick(&self, phase: &SplitPhase, rng: &mut fastrand::Rng) -> usize {
        if let [only] = &*self.shares {
            return only.index;
        }
        let had = phase.had.get_or_init(|| self.shares.iter().map(|_| AtomicU64::new(0)).collect());
        let view = View { split: self, had, now: phase.picks.load(Relaxed) };
        let chosen = view.overdue().or_else(|| view.draw(rng)).unwrap_or_else(|| view.first_deadline());
        bump(&had[chosen]);
        if view.now + 1 < self.total {
            bump(&phase.picks);
        } else {
            phase.picks.store(0, Relaxed);
            had.iter().for_each(|had| had.store(0, Relaxed));
        }
        self.shares[chosen].index
    }

    /// The index of one that can take a request which the one picked cannot: at random among those that `can`, by weight.
    /// `None` when nobody with a weight can. Phases know nothing of it, so that everybody's own share stays exact.
    pub fn stand_in(&self, can: impl Fn(usize) -> bool, rng: &mut fastrand::Rng) -> Option<usize> {
        let able = || self.shares.iter().filter(|share| can(share.index));
        let total: u64 = able().map(|share| share.weight).sum();
        let mut left = if total > 0 { rng.u64(..total) } else { 0 };
        able().find(|share| left.checked_sub(share.weight).map(|rest| left = rest).is_none()).map(|share| share.index)
    }
}

/// A moment of a split: what each backend has had before pick number `now` of the period.
///
/// Products stay far below 2^64: weights are at most 10^6, and their sum is that times the number of backends.
struct View<'a> {
    split: &'a WeightedSplit,
    had: &'a [AtomicU64],
    now: u64,
}

/// One backend in it.
#[derive(Clone, Copy)]
struct Place {
    place: usize,
    weight: u64,
    had: u64,
}

impl View<'_> {
    /// The backends.
    fn iter(&self) -> impl Iterator<Item = Place> {
        let pairs = self.split.shares.iter().zip(self.had).enumerate();
        pairs.map(|(place, (share, had))| Place { place, weight: share.weight, had: had.load(Relaxed) })
    }

    /// Those whose window has begun.
    fn open(&self) -> impl Iterator<Item = Place> {
        self.iter().filter(|it| it.had < (it.weight * (self.now + 1)).div_ceil(self.split.total))
    }

    /// The one whose window ends with this pick. There is at most one.
    fn overdue(&self) -> Option<usize> {
        self.iter().find(|it| it.had < it.weight * (self.now + 1) / self.split.total).map(|it| it.place)
    }

    /// One of those whose pick leaves leads below one in all, by their hazards.
    fn draw(&self, rng: &mut fastrand::Rng) -> Option<usize> {
        let leads: u64 = self.iter().map(|it| self.lead(it.weight, it.had)).sum();
        let is_safe =
            |it: &Place| leads - self.lead(it.weight, it.had) + self.lead(it.weight, it.had + 1) < self.split.total;
        let safe = || self.open().filter(is_safe);
        let heaviest = self.split.heaviest;
        if safe().find(|it| it.place == heaviest).is_some_and(|it| rng.f64() < self.hazard(it)) {
            return Some(heaviest);
        }
        let others = || safe().filter(|it| it.place != heaviest);
        let mut rest = rng.f64() * others().map(|it| self.hazard(it)).sum::<f64>();
        let mut last = None;
        for it in others() {
            last = Some(it.place);
            rest -= self.hazard(it);
            if rest < 0.0 {
                break;
            }
        }
        last
    }

    /// The probability with which an open backend that is not overdue has to take this pick so that all picks together are
    /// its with probability `p` each.
    ///
    /// With `f` the fraction of `p n`, it must be ahead of its quota with probability `f`. When the quota stays below the next
    /// integer, only a backend that is not ahead is open, and `(1 - f) h = p`. When the quota passes it, who was not ahead is
    /// overdue (probability `1 - f`), who was is open, and `(1 - f) + f h = p`.
    fn hazard(&self, it: Place) -> f64 {
        let (total, fraction) = (self.split.total, it.weight * self.now % self.split.total);
        if fraction + it.weight < total {
            it.weight as f64 / (total - fraction) as f64
        } else {
            (fraction + it.weight - total) as f64 / fraction as f64
        }
    }

    /// Among all whose window has begun: the one whose window ends first.
    fn first_deadline(&self) -> usize {
        let ends = self.open().map(|it| (((it.had + 1) * self.split.total).div_ceil(it.weight), it.place));
        // That no window is open is impossible, see the module; the first backend then is as good as any.
        ends.min().map_or(0, |(_, place)| place)
    }

    /// How far `had` picks are ahead of the quota one pick after this one, in parts of the total.
    fn lead(&self, weight: u64, had: u64) -> u64 {
        (had * self.split.total).saturating_sub(weight * (self.now + 2))
    }
}

#[cfg(test)]
mod tests;
