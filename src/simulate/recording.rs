//! Recorded traffic, dealt out anew.
//!
//! What is known to be good is what stable did. So its requests of each recorded second, with their failures and latencies,
//! bursts and all, are dealt out by lot to "stable" and "canary", and the canary's then suffer a [`Fault`]. With none, both
//! are the same version on real traffic: whoever aborts there does so by mistake.

use crate::analysis::Tick;
use crate::stats::{BUCKETS, Bounds, Tally};
use crate::types::Ratio;

use super::traffic::{binomial, hypergeometric};

/// Traffic, second by second; from the end it goes on at the beginning.
#[derive(Clone, Debug)]
pub struct Recording {
    bounds: Bounds,
    seconds: Vec<Second>,
}

/// What stable did in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    tally: Tally,
    /// How many requests there were for each that stable got.
    times: f64,
}

/// What is wrong with the canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// So many of its good answers are failures.
    Failing(f64),
    /// Its answers take so many times as long.
    Slower(f64),
}

impl Recording {
    /// The traffic of a trace's ticks; `None` where stable got nothing.
    pub fn of_trace(ticks: &[Tick], bounds: Bounds) -> Option<Self> {
        let seen = || ticks.iter().filter(|tick| tick.stable.requests > 0 && tick.weight < Ratio::ONE);
        let (first, last) = (seen().map(|tick| tick.t).min()?, seen().map(|tick| tick.t).max()?);
        let length = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX).saturating_add(1);
        let mut seconds = vec![Second { times: 1.0, ..Second::default() }; length.min(LONGEST)];
        for tick in seen() {
            let place = usize::try_from(tick.t - first).unwrap_or(usize::MAX);
            if let Some(second) = seconds.get_mut(place) {
                second.tally += &tick.stable;
                second.times = 1.0 / tick.weight.complement().fraction();
            }
        }
        Some(Self { bounds, seconds })
    }

    /// How many seconds it lasts.
    pub fn seconds(&self) -> usize {
        self.seconds.len()
    }

    /// The latency bounds of its counts.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The tick of second `t`, and how many users of the canary were hurt.
    pub fn deal(&self, t: i64, weight: Ratio, fault: Fault, rng: &mut fastrand::Rng) -> (Tick, u64) {
        let place = t.rem_euclid(self.seconds.len() as i64) as usize;
        let all = scaled(&self.seconds[place], rng);
        let share = binomial(all.requests, weight.fraction(), rng);
        let mut canary =
            Tally { requests: share, errors: hypergeometric(all.requests, all.errors, share, rng), ..Tally::default() };
        let (mut left, mut to_deal) = (all.buckets.iter().sum::<u64>(), share);
        for (mine, &there) in canary.buckets.iter_mut().zip(&all.buckets) {
            *mine = hypergeometric(left, there, to_deal.min(left), rng);
            left -= there;
            to_deal -= *mine;
        }
        let stable = all.since(&canary);
        let hurt = self.suffer(&mut canary, fault, rng);
        let mut tick = Tick { t, weight, stable, canary, routes: Vec::new() };
        (tick.stable.err_clients, tick.canary.err_clients) = (tick.stable.errors, tick.canary.errors);
        (tick, hurt)
    }

    fn suffer(&self, canary: &mut Tally, fault: Fault, rng: &mut fastrand::Rng) -> u64 {
        match fault {
            Fault::None => 0,
            Fault::Failing(rate) => {
                let more = binomial(canary.requests - canary.errors, rate, rng);
                canary.errors += more;
                more
            }
            Fault::Slower(times) => {
                let before = canary.buckets;
                canary.buckets = [0; BUCKETS];
                for (bucket, count) in before.into_iter().enumerate() {
                    canary.buckets[self.slower(bucket, times)] += count;
                }
                most_fallen(&before, &canary.buckets)
            }
        }
    }

    /// The bucket of answers that take `times` as long as those at the upper end of `bucket`.
    fn slower(&self, bucket: usize, times: f64) -> usize {
        let bounds = self.bounds.as_millis();
        let Some(&bound) = bounds.get(bucket) else { return bucket };
        bounds.partition_point(|&other| f64::from(other) < f64::from(bound) * times)
    }
}

/// How many requests are above a bound after that were not before, at the bound where that is most.
fn most_fallen(before: &[u64; BUCKETS], after: &[u64; BUCKETS]) -> u64 {
    let mut most = 0;
    let mut fast = (0u64, 0u64);
    for (was, is) in before.iter().zip(after) {
        fast = (fast.0 + was, fast.1 + is);
        most = most.max(fast.0.saturating_sub(fast.1));
    }
    most
}

/// As many requests as both versions got together, like those that stable got.
fn scaled(second: &Second, rng: &mut fastrand::Rng) -> Tally {
    let mut times = |count: u64| {
        let exact = count as f64 * second.times;
        // The part of one is one as often as it says.
        (exact + rng.f64()).floor() as u64
    };
    let tally = &second.tally;
    if second.times <= 1.0 {
        return *tally;
    }
    let buckets = tally.buckets.map(&mut times);
    let latency_is_known = tally.buckets.iter().sum::<u64>() > 0;
    let requests = if latency_is_known { buckets.iter().sum() } else { times(tally.requests) };
    Tally { requests, errors: times(tally.errors).min(requests), err_clients: 0, buckets }
}

/// A day.
const LONGEST: usize = 86_400;

#[cfg(test)]
mod tests;
