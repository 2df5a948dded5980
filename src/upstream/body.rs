//! Bodies: what goes to an endpoint, and what comes back.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::io::Upgraded;
use crate::outcome::Fault;

/// The body of a request to an endpoint.
pub struct RequestBody {
    kind: Kind,
}

enum Kind {
    Empty,
    Full(Bytes),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>),
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// These bytes; none is like [`RequestBody::empty`].
    pub fn full(bytes: Bytes) -> Self {
        Self { kind: if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) } }
    }

    /// What `body` yields. Its errors end the exchange with their fault.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BodyError> + 'static,
    {
        Self { kind: Kind::Stream(Box::pin(body)) }
    }
}

/// The body of a response: streams as fast as it is read, and no faster.
///
/// Ends with an error where the endpoint's did not end well. Dropped early, it closes the connection or resets the stream.
pub struct UpstreamBody {
    upgraded: Option<Upgraded>,
}

impl UpstreamBody {
    /// The connection of a 101 response, once.
    pub fn upgraded(&mut self) -> Option<Upgraded> {
        self.upgraded.take()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
#[error("{}", fault.message())]
pub struct BodyError {
    /// What went wrong, and so who is to blame.
    pub fault: Fault,
    /// The cause, for the log.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        Self { fault, source: None }
    }
}
