//! What one request tells the judge about the version that it was assigned to.
//!
//! Only the first attempt of a request that the split itself assigned is evidence: labels must be random, and a repeat, a
//! tester or a request that fled from a side without endpoints is not. Each exchange is recorded at most once:
//! - a failing status, or a fault of the version, at once;
//! - a good answer at the end of its body, because it may still be cut short, or at the horizon if it lasts longer;
//! - an exchange that is unanswered at the horizon as slow, not as failed: nothing is known of it yet;
//! - a client that goes away before any of these: not at all.

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::snapshot::{Release, ReleaseLive};
use crate::types::Side;

/// An exchange that counts, until it has been counted.
#[derive(Debug)]
pub(super) struct Evidence {
    release: Arc<Release>,
    side: Side,
    worker: usize,
    /// With affinity: the client, by hash.
    client: Option<u64>,
    sent: Duration,
    head: Option<Duration>,
}

/// Whether there is more to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It has been recorded, or will never be.
    Yes,
    /// It is still open.
    No,
}

impl Evidence {
    /// The first attempt is sent to `side` at `now`.
    pub(super) fn new(release: Arc<Release>, side: Side, worker: usize, client: Option<u64>, now: Duration) -> Self {
        Self { release, side, worker, client, sent: now, head: None }
    }

    /// The response head is there at `now`, and says `outcome` so far.
    pub(super) fn answered(&mut self, outcome: Outcome, now: Duration) -> Settled {
        self.head = Some(now.saturating_sub(self.sent));
        match outcome {
            Outcome::Success => Settled::No,
            Outcome::Failure => self.record(Failed::Yes, now),
            Outcome::Ignored => Settled::Yes,
        }
    }

    /// The exchange ended at `now` with `outcome`: at the end of its body, or by a fault.
    pub(super) fn ended(&mut self, outcome: Outcome, now: Duration) -> Settled {
        match outcome {
            Outcome::Success => self.record(Failed::No, now),
            Outcome::Failure => self.record(Failed::Yes, now),
            // Whoever waited until the horizon has told enough, even if it was swept a little later.
            Outcome::Ignored => self.look(now).max(Settled::Yes),
        }
    }

    /// Time has passed: counts the exchange when the horizon is over.
    pub(super) fn look(&mut self, now: Duration) -> Settled {
        if now.saturating_sub(self.sent) < self.release.bounds.horizon() {
            Settled::No
        } else {
            self.record(Failed::No, now)
        }
    }

    fn record(&mut self, failed: Failed, now: Duration) -> Settled {
        let live = &self.release.live;
        let latency = self.head.unwrap_or_else(|| now.saturating_sub(self.sent));
        // Above the last bound, an unanswered exchange falls into the overflow bucket by itself.
        let bucket = self.release.bounds.bucket(latency);
        let failed = failed == Failed::Yes;
        let first_of_client = failed && is_first_failure(live, self.client);
        live.side(self.side).of(self.worker).record(bucket, failed, first_of_client);
        if failed && self.side == Side::Canary {
            live.failed.notify_one();
        }
        Settled::Yes
    }
}

impl Settled {
    fn max(self, other: Self) -> Self {
        if self == Self::Yes { self } else { other }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failed {
    Yes,
    No,
}

/// Whether a failure is its client's first in this rollout. Without affinity every request is a client of its own.
///
/// Once the set is full, further clients are not told apart, and do not count as new: the verdict fell long before.
fn is_first_failure(live: &ReleaseLive, client: Option<u64>) -> bool {
    let Some(client) = client else { return true };
    let mut failed = live.failed_clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.len() < MOST_FAILED_CLIENTS && failed.insert(client)
}

/// Bounds the memory of a rollout that fails everybody: 100,000 hashes are about 2 MB.
const MOST_FAILED_CLIENTS: usize = 100_000;
