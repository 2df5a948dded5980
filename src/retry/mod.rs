//! May this attempt be repeated, where, and is there budget for it. Pure.
//!
//! Sources: RFC 9110 section 9.2.2 (a proxy may repeat requests of idempotent methods, others only when it knows that the first
//! attempt was not applied), RFC 9113 section 8.7 (a refused stream was not processed).

mod budget;

use http::{Method, StatusCode};

use crate::outcome::{Blame, Fault};
use crate::types::{Ratio, Side};

pub use budget::RetryBudget;

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
    /// 1 for the first at its side of a release. An attempt that was followed by [`Decision::AgainFresh`] does not count.
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
    /// Another attempt, on the stable side: there it is the first, so that whoever fell off the canary is as well off as
    /// everybody on stable. Takes stable's budget.
    OnStable,
}

impl RetryPolicy {
    /// The statuses that are repeated unless told otherwise: what says that nobody has handled the request.
    pub const DEFAULT_STATUSES: [StatusCode; 3] =
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];

    /// At most `attempts` in all (at least 1); `statuses` beside faults are repeated; repeats are `budget` of the requests.
    ///
    /// On a canary every status of 500 or above is repeated as well, on stable: its failures are not to reach users.
    pub fn new(attempts: u32, statuses: impl IntoIterator<Item = StatusCode>, budget: Ratio) -> Self {
        Self { attempts: attempts.max(1), statuses: statuses.into_iter().collect(), budget }
    }

    /// Most attempts in all, the first included; at least 1.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The share of requests that may be repeats; for [`RetryBudget::withdraw`].
    pub fn budget(&self) -> Ratio {
        self.budget
    }

    /// What comes after `attempt`. Whether there is budget for it is asked afterwards.
    ///
    /// Never repeated: what has partly reached the client, what is no longer whole, and what the endpoint may have applied
    /// although its method is not idempotent.
    pub fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let is_harmless = attempt.sent == Sent::Nothing || is_idempotent(attempt.method);
        if attempt.ended == Ended::PassedOn || attempt.replay == Replay::Impossible || !is_harmless {
            return Decision::Stop;
        }
        let had_closed = match attempt.ended {
            Ended::Fault(Fault::UpstreamClosed) => true,
            Ended::Fault(Fault::UpstreamReset) => attempt.sent == Sent::Nothing,
            _ => false,
        };
        if attempt.connection == Connection::Reused && had_closed {
            return Decision::AgainFresh;
        }
        if attempt.number >= self.most(attempt.sent) {
            return Decision::Stop;
        }
        match attempt.side {
            Some(Side::Canary) if self.is_canary_failure(attempt.ended) => Decision::OnStable,
            None | Some(Side::Stable) if self.is_repeated(attempt.ended) => Decision::Again,
            None | Some(_) => Decision::Stop,
        }
    }

    /// How many endpoints may be tried for one connection, before anything is sent.
    pub fn connects(&self) -> u32 {
        self.most(Sent::Nothing)
    }

    /// Attempts in all. Who repeats at all goes on for some more while nobody has got the request: several endpoints may be
    /// gone at once, and nothing is lost but time.
    fn most(&self, sent: Sent) -> u32 {
        if sent == Sent::Nothing && self.attempts > 1 { self.attempts.max(CONNECTS) } else { self.attempts }
    }

    /// Whether stable has to answer instead of the canary: for all that is the canary's doing, while there is time.
    fn is_canary_failure(&self, ended: Ended) -> bool {
        match ended {
            Ended::Status(status) => status.is_server_error() || self.statuses.contains(&status),
            Ended::Fault(Fault::RequestTimeout) | Ended::PassedOn => false,
            Ended::Fault(fault) => fault.blame() == Blame::Upstream,
        }
    }

    /// Whether another endpoint of the same backend may do better.
    fn is_repeated(&self, ended: Ended) -> bool {
        match ended {
            Ended::Status(status) => self.statuses.contains(&status),
            Ended::Fault(
                Fault::ConnectRefused
                | Fault::ConnectFailed
                | Fault::ConnectTimeout
                | Fault::TlsFailed
                | Fault::UpstreamClosed
                | Fault::UpstreamReset
                | Fault::UpstreamTruncated
                | Fault::UpstreamProtocol,
            ) => true,
            Ended::Fault(Fault::ResponseTimeout) => self.statuses.contains(&StatusCode::GATEWAY_TIMEOUT),
            // Too many requests, no endpoints and no time are not mended by asking again; the rest is not the backend's.
            Ended::Fault(_) | Ended::PassedOn => false,
        }
    }
}

/// Attempts to reach an endpoint: HAProxy's default, too (`retries 3`).
const CONNECTS: u32 = 4;

/// Whether `method` may be applied twice. TRACE would be one of them; weir does not pass it on.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(method)
}

#[cfg(test)]
mod tests;
