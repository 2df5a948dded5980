//! What can go wrong before a response head.

use std::error::Error;

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

/// What an error of HTTP/2 means before the response head; `upload` knows when it was the client's doing.
pub(super) fn head_fault(error: &h2::Error, upload: Option<&Upload>) -> Fault {
    if let Some(fault) = upload.and_then(Upload::fault) {
        return fault;
    }
    match error {
        error if error.is_io() || error.is_go_away() => Fault::UpstreamClosed,
        error if error.is_reset() && error.is_remote() => Fault::UpstreamReset,
        _ => Fault::UpstreamProtocol,
    }
}

/// Whether an HTTP/2 peer says that it did nothing with the request.
pub(super) fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}
