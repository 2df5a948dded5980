//! A worker's connections to all endpoints.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use tokio::task::coop::unconstrained;

use super::body::{RequestBody, UpstreamBody};
use super::error::SendError;
use super::http2::Tasks;
use super::pool::{Pool, Reuse, Slot, Speaks, Ticket};
use super::timer::Limits;
use super::{http1, http2, wire};
use crate::endpoint::Endpoint;
use crate::outcome::Fault;
use crate::snapshot::Backend;
use crate::types::Name;

/// A worker's connections, by endpoint and by everything else that makes a connection different (TLS, protocol).
///
/// Lives on one thread, inside a `LocalSet`; what it drives in the background ends when it is dropped.
pub struct Upstreams {
    this: Weak<Self>,
    worker: usize,
    /// By endpoint; more than one after a reload that changed TLS or protocol.
    pools: RefCell<HashMap<u64, Vec<Rc<Pool>>>>,
    /// Requests that wait for a connection, by backend.
    waiting: RefCell<HashMap<Name, Rc<Cell<usize>>>>,
    tasks: Tasks,
}

impl Upstreams {
    /// No connections yet, for worker number `worker`.
    pub fn new(worker: usize) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: this.clone(),
            worker,
            pools: RefCell::default(),
            waiting: RefCell::default(),
            tasks: Tasks::default(),
        })
    }

    /// Sends `request` to `endpoint` and returns the response head, its body still streaming.
    ///
    /// The request's URI may be in origin form or absolute; its version and `Host` are adapted to what the endpoint speaks,
    /// and its framing (`Transfer-Encoding`, `Content-Length`) to its body. Other hop-by-hop fields are the caller's business.
    /// A 101 is a response whose body gives the connection by [`UpstreamBody::upgraded`].
    ///
    /// Bounded by the backend's timeouts and limits. A used connection that proves closed before anything was sent is passed
    /// over; nothing is ever sent twice. Dropping the future closes the connection (HTTP/1) or resets the stream.
    ///
    /// # Errors
    /// See [`SendError`]: what went wrong, whether anything was sent, and the request if nothing was.
    pub async fn send(
        &self,
        backend: &Arc<Backend>,
        endpoint: &Arc<Endpoint>,
        request: Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let pool = self.pool(backend, endpoint);
        let trip = Trip { pool, backend, endpoint, reuse, tasks: &self.tasks };
        match trip.pool.speaks(request.headers()) {
            Speaks::Http1 => trip.by_http1(request).await,
            // Rare, and much larger: boxed, so that the common case stays small.
            speaks => Box::pin(trip.by_http2(request, speaks)).await,
        }
    }

    fn pool(&self, backend: &Backend, endpoint: &Endpoint) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if pools.is_empty() {
            self.tasks.spawn(reap(self.this.clone()));
        }
        let pools = pools.entry(endpoint.id).or_default();
        if let Some(pool) = pools.iter().find(|pool| pool.fits(backend)) {
            pool.limit(backend);
            return pool.clone();
        }
        let waiting = self.waiting.borrow_mut().entry(backend.name.clone()).or_default().clone();
        let pool = Pool::new(backend, waiting);
        pools.push(pool.clone());
        pool
    }

    /// Closes idle connections whose time is over, and forgets pools without connections. Returns whether any pool is left.
    fn tidy(&self) -> bool {
        let pools: Vec<Rc<Pool>> = self.pools.borrow().values().flatten().cloned().collect();
        for pool in &pools {
            pool.reap();
        }
        drop(pools);
        let mut left = self.pools.borrow_mut();
        left.retain(|_, pools| {
            pools.retain(|pool| !pool.is_unused() || Rc::strong_count(pool) > 1);
            !pools.is_empty()
        });
        self.waiting.borrow_mut().retain(|_, waiting| Rc::strong_count(waiting) > 1);
        !left.is_empty()
    }

    /// How many connections to `endpoint` are open, and how many of them are idle (HTTP/1).
    #[cfg(test)]
    pub(super) fn counts(&self, endpoint: &Endpoint) -> (usize, usize) {
        let pools = self.pools.borrow();
        let counts = pools.get(&endpoint.id).into_iter().flatten().map(|pool| pool.counts());
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.pools.borrow().len();
        f.debug_struct("Upstreams").field("worker", &self.worker).field("endpoints", &endpoints).finish_non_exhaustive()
    }
}

/// Looks after idle connections, for as long as there are any.
async fn reap(upstreams: Weak<Upstreams>) {
    loop {
        tokio::time::sleep(REAP_INTERVAL).await;
        // Each connection is looked at, however many there are.
        let look = async { upstreams.upgrade().is_some_and(|upstreams| upstreams.tidy()) };
        if !unconstrained(look).await {
            return;
        }
    }
}

/// One request on its way to an endpoint.
struct Trip<'a> {
    pool: Rc<Pool>,
    backend: &'a Backend,
    endpoint: &'a Endpoint,
    reuse: Reuse,
    tasks: &'a Tasks,
}

impl Trip<'_> {
    fn limits(&self) -> Limits {
        Limits { response: self.backend.response_timeout, idle: self.backend.idle_timeout }
    }

    async fn by_http1(&self, mut request: Request<RequestBody>) -> Result<Response<UpstreamBody>, SendError> {
        if let Err(fault) = wire::for_http1(&mut request, &self.endpoint.authority) {
            return Err(SendError::unsent(fault, request));
        }
        loop {
            let connection = match self.pool.ticket(self.reuse, self.backend).await {
                Ok(Ticket::Used(connection)) => connection,
                Ok(Ticket::New(slot)) => return self.by_new_http1(slot, request).await,
                Err(fault) => return Err(SendError::unsent(fault, request)),
            };
            match http1::exchange(connection, request, self.limits()).await {
                // It had been closed while it was idle, and nothing was sent: the next one.
                Err(SendError { request: Some(unsent), fault: Fault::UpstreamClosed, .. }) => request = *unsent,
                result => return result,
            }
        }
    }

    async fn by_new_http1(
        &self,
        slot: Slot,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let connecting = self.pool.connect(self.endpoint, self.backend.connect_timeout, Speaks::Http1);
        match Box::pin(connecting).await {
            Ok((stream, _)) => http1::exchange(http1::Connection::open(stream, slot), request, self.limits()).await,
            Err(error) => Err(SendError::connect(error, request)),
        }
    }

    async fn by_http2(
        &self,
        mut request: Request<RequestBody>,
        mut speaks: Speaks,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let deadline = tokio::time::Instant::now() + self.backend.connect_timeout;
        let mut newer_than = (self.reuse == Reuse::FreshOnly).then_some(FRESH);
        loop {
            if speaks == Speaks::Http1 {
                return self.by_http1(request).await;
            }
            if let Some(lease) = self.pool.http2.stream(newer_than) {
                match self.by_lease(lease, request).await {
                    // It was about to close, and nothing was sent: the next one.
                    Err(SendError { request: Some(unsent), fault: Fault::UpstreamClosed, .. }) => request = *unsent,
                    result => return result,
                }
                continue;
            }
            let waited = match self.pool.http2.begin_opening() {
                Err(opening) => self.wait(deadline, opening.finished()).await,
                Ok(guard) => match self.pool.slot() {
                    Some(slot) => return self.by_new_http2(guard, slot, request, speaks).await,
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
            if let Err(fault) = waited {
                return Err(SendError::unsent(fault, request));
            }
            speaks = self.pool.speaks(request.headers());
        }
    }

    /// Waits in line for what others do.
    async fn wait(
        &self,
        deadline: tokio::time::Instant,
        event: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let _waiting = self.pool.wait_in_line(self.backend)?;
        tokio::time::timeout_at(deadline, event).await.unwrap_or(Err(Fault::Overflow))
    }

    async fn by_new_http2(
        &self,
        guard: http2::OpeningGuard<'_>,
        slot: Slot,
        request: Request<RequestBody>,
        speaks: Speaks,
    ) -> Result<Response<UpstreamBody>, SendError> {
        match self.pool.connect(self.endpoint, self.backend.connect_timeout, speaks).await {
            Ok((stream, true)) => match http2::Connection::open(stream, slot, self.tasks).await {
                Ok(connection) => {
                    let lease = self.pool.http2.adopt(connection);
                    drop(guard);
                    self.by_lease(lease, request).await
                }
                Err(error) => Err(handshake_failed(error, request)),
            },
            Ok((stream, false)) => {
                drop(guard);
                let mut request = request;
                if let Err(fault) = wire::for_http1(&mut request, &self.endpoint.authority) {
                    return Err(SendError::unsent(fault, request));
                }
                http1::exchange(http1::Connection::open(stream, slot), request, self.limits()).await
            }
            Err(error) => {
                guard.failed(error.fault());
                Err(SendError::connect(error, request))
            }
        }
    }

    async fn by_lease(
        &self,
        lease: http2::Lease,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let scheme = if self.pool.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
        if let Err(fault) = wire::for_http2(&mut request, &self.endpoint.authority, scheme) {
            return Err(SendError::unsent(fault, request));
        }
        http2::exchange(lease, request, self.limits()).await
    }
}

fn handshake_failed(error: hyper::Error, request: Request<RequestBody>) -> SendError {
    SendError { source: Some(Box::new(error)), ..SendError::unsent(Fault::ConnectFailed, request) }
}

/// How often idle connections are looked at.
const REAP_INTERVAL: Duration = Duration::from_secs(1);
/// See [`Reuse::FreshOnly`].
const FRESH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
