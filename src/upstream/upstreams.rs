//! A worker's connections to all endpoints.

use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};

use super::body::{RequestBody, UpstreamBody};
use super::error::SendError;
use crate::endpoint::Endpoint;
use crate::snapshot::Backend;

/// Which connections a request may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Any that is idle, or a new one: for idempotent requests.
    #[default]
    Any,
    /// A new one, or one that was idle for less than a second: for requests that must not be sent twice.
    Young,
    /// A new one: for the repeat of a request that died on a used one.
    FreshOnly,
}

/// A worker's connections, by endpoint and by everything else that makes a connection different (TLS, protocol).
///
/// Lives on one thread, inside a `LocalSet`; what it drives in the background ends when it is dropped.
pub struct Upstreams {
    worker: usize,
}

impl Upstreams {
    /// No connections yet, for worker number `worker`.
    pub fn new(worker: usize) -> Rc<Self> {
        Rc::new(Self { worker })
    }

    /// Sends `request` to `endpoint` and returns the response head, its body still streaming.
    ///
    /// The request's URI may be in origin form or absolute; its version and `Host` are adapted to what the endpoint
    /// speaks. Hop-by-hop fields are the caller's business, except that `Transfer-Encoding` and a `Content-Length` beside it
    /// are settled here by the body. A 101 is a response whose body gives the connection by [`UpstreamBody::upgraded`].
    ///
    /// Bounded by the backend's timeouts and limits. Dropping the future closes the connection (HTTP/1) or resets the stream.
    ///
    /// # Errors
    /// See [`SendError`]: what went wrong, whether anything was sent, and the request if nothing was.
    pub async fn send(
        self: &Rc<Self>,
        _backend: &Arc<Backend>,
        _endpoint: &Arc<Endpoint>,
        _request: Request<RequestBody>,
        _reuse: Reuse,
    ) -> Result<Response<UpstreamBody>, SendError> {
        std::future::pending().await
    }
}
