//! The only definition of "failed": everything that can go wrong with an exchange, and how a finished exchange counts. Pure.
//!
//! [`Fault`] is the one table from an error to its status, its flag in the access log, its text and whom it is blamed on.
//! [`FailurePolicy`] is the one place that says whether an exchange counts against a release. Nothing else compares statuses.

use std::fmt;
use std::ops::RangeInclusive;

use http::StatusCode;

/// How a finished exchange counts for the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A good answer.
    Success,
    /// The version's failure.
    Failure,
    /// Says nothing about the version: the client went away, or broke the rules.
    Ignored,
}

/// At whose door a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The client sent something wrong, or went away.
    Client,
    /// The backend did not answer as it should.
    Upstream,
    /// weir, its configuration or its limits.
    Weir,
}

/// Everything that can go wrong with an exchange. A closed list: status, flag, text and blame derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is malformed.
    BadRequest,
    /// The request's path cannot be matched safely (see [`crate::route::PathError`]).
    BadPath,
    /// A method that weir does not pass on: TRACE, CONNECT. The answer must carry `Allow`.
    MethodRefused,
    /// The request's fields exceed the limits.
    HeadersTooLarge,
    /// The request's target exceeds the limits.
    TargetTooLong,
    /// The request's body exceeds the limit.
    BodyTooLarge,
    /// The client did not send its request in time, or stopped in the middle of its body.
    ClientTimeout,
    /// The client went away before the end of the exchange.
    ClientGone,
    /// The host belongs to another listener than the one whose TLS was spoken.
    Misdirected,
    /// No route matches.
    NoRoute,
    /// No backend of the route has a weight.
    NoBackend,
    /// The backend stands for a target that does not exist.
    Unresolved,
    /// The backend has no endpoint that takes requests.
    NoEndpoint,
    /// The backend's limits on connections and waiting requests are reached.
    Overflow,
    /// The endpoint refused the connection.
    ConnectRefused,
    /// The endpoint cannot be reached: no route, reset while connecting, out of ports.
    ConnectFailed,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The TLS handshake with the endpoint failed, or its certificate is not trusted.
    TlsFailed,
    /// The response head did not come in time.
    ResponseTimeout,
    /// The route's time for the whole exchange is over.
    RequestTimeout,
    /// The response body stood still for too long.
    UpstreamIdle,
    /// The connection ended before the response head.
    UpstreamClosed,
    /// The endpoint reset the exchange before the response head.
    UpstreamReset,
    /// The response ended in the middle of its body.
    UpstreamTruncated,
    /// The endpoint broke the protocol: a malformed or oversized head.
    UpstreamProtocol,
    /// The endpoint switched to a protocol that was not asked for.
    BadUpgrade,
    /// weir is going down, and the time to drain is over.
    Draining,
    /// A defect of weir.
    Internal,
}

/// What the table says of one fault.
struct Row {
    status: u16,
    flag: &'static str,
    blame: Blame,
    message: &'static str,
}

impl Fault {
    /// All of them, for tests and for series that are created ahead.
    pub const ALL: [Self; 28] = [
        Self::BadRequest,
        Self::BadPath,
        Self::MethodRefused,
        Self::HeadersTooLarge,
        Self::TargetTooLong,
        Self::BodyTooLarge,
        Self::ClientTimeout,
        Self::ClientGone,
        Self::Misdirected,
        Self::NoRoute,
        Self::NoBackend,
        Self::Unresolved,
        Self::NoEndpoint,
        Self::Overflow,
        Self::ConnectRefused,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::ResponseTimeout,
        Self::RequestTimeout,
        Self::UpstreamIdle,
        Self::UpstreamClosed,
        Self::UpstreamReset,
        Self::UpstreamTruncated,
        Self::UpstreamProtocol,
        Self::BadUpgrade,
        Self::Draining,
        Self::Internal,
    ];

    /// The status that the client gets while the response head has not been sent, and that is logged in any case.
    ///
    /// [`Fault::ClientGone`] is logged as 499, as nginx does; nobody is there to get it.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The short flag in the access log: [Envoy's response flags] where the meaning is the same, `WE` for a defect of weir.
    ///
    /// [Envoy's response flags]: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
    pub const fn flag(self) -> &'static str {
        self.row().flag
    }

    /// One line for the client and the log. Names no backend and no address: it leaves the house.
    pub const fn message(self) -> &'static str {
        self.row().message
    }

    /// Whom it is blamed on.
    pub const fn blame(self) -> Blame {
        self.row().blame
    }

    /// After how many seconds it makes sense to ask again, where that alone may help.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::NoEndpoint | Self::Overflow => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The table.
    const fn row(self) -> Row {
        use Blame::{Client, Upstream, Weir};
        const fn row(status: u16, flag: &'static str, blame: Blame, message: &'static str) -> Row {
            Row { status, flag, blame, message }
        }
        match self {
            Self::BadRequest => row(400, "DPE", Client, "malformed request"),
            Self::BadPath => row(400, "DPE", Client, "ambiguous request path"),
            Self::MethodRefused => row(405, "DPE", Client, "method not allowed"),
            Self::HeadersTooLarge => row(431, "DPE", Client, "request header fields too large"),
            Self::TargetTooLong => row(414, "DPE", Client, "request target too long"),
            Self::BodyTooLarge => row(413, "DPE", Client, "request body too large"),
            Self::ClientTimeout => row(408, "SI", Client, "request not received in time"),
            Self::ClientGone => row(499, "DC", Client, "client closed the connection"),
            Self::Misdirected => row(421, "NR", Client, "the connection was made for another host"),
            Self::NoRoute => row(404, "NR", Client, "no route matches"),
            Self::NoBackend => row(500, "NC", Weir, "no backend of this route has a weight"),
            Self::Unresolved => row(500, "NC", Weir, "the backend of this route does not exist"),
            Self::NoEndpoint => row(503, "UH", Upstream, "no healthy endpoint"),
            Self::Overflow => row(503, "UO", Upstream, "too many requests wait for the backend"),
            Self::ConnectRefused => row(502, "UF", Upstream, "backend refused the connection"),
            Self::ConnectFailed => row(502, "UF", Upstream, "backend cannot be reached"),
            Self::ConnectTimeout => row(504, "UF", Upstream, "connection to the backend not established in time"),
            Self::TlsFailed => row(502, "UF", Upstream, "TLS handshake with the backend failed"),
            Self::ResponseTimeout => row(504, "UT", Upstream, "backend did not answer in time"),
            Self::RequestTimeout => row(504, "DT", Upstream, "request not finished in time"),
            Self::UpstreamIdle => row(504, "SI", Upstream, "backend stopped in the middle of its response"),
            Self::UpstreamClosed => row(502, "UC", Upstream, "backend closed the connection without an answer"),
            Self::UpstreamReset => row(502, "UR", Upstream, "backend reset the request"),
            Self::UpstreamTruncated => row(502, "UC", Upstream, "response of the backend ended early"),
            Self::UpstreamProtocol => row(502, "UPE", Upstream, "malformed response of the backend"),
            Self::BadUpgrade => row(502, "UPE", Upstream, "backend switched protocols unasked"),
            Self::Draining => row(503, "LR", Weir, "shutting down"),
            Self::Internal => row(500, "WE", Weir, "internal error"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Fault {}

/// How a response says what became of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// By its status.
    Http,
    /// gRPC: by `grpc-status`, in the trailers or (without a body) in the head.
    Grpc,
}

/// What a release counts as a failure. Compiled from `analysis.failures`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePolicy {
    statuses: Box<[RangeInclusive<u16>]>,
    /// Bit n: gRPC status n fails.
    grpc: u32,
}

impl FailurePolicy {
    /// 500 to 599.
    pub const DEFAULT_STATUSES: RangeInclusive<u16> = 500..=599;
    /// Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss: the codes that gRPC's own status
    /// document gives to faults of the server rather than of the caller.
    pub const DEFAULT_GRPC: [u8; 6] = [2, 4, 12, 13, 14, 15];

    /// Fails on HTTP statuses in any of `statuses`, and on the gRPC statuses `grpc` (0 to 16; others are never looked up).
    pub fn new(statuses: impl IntoIterator<Item = RangeInclusive<u16>>, grpc: impl IntoIterator<Item = u8>) -> Self {
        let grpc = grpc.into_iter().filter(|&code| code <= MAX_GRPC).fold(0, |bits, code| bits | 1 << code);
        Self { statuses: statuses.into_iter().collect(), grpc }
    }

    /// What the response head settles. A [`Outcome::Failure`] is final; a success is one so far: the body may still be cut
    /// short ([`FailurePolicy::classify_fault`]), and gRPC's trailers speak last ([`FailurePolicy::classify_grpc`]).
    ///
    /// A gRPC response with a status other than 200 never reaches the caller as such: its library turns the status into a
    /// gRPC one, so that one counts as well, by the table of gRPC's "HTTP to gRPC status code mapping".
    pub fn classify_head(&self, status: StatusCode, semantics: Semantics) -> Outcome {
        let listed = self.statuses.iter().any(|range| range.contains(&status.as_u16()));
        if listed {
            return Outcome::Failure;
        }
        match semantics {
            Semantics::Grpc if status != StatusCode::OK => self.classify_grpc(grpc_of(status)),
            Semantics::Grpc | Semantics::Http => Outcome::Success,
        }
    }

    /// How a call with `grpc-status: code` counts. A code that gRPC does not know counts as 2, unknown, as its libraries
    /// treat it. A response that ends without `grpc-status` is 2 as well: pass that.
    pub fn classify_grpc(&self, code: u8) -> Outcome {
        let code = if code <= MAX_GRPC { code } else { GRPC_UNKNOWN };
        if self.grpc & (1 << code) == 0 { Outcome::Success } else { Outcome::Failure }
    }

    /// How an exchange that ended by `fault` counts: what never became a whole response is a failure of the version,
    /// unless the client or weir itself is to blame.
    pub fn classify_fault(&self, fault: Fault) -> Outcome {
        match fault.blame() {
            Blame::Upstream => Outcome::Failure,
            Blame::Client | Blame::Weir => Outcome::Ignored,
        }
    }
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self::new([Self::DEFAULT_STATUSES], Self::DEFAULT_GRPC)
    }
}

/// What gRPC libraries make of a response that is not 200 and has no `grpc-status`
/// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
fn grpc_of(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => GRPC_UNKNOWN,
    }
}

/// Soon enough for who waits, and seldom enough for what is just starting.
const RETRY_AFTER: u32 = 5;

/// The largest status of gRPC, unauthenticated.
const MAX_GRPC: u8 = 16;

/// gRPC's status for what has no other.
const GRPC_UNKNOWN: u8 = 2;

#[cfg(test)]
mod tests;
