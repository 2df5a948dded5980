//! What one request tells the judge about the version that it was assigned to.
//!
//! Only the first attempt of a request that the split itself assigned is evidence: labels must be random, and a repeat, a
//! tester or a request that fled from a side without endpoints is not. Each exchange is recorded at most once:
//! - a failing status, or a fault of the version, at once;
//! - a good answer at the end of its body, because it may still be cut short, or at the horizon if it lasts longer;
//! - an exchange that is unanswered at the horizon as slow, not as failed: nothing is known of it yet;
//! - a client that goes away before any of these: not at all.
//!
//! Before the canary's first user its answers to copies are evidence in the same way: see [`super::mirror_first`].

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};

use super::download;
use crate::clock::{Clock, SystemClock};
use crate::failures::{Cause, FailedRequest};
use crate::outcome::{FailurePolicy, Fault, Outcome, Semantics};
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
    exchanged: Exchanged,
    /// With affinity: the client, by hash.
    client: Option<u64>,
    sent: Duration,
    head: Option<Duration>,
}

/// What an exchange is, of those that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchanged {
    /// A user's request, on the side that it was drawn for.
    Request,
    /// A user's request that was not drawn to be copied for the canary. It counts only if a copy could have been made in the
    /// end, too: once the backend has read a body that was small enough to keep.
    Undrawn,
    /// A copy, whose answer nobody gets.
    Copy,
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
    /// What a response head says so far, of a version with these `failures`.
    pub(super) fn of_head(
        failures: &FailurePolicy,
        semantics: Semantics,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Self {
        match (failures.classify_head(status, semantics), download::grpc_status_in_head(semantics, headers)) {
            (Outcome::Success, Some(code)) => Self::of_grpc(failures, code),
            (outcome, _) => Self::of(outcome, Cause::Status(status)),
        }
    }

    /// What the status of a gRPC call says.
    pub(super) fn of_grpc(failures: &FailurePolicy, code: u8) -> Self {
        Self::of(failures.classify_grpc(code), Cause::Grpc(code))
    }

    /// What `fault` says.
    pub(super) fn of_fault(failures: &FailurePolicy, fault: Fault) -> Self {
        Self::of(failures.classify_fault(fault), Cause::Fault(fault))
    }

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
        (side, exchanged): (Side, Exchanged),
        worker: usize,
        client: Option<u64>,
        now: Duration,
    ) -> Self {
        Self { release, route, side, worker, exchanged, client, sent: now, head: None }
    }

    /// Whether it counts only if a copy of the request could have been made.
    pub(super) fn is_of_copyable(&self) -> bool {
        self.exchanged == Exchanged::Undrawn
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
            let saw = if self.exchanged == Exchanged::Copy { " (to a copy: no user saw it)" } else { "" };
            let (time, cause) = (SystemClock.now(), format!("{cause}{saw}"));
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
        if self.exchanged == Exchanged::Copy {
            live.copies.of(self.worker).record(failed);
        }
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
