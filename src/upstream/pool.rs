//! One endpoint's connections: which are idle, how many there may be, and who waits for one.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connect::{self, ConnectError, Stream, Tls};
use super::http1::Connection;
use super::http2::Connections;
use super::tls::{self, Alpn};
use super::wire;
use crate::endpoint::Endpoint;
use crate::outcome::Fault;
use crate::snapshot::{Backend, BackendTls, Protocol};

/// Which connections a request may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Any that is idle, or a new one: for idempotent requests.
    #[default]
    Any,
    /// A new one, or one that was idle for less than a second: for requests that must not be sent twice. Only a new one
    /// while the endpoint is known to close connections so soon. HTTP/2 says which requests it did not take, so any of its
    /// connections will do.
    Young,
    /// A new one: for the repeat of a request that died on a used one. With HTTP/2 one that was opened in the last second will
    /// do, so that many repeats at once do not open as many.
    FreshOnly,
}

/// The connections to one endpoint that may stand in for each other: same TLS settings, same protocol setting.
///
/// HTTP/1.1 and HTTP/2 connections share one limit, and each holds a [`Slot`] of it for as long as it is open.
pub(super) struct Pool {
    this: Weak<Self>,
    protocol: Protocol,
    tls: Option<BackendTls>,
    /// [`Pool::tls`] with HTTP/1.1 as the only offer, made when it is first needed.
    http1_tls: OnceCell<Arc<rustls::ClientConfig>>,
    /// What ALPN settled on last.
    http2_settled: Cell<Option<bool>>,
    /// The most used last: those at the front grow old and are closed.
    #[expect(clippy::vec_box, reason = "a connection moves between the pool and its exchanges, and is large")]
    idle: RefCell<Vec<Box<Connection>>>,
    pub(super) http2: Connections,
    open: Cell<usize>,
    waiters: RefCell<VecDeque<oneshot::Sender<Ticket>>>,
    /// Waiting requests of the whole backend in this worker.
    waiting: Rc<Cell<usize>>,
    /// As of the latest request: a reload may change them.
    max_connections: Cell<usize>,
    keep_alive: Cell<Duration>,
    /// Until then the endpoint counts as one that closes connections soon after their last exchange.
    hasty_until: Cell<Option<Instant>>,
}

/// What lets a request go on.
pub(super) enum Ticket {
    /// A connection that has carried others before.
    Used(Box<Connection>),
    /// Leave to open one.
    New(Slot),
}

/// What a pool speaks for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
    /// What ALPN says, HTTP/2 being offered.
    Unsettled,
}

impl Pool {
    pub(super) fn new(backend: &Backend, waiting: Rc<Cell<usize>>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: this.clone(),
            protocol: backend.protocol,
            tls: backend.tls.clone(),
            http1_tls: OnceCell::new(),
            http2_settled: Cell::new(None),
            idle: RefCell::default(),
            http2: Connections::default(),
            open: Cell::new(0),
            waiters: RefCell::default(),
            waiting,
            max_connections: Cell::new(backend.max_connections),
            keep_alive: Cell::new(backend.keep_alive),
            hasty_until: Cell::new(None),
        })
    }

    /// Whether its connections are what `backend` asks for.
    pub(super) fn fits(&self, backend: &Backend) -> bool {
        let same_tls = match (&self.tls, &backend.tls) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => {
                Arc::ptr_eq(&mine.config, &theirs.config) && mine.server_name == theirs.server_name
            }
            _ => false,
        };
        same_tls && self.protocol == backend.protocol
    }

    /// From now on with the limits of `backend`.
    pub(super) fn limit(&self, backend: &Backend) {
        self.max_connections.set(backend.max_connections);
        self.keep_alive.set(backend.keep_alive);
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What to speak for a request with `headers`.
    pub(super) fn speaks(&self, headers: &HeaderMap) -> Speaks {
        match self.protocol {
            Protocol::Http1 => Speaks::Http1,
            Protocol::Http2 => Speaks::Http2,
            // HTTP/2 has no Upgrade.
            Protocol::Auto if headers.contains_key(header::UPGRADE) => Speaks::Http1,
            Protocol::Auto if self.is_tls() => match self.http2_settled.get() {
                None => Speaks::Unsettled,
                Some(true) => Speaks::Http2,
                Some(false) => Speaks::Http1,
            },
            Protocol::Auto if wire::is_grpc(headers) => Speaks::Http2,
            Protocol::Auto => Speaks::Http1,
        }
    }

    /// Opens a connection for `speaks`, and remembers what was settled. Returns it and whether it speaks HTTP/2.
    pub(super) async fn connect(
        &self,
        endpoint: &Endpoint,
        limit: Duration,
        speaks: Speaks,
    ) -> Result<(Stream, bool), ConnectError> {
        let tls = match &self.tls {
            None => None,
            Some(tls) => Some(Tls {
                config: self.tls_config(tls, speaks),
                name: match &tls.server_name {
                    Some(name) => name.clone(),
                    None => connect::server_name(&endpoint.authority)?,
                },
            }),
        };
        let result = connect::connect(endpoint.address, tls, limit).await;
        if self.protocol == Protocol::Auto && matches!(result, Err(ConnectError::Tls(_))) {
            // Perhaps it does not speak any more what it settled on before.
            self.http2_settled.set(None);
        }
        let stream = result?;
        let http2 = match speaks {
            Speaks::Http1 => false,
            Speaks::Http2 => connect::negotiated_http2(&stream).unwrap_or(true),
            Speaks::Unsettled => connect::negotiated_http2(&stream).unwrap_or(false),
        };
        if self.is_tls() && speaks != Speaks::Http1 {
            self.http2_settled.set(Some(http2));
        }
        Ok((stream, http2))
    }

    fn tls_config(&self, tls: &BackendTls, speaks: Speaks) -> Arc<rustls::ClientConfig> {
        if self.protocol != Protocol::Auto || speaks != Speaks::Http1 {
            return tls.config.clone();
        }
        self.http1_tls.get_or_init(|| tls::offering(&tls.config, Alpn::Http1)).clone()
    }

    /// A connection, or leave to open one; waits for it when there are as many as there may be.
    pub(super) async fn ticket(&self, reuse: Reuse, backend: &Backend) -> Result<Ticket, Fault> {
        match self.ticket_now(reuse) {
            Some(ticket) => Ok(ticket),
            // Rare, and larger: boxed, so that the common case stays small.
            None => Box::pin(self.ticket_in_time(reuse, backend)).await,
        }
    }

    async fn ticket_in_time(&self, reuse: Reuse, backend: &Backend) -> Result<Ticket, Fault> {
        let _waiting = self.wait_in_line(backend)?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiters = self.waiters.borrow_mut();
            while waiters.front().is_some_and(oneshot::Sender::is_closed) {
                waiters.pop_front();
            }
            waiters.push_back(sender);
        }
        match tokio::time::timeout(backend.connect_timeout, receiver).await {
            Ok(Ok(Ticket::Used(connection))) if reuse == Reuse::FreshOnly => Ok(Ticket::New(connection.into_slot())),
            Ok(Ok(ticket)) => Ok(ticket),
            Ok(Err(_)) | Err(_) => Err(Fault::Overflow),
        }
    }

    /// A place among those who wait, until it is dropped.
    pub(super) fn wait_in_line(&self, backend: &Backend) -> Result<Waiting, Fault> {
        if self.waiting.get() >= backend.max_pending {
            return Err(Fault::Overflow);
        }
        self.waiting.set(self.waiting.get() + 1);
        Ok(Waiting(self.waiting.clone()))
    }

    fn ticket_now(&self, reuse: Reuse) -> Option<Ticket> {
        if let Some(connection) = self.take_live(reuse) {
            return Some(Ticket::Used(connection));
        }
        if reuse == Reuse::Young
            && let Some(oldest) = self.oldest_idle()
        {
            // None was good enough. The new one takes the place of one of them, or the pool would grow with every request.
            return Some(Ticket::New(oldest.into_slot()));
        }
        self.slot().map(Ticket::New)
    }

    fn oldest_idle(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() { None } else { Some(idle.remove(0)) }
    }

    /// Leave to open a connection, if need be at the price of the one that has been idle for longest.
    pub(super) fn slot(&self) -> Option<Slot> {
        if self.open.get() >= self.max_connections.get() {
            // Nobody waits while a connection is idle, so its slot is taken over as it is.
            return self.oldest_idle().map(|connection| connection.into_slot());
        }
        self.open.set(self.open.get() + 1);
        Some(Slot(self.this.clone()))
    }

    /// The endpoint has closed a connection that had been idle for as long as `idle`.
    pub(super) fn idle_was_closed(&self, idle: Duration, now: Instant) {
        if idle < YOUNG * 2 {
            self.hasty_until.set(Some(now + HASTY));
        }
    }

    /// A connection that is idle and, as far as is known here, still open at the other end. For a request that must not be
    /// sent twice the kernel is asked what it knows.
    pub(super) fn take_live(&self, reuse: Reuse) -> Option<Box<Connection>> {
        if reuse == Reuse::FreshOnly {
            return None;
        }
        loop {
            let mut connection = self.take_idle(reuse)?;
            if !connection.is_dead() && (reuse == Reuse::Any || connection.is_quiet()) {
                return Some(connection);
            }
        }
    }

    fn take_idle(&self, reuse: Reuse) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return None;
        }
        let now = Instant::now();
        if reuse == Reuse::Young && self.hasty_until.get().is_some_and(|until| now < until) {
            return None;
        }
        let mut expired = Vec::new();
        let found = loop {
            let Some(connection) = idle.pop() else { break None };
            if connection.is_expired(now, self.keep_alive.get()) {
                expired.push(connection);
            } else if reuse == Reuse::Young && connection.idle_for(now) >= YOUNG {
                idle.push(connection);
                break None;
            } else {
                break Some(connection);
            }
        };
        // Closing them calls back into this pool.
        drop(idle);
        drop(expired);
        found
    }

    /// Takes back a connection that is ready for the next exchange.
    pub(super) fn put(&self, connection: Box<Connection>) {
        match self.next_waiter() {
            Some(waiter) => drop(waiter.send(Ticket::Used(connection))),
            None if self.keep_alive.get().is_zero() => drop(connection),
            None => self.idle.borrow_mut().push(connection),
        }
    }

    /// The first who still waits.
    fn next_waiter(&self) -> Option<oneshot::Sender<Ticket>> {
        let mut waiters = self.waiters.borrow_mut();
        std::iter::from_fn(|| waiters.pop_front()).find(|waiter| !waiter.is_closed())
    }

    /// Closes what has been idle for too long, or was closed from the other side.
    pub(super) fn reap(&self) {
        let now = Instant::now();
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let is_over = |connection: &mut Box<Connection>| {
            connection.is_expired(now, self.keep_alive.get()) || connection.is_dead()
        };
        let mut kept = idle;
        let over: Vec<_> = kept.extract_if(.., is_over).collect();
        kept.iter_mut()
            .filter(|connection| connection.idle_for(now) >= RESTING)
            .for_each(|connection| connection.slim());
        *self.idle.borrow_mut() = kept;
        drop(over);
        self.http2.reap(now, self.keep_alive.get());
    }

    /// Whether it can be forgotten.
    pub(super) fn is_unused(&self) -> bool {
        self.open.get() == 0 && self.waiters.borrow().is_empty()
    }

    /// How many connections are open, and how many of them are idle.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.open.get(), self.idle.borrow().len())
    }
}

/// A request that waits.
pub(super) struct Waiting(Rc<Cell<usize>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One of the connections that an endpoint may have: held by the connection, free when that is dropped.
pub(super) struct Slot(Weak<Pool>);

impl Slot {
    /// The pool it belongs to; `None` when that is gone.
    pub(super) fn pool(&self) -> Option<Rc<Pool>> {
        self.0.upgrade()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(pool) = self.0.upgrade() else { return };
        match pool.next_waiter() {
            Some(waiter) => drop(waiter.send(Ticket::New(Slot(self.0.clone())))),
            None => {
                pool.open.set(pool.open.get() - 1);
                pool.http2.room.notify_one();
            }
        }
    }
}

/// A connection that nobody needed for so long is not in steady use.
const RESTING: Duration = Duration::from_secs(1);

/// A connection that was idle for less than this is as good as new: hardly any server closes so soon.
const YOUNG: Duration = Duration::from_secs(1);

/// How long an endpoint that closed a young connection is taken to close others.
const HASTY: Duration = Duration::from_secs(60);
