//! What a time series database answers about the last seconds.

use std::collections::VecDeque;

use crate::stats::{Bounds, Tally};

/// The counts of the last seconds of one version.
#[derive(Clone, Debug)]
pub(super) struct Window {
    seconds: VecDeque<Tally>,
    length: usize,
}

impl Window {
    /// The last `length` seconds.
    pub(super) fn new(length: usize) -> Self {
        Self { seconds: VecDeque::with_capacity(length + 1), length }
    }

    /// Another second has passed.
    pub(super) fn push(&mut self, second: &Tally) {
        self.seconds.push_back(*second);
        if self.seconds.len() > self.length {
            self.seconds.pop_front();
        }
    }

    /// The sum of what is in it.
    pub(super) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.seconds.iter().for_each(|second| sum += second);
        sum
    }
}

/// Prometheus' `histogram_quantile` in milliseconds; `None` of nothing.
pub(super) fn quantile(q: f64, tally: &Tally, bounds: &Bounds) -> Option<f64> {
    let all: u64 = tally.buckets.iter().sum();
    if all == 0 {
        return None;
    }
    let rank = q * all as f64;
    let (mut below, mut from) = (0.0, 0.0);
    for (&bound, &count) in bounds.as_millis().iter().zip(&tally.buckets) {
        let (bound, count) = (f64::from(bound), count as f64);
        if below + count >= rank && count > 0.0 {
            return Some(from + (bound - from) * (rank - below) / count);
        }
        (below, from) = (below + count, bound);
    }
    // Above the last bound the last bound is the answer.
    Some(from)
}
