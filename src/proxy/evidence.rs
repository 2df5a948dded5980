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

use http::HeaderValue;

use crate::clock::{Clock, SystemClock};
use crate::failures::{Cause, FailedRequest};
use crate::outcome::Outcome;
use crate::snapshot::{Release, RouteLive};
use crate::types::Side;

/// An exchange that counts, until it has been counted.
#[derive(Debug)]
pub(super) struct Evidence {
    release: Arc<Release>,
    /// The route's place among those of the release.
    route: Option<usize>,
    side: Side,
    worker: usize,
    /// With affinity: the client, by hash.
    client: Option<u64>,
    sent: Duration,
    head: Option<Duration>,
}

/// How an exchange went, as far as it went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// Well.
    Good,
    /// By a failure of the version.
    Failed(Cause),
    /// In a way that says nothing of the version.
    Ignored,
}

impl Ending {
    /// With `outcome`, by `cause` if it is a failure.
    pub(super) fn of(outcome: Outcome, cause: Cause) -> Self {
        match outcome {
            Outcome::Success => Self::Good,
            Outcome::Failure => Self::Failed(cause),
            Outcome::Ignored => Self::Ignored,
        }
    }
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
    /// The first attempt, by the release's route at `route`, is sent to `side` at `now`.
    pub(super) fn new(
        release: Arc<Release>,
        route: Option<usize>,
        side: Side,
        worker: usize,
        client: Option<u64>,
        now: Duration,
    ) -> Self {
        Self { release, route, side, worker, client, sent: now, head: None }
    }

    /// The response head of the request `id` is there at `now`: what it says so far.
    pub(super) fn answered(&mut self, so_far: Ending, id: Option<&HeaderValue>, now: Duration) -> Settled {
        self.head = Some(now.saturating_sub(self.sent));
        match so_far {
            Ending::Good => Settled::No,
            Ending::Failed(cause) => self.failed(cause, id, now),
            Ending::Ignored => Settled::Yes,
        }
    }

    /// The exchange of the request `id` ended `now`: at the end of its body, or by a fault. The clock is read where it matters
    /// only: not where a response head has told how long it took.
    pub(super) fn ended(
        &mut self,
        ending: Ending,
        id: Option<&HeaderValue>,
        now: impl FnOnce() -> Duration,
    ) -> Settled {
        match ending {
            Ending::Good => self.record(Failed::No, now),
            Ending::Failed(cause) => self.failed(cause, id, now()),
            // Whoever waited until the horizon has told enough, even if it was swept a little later.
            Ending::Ignored => self.look(now()).max(Settled::Yes),
        }
    }

    /// Time has passed: counts the exchange when the horizon is over.
    pub(super) fn look(&mut self, now: Duration) -> Settled {
        if now.saturating_sub(self.sent) < self.release.bounds.horizon() {
            Settled::No
        } else {
            self.record(Failed::No, || now)
        }
    }

    /// Told before it is counted: who decides because of it finds it told.
    fn failed(&mut self, cause: Cause, id: Option<&HeaderValue>, now: Duration) -> Settled {
        let route = self.route().map(|route| route.name.clone());
        let mut failures = self.release.live.failures(self.worker);
        failures.count(self.side, route.as_ref(), cause);
        if self.side == Side::Canary {
            let id = id.map_or_else(String::new, |id| String::from_utf8_lossy(id.as_bytes()).into_owned());
            let (time, cause) = (SystemClock.now(), cause.to_string());
            failures.sample(FailedRequest { time, id, route, cause });
        }
        drop(failures);
        self.record(Failed::Yes, || now)
    }

    fn route(&self) -> Option<&RouteLive> {
        self.route.and_then(|route| self.release.routes.get(route)).map(|route| &**route)
    }

    fn record(&mut self, failed: Failed, now: impl FnOnce() -> Duration) -> Settled {
        let live = &self.release.live;
        let latency = self.head.unwrap_or_else(|| now().saturating_sub(self.sent));
        // Above the last bound, an unanswered exchange falls into the overflow bucket by itself.
        let bucket = self.release.bounds.bucket(latency);
        let failed = failed == Failed::Yes;
        // Without affinity every request is a client of its own.
        let first_of_client = failed && self.client.is_none_or(|client| live.failed_clients().insert(client));
        live.side(self.side).of(self.worker).record(bucket, failed, first_of_client);
        if let Some(route) = self.route() {
            route.side(self.side).of(self.worker).record(failed);
        }
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
