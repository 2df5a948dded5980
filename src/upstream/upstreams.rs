//! A worker's connections to all endpoints.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::task::coop::unconstrained;

use super::body::{RequestBody, UpstreamBody};
use super::error::SendError;
use super::http2::Tasks;
use super::pool::{Pool, Reuse};
use super::reach::{Ready, Way};
use crate::endpoint::Endpoint;
use crate::retry::Sent;
use crate::snapshot::Backend;
use crate::types::Name;

/// A worker's connections, by endpoint and by everything else that makes a connection different (TLS, protocol).
///
/// Lives on one thread, inside a local runtime; what it drives in the background ends when it is dropped.
pub struct Upstreams {
    this: Weak<Self>,
    worker: usize,
    /// By endpoint; more than one after a reload that changed TLS or protocol.
    pools: RefCell<BTreeMap<u64, Vec<Rc<Pool>>>>,
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

    /// A connection to `endpoint` for a request with `headers` that is there already.
    pub fn ready(&self, backend: &Backend, endpoint: &Endpoint, headers: &HeaderMap, reuse: Reuse) -> Option<Ready> {
        self.way(backend, endpoint, headers, reuse).ready()
    }

    /// A connection to `endpoint` for a request with `headers`, opened if need be, or waited for when there are as many as
    /// there may be. Nothing of the request is sent; dropping the future is as if it had never been asked for.
    ///
    /// # Errors
    /// See [`SendError`]: nothing was sent, and the body is still with the caller.
    pub async fn reach(
        &self,
        backend: &Backend,
        endpoint: &Endpoint,
        headers: &HeaderMap,
        reuse: Reuse,
    ) -> Result<Ready, SendError> {
        self.way(backend, endpoint, headers, reuse).reach().await
    }

    /// Sends a request of `head` and `body` to `endpoint`, over whichever connection, and returns the response head; see
    /// [`Ready::send`].
    ///
    /// A used connection that proves closed before anything was sent is passed over; nothing is ever sent twice.
    ///
    /// # Errors
    /// See [`SendError`]: what went wrong, whether anything was sent, and the body if nothing was.
    pub async fn send(
        &self,
        backend: &Backend,
        endpoint: &Endpoint,
        head: &Parts,
        mut body: RequestBody,
        reuse: Reuse,
    ) -> Result<Response<UpstreamBody>, SendError> {
        loop {
            let ready = match self.ready(backend, endpoint, &head.headers, reuse) {
                Some(ready) => ready,
                None => match Box::pin(self.reach(backend, endpoint, &head.headers, reuse)).await {
                    Ok(ready) => ready,
                    Err(error) => return Err(SendError { body: Some(body), ..error }),
                },
            };
            match ready.send(backend, endpoint, head, body).await {
                // It had been closed while it was idle, and nothing was sent: the next one.
                Err(SendError { body: Some(unsent), reused: true, sent: Sent::Nothing, .. }) => body = unsent,
                result => return result,
            }
        }
    }

    fn way<'a>(
        &'a self,
        backend: &'a Backend,
        endpoint: &'a Endpoint,
        headers: &'a HeaderMap,
        reuse: Reuse,
    ) -> Way<'a> {
        Way { pool: self.pool(backend, endpoint), backend, endpoint, headers, reuse, tasks: &self.tasks }
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

/// How often idle connections are looked at.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
