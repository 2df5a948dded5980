//! Requests that wait because their backend has no endpoint that takes any.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How many requests wait, and for how long, until an endpoint appears.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Most of them at a time, over all workers; 0: none waits.
    pub requests: usize,
    /// The longest wait; zero: none waits.
    pub time: Duration,
    /// What is counted.
    pub live: Arc<QueueLive>,
}

/// What workers count of a queue. They share it: it is touched while there is no endpoint, and never otherwise.
#[derive(Debug, Default)]
pub struct QueueLive {
    waiting: AtomicUsize,
    ended: [AtomicU64; Ended::ALL.len()],
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// An endpoint appeared.
    Served,
    /// The time was over.
    Expired,
    /// It did not begin: enough others waited.
    Full,
    /// The client left, its route's time was over, or weir was going down.
    GivenUp,
}

impl Ended {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Served, Self::Expired, Self::Full, Self::GivenUp];

    /// The value of the label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Expired => "expired",
            Self::Full => "full",
            Self::GivenUp => "given_up",
        }
    }
}

impl Queue {
    /// Nobody waits.
    pub fn none() -> Self {
        Self { requests: 0, time: Duration::ZERO, live: Arc::default() }
    }

    /// Whether anybody may wait at all.
    pub fn is_on(&self) -> bool {
        self.requests > 0 && !self.time.is_zero()
    }

    /// A place for one request; `None` when all are taken.
    pub fn enter(&self) -> Option<Place> {
        let room = |waiting| (waiting < self.requests).then_some(waiting + 1);
        if self.live.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            self.live.count(Ended::Full);
            return None;
        }
        Some(Place { live: self.live.clone(), ended: Ended::GivenUp })
    }
}

impl QueueLive {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many waits ended so.
    pub fn ended(&self, how: Ended) -> u64 {
        self.ended[how as usize].load(Ordering::Relaxed)
    }

    fn count(&self, how: Ended) {
        self.ended[how as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A request's place, left by dropping it.
#[derive(Debug)]
pub struct Place {
    live: Arc<QueueLive>,
    ended: Ended,
}

impl Place {
    /// The wait is over; without this it was given up.
    pub fn leave(mut self, how: Ended) {
        self.ended = how;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.live.waiting.fetch_sub(1, Ordering::Relaxed);
        self.live.count(self.ended);
    }
}
