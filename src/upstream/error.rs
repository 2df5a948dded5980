//! What can go wrong before a response head.

use std::error::Error;
use std::io;

use super::body::{RequestBody, Upload};
use super::connect::ConnectError;
use crate::outcome::Fault;
use crate::retry::Sent;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct SendError {
    /// What went wrong.
    pub fault: Fault,
    /// Whether the endpoint may have seen the request.
    pub sent: Sent,
    /// Whether a connection that had been used before died under it without a byte of an answer: a fresh one may do better.
    pub reused: bool,
    /// The body, as good as new, when nothing of it was taken. One that was begun cannot be had back.
    pub body: Option<RequestBody>,
    /// The cause, for the log.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SendError {
    /// `fault` came before anything was sent.
    pub fn unsent(fault: Fault) -> Self {
        Self { fault, sent: Sent::Nothing, reused: false, body: None, source: None }
    }

    /// There is no connection.
    pub(super) fn connect(error: ConnectError) -> Self {
        let fault = error.fault();
        Self { source: Some(Box::new(error)), ..Self::unsent(fault) }
    }

    /// `fault` came when the request was on its way.
    pub fn sent(fault: Fault) -> Self {
        Self { fault, sent: Sent::Maybe, reused: false, body: None, source: None }
    }
}

/// What an error of hyper's means before the response head; `upload` knows when it was the client's doing.
pub(super) fn head_fault(error: &hyper::Error, upload: Option<&Upload>) -> Fault {
    if let Some(fault) = upload.and_then(Upload::fault) {
        return fault;
    }
    if let Some(error) = cause::<h2::Error>(error) {
        return match error {
            error if error.is_io() || error.is_go_away() => Fault::UpstreamClosed,
            error if error.is_reset() && error.is_remote() => Fault::UpstreamReset,
            _ => Fault::UpstreamProtocol,
        };
    }
    if error.is_parse() || is_malformed(error) { Fault::UpstreamProtocol } else { Fault::UpstreamClosed }
}

/// What an error of hyper's means in the middle of a response body.
pub(super) fn body_fault(error: &hyper::Error, upload: Option<&Upload>) -> Fault {
    if let Some(fault) = upload.and_then(Upload::fault) {
        return fault;
    }
    if error.is_parse() || is_malformed(error) { Fault::UpstreamProtocol } else { Fault::UpstreamTruncated }
}

/// Whether an HTTP/2 peer says that it did nothing with the request.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    cause::<h2::Error>(error).is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// Whether reading was stopped by what was read: chunks that are none, a head without end.
fn is_malformed(error: &hyper::Error) -> bool {
    let kind = cause::<io::Error>(error).map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}

/// The first `E` among the causes of `error`.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
