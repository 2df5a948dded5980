//! May this attempt be repeated, where, and is there budget for it. Pure.
//!
//! Sources: RFC 9110 section 9.2.2 (idempotent methods may be repeated by a proxy; others only when it knows that the first
//! attempt was not applied), RFC 9113 section 8.7 (a refused stream was not processed).

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Method, StatusCode};

use crate::outcome::Fault;
use crate::types::{Ratio, Side};

/// When a failed attempt is repeated. Compiled from a route's `retry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: u32,
    statuses: Box<[StatusCode]>,
    budget: Ratio,
}

/// Whether the endpoint may have seen any of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly nothing: the connection was refused, or the endpoint said that it did not process the request.
    Nothing,
    /// Possibly something.
    Maybe,
}

/// What connection an attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Opened for it; or none at all.
    Fresh,
    /// One from the pool, which the endpoint may have closed meanwhile.
    Reused,
}

/// Whether the request can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It has no body, or the whole body is at hand.
    Possible,
    /// Parts of its body are gone.
    Impossible,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this response head; nothing has been passed on to the client yet.
    Status(StatusCode),
    /// Without a response head.
    Fault(Fault),
    /// Parts of the response have been passed on to the client.
    PassedOn,
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// 1 for the first. An attempt that was followed by [`Decision::AgainFresh`] does not count.
    pub number: u32,
    /// The side of a release that it went to; `None` for a plain backend.
    pub side: Option<Side>,
    /// The request's method.
    pub method: &'a Method,
    /// What the endpoint may have seen.
    pub sent: Sent,
    /// The connection that was used.
    pub connection: Connection,
    /// Whether the request is still whole.
    pub replay: Replay,
    /// How it ended.
    pub ended: Ended,
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the client gets what there is.
    Stop,
    /// Another attempt at the same backend, at another endpoint if there is one. Takes budget.
    Again,
    /// The same once more at the same endpoint, on a new connection: the old one had been closed while it was idle. Neither
    /// an attempt of its own nor a failure of the endpoint; takes no budget, and cannot happen twice in a row.
    AgainFresh,
    /// Another attempt, on the stable side. Takes stable's budget.
    OnStable,
}

impl RetryPolicy {
    /// At most `attempts` in all (at least 1); `statuses` beside faults are repeated; repeats are `budget` of the requests.
    pub fn new(attempts: u32, statuses: impl IntoIterator<Item = StatusCode>, budget: Ratio) -> Self {
        Self { attempts: attempts.max(1), statuses: statuses.into_iter().collect(), budget }
    }

    /// The share of requests that may be repeats; for [`RetryBudget::withdraw`].
    pub fn budget(&self) -> Ratio {
        self.budget
    }

    /// What comes after `attempt`. Whether there is budget for it is asked afterwards.
    pub fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let _ = (attempt, &self.statuses, self.attempts);
        Decision::Stop
    }
}

/// A backend's budget of repeats.
#[derive(Debug, Default)]
pub struct RetryBudget {
    deposits: AtomicU64,
}

impl RetryBudget {
    /// Counts a request: call it once for each first attempt.
    pub fn deposit(&self) {
        self.deposits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Takes one repeat out of the budget; false when there is none left.
    pub fn withdraw(&self, budget: Ratio, now: Duration) -> bool {
        let _ = (budget, now);
        true
    }
}
