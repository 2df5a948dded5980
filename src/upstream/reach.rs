//! A connection for one request: one that is there, or a new one. Nothing is sent on the way to it.

use std::rc::Rc;
use std::time::Duration;

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;

use super::body::{RequestBody, UpstreamBody};
use super::error::SendError;
use super::http2::Tasks;
use super::pool::{Pool, Reuse, Slot, Speaks, Ticket};
use super::timer::Limits;
use super::{http1, http2, wire};
use crate::endpoint::Endpoint;
use crate::outcome::Fault;
use crate::snapshot::Backend;

/// A connection that is ready for a request. Dropped without one, it is closed (HTTP/1), or its stream is free for another.
#[derive(Debug)]
pub struct Ready(Kind);

#[derive(Debug)]
enum Kind {
    Http1(Box<http1::Connection>),
    Http2(http2::Lease),
}

impl Ready {
    /// Sends a request of `head` and `body` and returns the response head, its body still streaming. `backend` and `endpoint`
    /// are those that it leads to.
    ///
    /// The head's URI may be in origin form or absolute; its version and `Host` are adapted to what the endpoint speaks,
    /// and its framing (`Transfer-Encoding`, `Content-Length`) to the body. Other hop-by-hop fields are the caller's business.
    /// A 101 is a response whose body gives the connection by [`UpstreamBody::upgraded`].
    ///
    /// Bounded by the backend's timeouts. Dropping the future closes the connection (HTTP/1) or resets the stream.
    ///
    /// # Errors
    /// See [`SendError`]: what went wrong, whether anything was sent, and the body if nothing was.
    pub async fn send(
        self,
        backend: &Backend,
        endpoint: &Endpoint,
        head: &Parts,
        body: RequestBody,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let limits = Limits { response: backend.response_timeout, idle: backend.idle_timeout };
        match self.0 {
            Kind::Http1(connection) => match wire::with_host(head, &endpoint.authority) {
                Ok(None) => http1::exchange(connection, head, body, limits).await,
                Ok(Some(head)) => Box::pin(http1::exchange(connection, &head, body, limits)).await,
                Err(fault) => Err(SendError { body: Some(body), ..SendError::unsent(fault) }),
            },
            // Rare, and much larger: boxed, so that the common case stays small.
            Kind::Http2(lease) => {
                let scheme = if backend.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                match wire::for_http2(head, &body, &endpoint.authority, scheme) {
                    Ok(head) => Box::pin(http2::exchange(lease, Request::from_parts(head, body), limits)).await,
                    Err(fault) => Err(SendError { body: Some(body), ..SendError::unsent(fault) }),
                }
            }
        }
    }
}

/// The way of one request to an endpoint.
pub(super) struct Way<'a> {
    pub(super) pool: Rc<Pool>,
    pub(super) backend: &'a Backend,
    pub(super) endpoint: &'a Endpoint,
    pub(super) headers: &'a HeaderMap,
    pub(super) reuse: Reuse,
    pub(super) tasks: &'a Tasks,
}

impl Way<'_> {
    /// A connection that is there already.
    pub(super) fn ready(&self) -> Option<Ready> {
        match self.pool.speaks(self.headers) {
            Speaks::Http1 => self.pool.take_live(self.reuse).map(|connection| Ready(Kind::Http1(connection))),
            Speaks::Http2 => self.pool.http2.stream(self.newer_than()).map(|lease| Ready(Kind::Http2(lease))),
            Speaks::Unsettled => None,
        }
    }

    /// A connection, opened or waited for if need be.
    pub(super) async fn reach(&self) -> Result<Ready, SendError> {
        match self.pool.speaks(self.headers) {
            Speaks::Http1 => self.by_http1().await,
            speaks => self.by_http2(speaks).await,
        }
    }

    fn newer_than(&self) -> Option<Duration> {
        (self.reuse == Reuse::FreshOnly).then_some(FRESH)
    }

    async fn by_http1(&self) -> Result<Ready, SendError> {
        loop {
            match self.pool.ticket(self.reuse, self.backend).await.map_err(SendError::unsent)? {
                // Perhaps it was closed while it was handed over.
                Ticket::Used(mut connection) => {
                    if !connection.is_dead() {
                        return Ok(Ready(Kind::Http1(connection)));
                    }
                }
                Ticket::New(slot) => return self.by_new_http1(slot).await,
            }
        }
    }

    async fn by_new_http1(&self, slot: Slot) -> Result<Ready, SendError> {
        let connecting = self.pool.connect(self.endpoint, self.backend.connect_timeout, Speaks::Http1);
        let (stream, _) = connecting.await.map_err(SendError::connect)?;
        Ok(Ready(Kind::Http1(http1::Connection::open(stream, slot))))
    }

    async fn by_http2(&self, mut speaks: Speaks) -> Result<Ready, SendError> {
        let deadline = Instant::now() + self.backend.connect_timeout;
        let mut newer_than = self.newer_than();
        while speaks != Speaks::Http1 {
            if let Some(lease) = self.pool.http2.stream(newer_than) {
                return Ok(Ready(Kind::Http2(lease)));
            }
            let waited = match self.pool.http2.begin_opening() {
                Err(opening) => self.wait(deadline, opening.finished()).await,
                Ok(guard) => match self.pool.slot() {
                    Some(slot) => return self.by_new_http2(guard, slot, speaks).await,
                    None => {
                        drop(guard);
                        if newer_than.take().is_some() {
                            // There is no room for a fresh one, so any has to do.
                            continue;
                        }
                        let room = async {
                            self.pool.http2.room.notified().await;
                            Ok(())
                        };
                        self.wait(deadline, room).await
                    }
                },
            };
            waited.map_err(SendError::unsent)?;
            speaks = self.pool.speaks(self.headers);
        }
        self.by_http1().await
    }

    /// Waits in line for what others do.
    async fn wait(&self, deadline: Instant, event: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        let _waiting = self.pool.wait_in_line(self.backend)?;
        tokio::time::timeout_at(deadline, event).await.unwrap_or(Err(Fault::Overflow))
    }

    async fn by_new_http2(
        &self,
        guard: http2::OpeningGuard<'_>,
        slot: Slot,
        speaks: Speaks,
    ) -> Result<Ready, SendError> {
        match self.pool.connect(self.endpoint, self.backend.connect_timeout, speaks).await {
            Ok((stream, true)) => match http2::Connection::open(stream, slot, self.tasks).await {
                Ok(connection) => Ok(Ready(Kind::Http2(self.pool.http2.adopt(connection)))),
                Err(error) => {
                    Err(SendError { source: Some(Box::new(error)), ..SendError::unsent(Fault::ConnectFailed) })
                }
            },
            Ok((stream, false)) => Ok(Ready(Kind::Http1(http1::Connection::open(stream, slot)))),
            Err(error) => {
                guard.failed(error.fault());
                Err(SendError::connect(error))
            }
        }
    }
}

/// See [`Reuse::FreshOnly`].
const FRESH: Duration = Duration::from_secs(1);
