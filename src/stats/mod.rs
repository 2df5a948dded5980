//! Counts of finished exchanges and their latencies: plain ones that add up and subtract, and live ones that workers write.
//!
//! A live count belongs to one worker (see [`PerWorker`]), so the request path increments memory that no other thread writes;
//! readers sum over the workers. Counts only grow: a reader that wants a window subtracts two readings.
//!
//! The order of reads and writes matters here as nowhere else: `tests/loom` tries all that the memory model allows. Other
//! atomics of weir's (weights, health, latencies, budgets) are one word each that says all, and need no order.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
use serde::{Deserialize, Serialize};

/// Most latency bounds a histogram can have; the bucket above the last bound is extra.
pub const MAX_BOUNDS: usize = 31;

/// Buckets of a histogram.
pub const BUCKETS: usize = MAX_BOUNDS + 1;

/// The latency bounds used unless told otherwise, in milliseconds: close enough together that a shift of a third crosses
/// one anywhere between 5 ms and 10 s.
pub const DEFAULT_BOUNDS_MS: [u32; 19] =
    [5, 10, 15, 25, 40, 60, 80, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2500, 5000, 10_000];

/// Upper bounds of latency buckets, rising, at most [`MAX_BOUNDS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Bounds(Vec<u32>);

impl Bounds {
    /// The bounds in milliseconds.
    pub fn as_millis(&self) -> &[u32] {
        &self.0
    }

    /// The bucket that holds `latency`: the first bound that is not exceeded, or the one after the last bound.
    pub fn bucket(&self, latency: Duration) -> usize {
        bucket(&self.0, latency)
    }

    /// The largest bound: an exchange that is unanswered by then is counted as slow there and then.
    pub fn horizon(&self) -> Duration {
        Duration::from_millis(self.0.last().copied().unwrap_or(0).into())
    }
}

/// The place of the first of rising `bounds`, in milliseconds, that `latency` does not exceed, or the one after the last.
pub fn bucket(bounds: &[u32], latency: Duration) -> usize {
    let micros = latency.as_secs().saturating_mul(1_000_000).saturating_add(latency.subsec_micros().into());
    bounds.partition_point(|&bound| u64::from(bound) * 1000 < micros)
}

impl Default for Bounds {
    fn default() -> Self {
        Self(DEFAULT_BOUNDS_MS.to_vec())
    }
}

impl TryFrom<Vec<u32>> for Bounds {
    type Error = String;

    fn try_from(bounds: Vec<u32>) -> Result<Self, String> {
        if bounds.is_empty() || bounds.len() > MAX_BOUNDS {
            return Err(format!("{} latency bounds: 1 to {MAX_BOUNDS} are possible", bounds.len()));
        }
        if bounds[0] == 0 || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("latency bounds must be above 0 and rise".to_owned());
        }
        Ok(Self(bounds))
    }
}

impl From<Bounds> for Vec<u32> {
    fn from(bounds: Bounds) -> Self {
        bounds.0
    }
}

/// What was observed of one version over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges that count: successes and failures.
    pub requests: u64,
    /// The failures among them.
    pub errors: u64,
    /// Clients whose first failure of the rollout is among them; used instead of `errors` with affinity.
    pub err_clients: u64,
    /// Exchanges by latency bucket (not cumulative); see [`Bounds::bucket`]. Sums to `requests` where latency is known.
    pub buckets: [u64; BUCKETS],
}

impl Tally {
    /// What came since `earlier`, an earlier reading of the same counts; never below zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: self.errors.saturating_sub(earlier.errors),
            err_clients: self.err_clients.saturating_sub(earlier.err_clients),
            buckets: std::array::from_fn(|i| self.buckets[i].saturating_sub(earlier.buckets[i])),
        }
    }
}

impl std::ops::AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.err_clients += other.err_clients;
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
    }
}

/// A [`Tally`] that a worker writes and others read.
///
/// A reading is not one instant. An exchange's bucket is written first, then its request, its error and its client's, and they
/// are read the other way round: a reading never shows more failed clients than errors, more errors than requests, nor more
/// requests than the buckets hold.
#[derive(Debug, Default)]
pub struct LiveTally {
    requests: AtomicU64,
    errors: AtomicU64,
    err_clients: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl LiveTally {
    /// Counts one exchange in latency bucket `bucket`.
    pub fn record(&self, bucket: usize, failed: bool, first_of_client: bool) {
        bump(&self.buckets[bucket.min(BUCKETS - 1)]);
        bump(&self.requests);
        if failed {
            bump(&self.errors);
            if first_of_client {
                bump(&self.err_clients);
            }
        }
    }

    /// Counts what was counted elsewhere. For the one thread that writes this tally.
    pub fn add(&self, more: &Tally) {
        let add = |counter: &AtomicU64, more: u64| {
            if more > 0 {
                counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Release);
            }
        };
        self.buckets.iter().zip(&more.buckets).for_each(|(bucket, &more)| add(bucket, more));
        add(&self.requests, more.requests);
        add(&self.errors, more.errors);
        add(&self.err_clients, more.err_clients);
    }

    /// What has been counted so far.
    pub fn read(&self) -> Tally {
        let err_clients = self.err_clients.load(Ordering::Acquire);
        let errors = self.errors.load(Ordering::Acquire);
        let requests = self.requests.load(Ordering::Acquire);
        let buckets = std::array::from_fn(|i| self.buckets[i].load(Ordering::Relaxed));
        Tally { requests, errors, err_clients, buckets }
    }
}

/// Requests and failures that a worker writes and others read: one route of a release.
#[derive(Debug, Default)]
pub struct LiveCount {
    requests: AtomicU64,
    errors: AtomicU64,
}

impl LiveCount {
    /// Counts one exchange.
    pub fn record(&self, failed: bool) {
        bump(&self.requests);
        if failed {
            bump(&self.errors);
        }
    }

    /// Counts what was counted elsewhere. For the one thread that writes this count.
    pub fn add(&self, (requests, errors): (u64, u64)) {
        for (counter, more) in [(&self.requests, requests), (&self.errors, errors)] {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Release);
        }
    }

    /// `(requests, errors)`; never more errors than requests.
    pub fn read(&self) -> (u64, u64) {
        let errors = self.errors.load(Ordering::Acquire);
        (self.requests.load(Ordering::Acquire), errors)
    }
}

impl PerWorker<LiveCount> {
    /// `(requests, errors)` over the workers.
    pub fn read(&self) -> (u64, u64) {
        let counts = self.iter().map(LiveCount::read);
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// One `T` for each worker, each on a cache line of its own.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[CachePadded<T>]>);

impl<T: Default> PerWorker<T> {
    /// A `T` for each of `workers` workers, at least one.
    pub fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| CachePadded::default()).collect())
    }
}

impl<T> PerWorker<T> {
    /// The one of `worker`; a number beyond the last wraps around.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker % self.0.len()]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &**padded)
    }
}

impl PerWorker<LiveTally> {
    /// The sum over the workers.
    pub fn read(&self) -> Tally {
        let mut sum = Tally::default();
        for tally in self.iter() {
            sum += &tally.read();
        }
        sum
    }
}

/// Adds one to a counter that only this thread writes: a load and a store, without a locked instruction.
///
/// `Release`, so that a reader who sees this count sees what was written before it.
pub fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
}

/// What a worker saw of one (listener, route, backend), for metrics: every exchange counts, whatever its outcome.
#[derive(Debug)]
pub struct LiveTraffic {
    /// Finished exchanges by class of status: 1xx to 5xx, then those without a status (the client went away).
    pub classes: [AtomicU64; 6],
    /// Durations by bucket of [`DEFAULT_BOUNDS_MS`] (not cumulative).
    pub durations: [AtomicU64; DEFAULT_BOUNDS_MS.len() + 1],
    /// The sum of the durations in microseconds.
    pub duration_micros: AtomicU64,
    /// Times to the upstream's response head, in the same buckets.
    pub upstream: [AtomicU64; DEFAULT_BOUNDS_MS.len() + 1],
    /// Their sum in microseconds.
    pub upstream_micros: AtomicU64,
    /// Attempts beyond the first.
    pub retries: AtomicU64,
    /// Exchanges begun; less the finished ones: those in flight.
    pub begun: AtomicU64,
}

impl Default for LiveTraffic {
    fn default() -> Self {
        let zeroes = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            classes: std::array::from_fn(|_| AtomicU64::new(0)),
            durations: zeroes(),
            duration_micros: AtomicU64::new(0),
            upstream: zeroes(),
            upstream_micros: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            begun: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_during_a_write_never_shows_a_part_without_its_whole() {
        const WRITES: u64 = 200_000;
        let tally = LiveTally::default();
        std::thread::scope(|threads| {
            threads.spawn(|| (0..WRITES).for_each(|number| tally.record(number as usize % BUCKETS, true, true)));
            loop {
                let read = tally.read();
                let held: u64 = read.buckets.iter().sum();
                assert!(read.err_clients <= read.errors && read.errors <= read.requests, "{read:?}");
                assert!(read.requests <= held, "{read:?}");
                if read.requests == WRITES {
                    break;
                }
            }
        });
    }
}
