//! What can go wrong before a response head.

use std::error::Error;

use http::Request;

use super::body::RequestBody;
use crate::outcome::Fault;

/// Whether the endpoint may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly not, or it said that it did nothing with it: safe to repeat whatever the method.
    Nothing,
    /// Perhaps, in part or as a whole.
    Maybe,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[error("{}", fault.message())]
pub struct SendError {
    /// What went wrong.
    pub fault: Fault,
    /// Whether the endpoint may have seen the request.
    pub sent: Sent,
    /// Whether it went to a connection that had been used before: then a fresh one may do better.
    pub reused: bool,
    /// The request, whole, when it was not touched. With a body that was begun it cannot be had back.
    pub request: Option<Box<Request<RequestBody>>>,
    /// The cause, for the log.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}
