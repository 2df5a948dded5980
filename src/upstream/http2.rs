//! HTTP/2 to an endpoint: many exchanges on one connection, which a task of the worker drives.
//!
//! h2 knows frames, streams and windows. What it leaves open is here: which connection carries a stream, and whether the
//! endpoint is still there. What goes on a stream is [`exchange`]'s.

mod driver;
mod exchange;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use self::driver::{Driver, Life};
pub(super) use self::exchange::{Download, exchange};
use super::connect::Stream;
use super::pool::Slot;
use crate::outcome::Fault;

/// The HTTP/2 connections of one pool.
#[derive(Default)]
pub(super) struct Connections {
    open: RefCell<Vec<Rc<Connection>>>,
    opening: RefCell<Option<Rc<Opening>>>,
    /// Rung when a stream or a connection ends: there may be room for those who wait.
    pub(super) room: Notify,
}

impl Connections {
    /// A stream on a connection that has room; not older than `newer_than`, if that is given.
    pub(super) fn stream(&self, newer_than: Option<Duration>) -> Option<Lease> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| !connection.is_over());
        let fits = |connection: &&Rc<Connection>| {
            connection.has_room() && newer_than.is_none_or(|limit| connection.opened.elapsed() < limit)
        };
        open.iter().find(fits).map(Lease::new)
    }

    /// Adds a new connection, and takes its first stream.
    pub(super) fn adopt(&self, connection: Connection) -> Lease {
        let connection = Rc::new(connection);
        let lease = Lease::new(&connection);
        self.open.borrow_mut().push(connection);
        lease
    }

    /// Begins to open a connection, unless that is being done: then how to hear of the end of it.
    pub(super) fn begin_opening(&self) -> Result<OpeningGuard<'_>, Rc<Opening>> {
        let mut opening = self.opening.borrow_mut();
        if let Some(under_way) = &*opening {
            return Err(under_way.clone());
        }
        *opening = Some(Rc::default());
        Ok(OpeningGuard(self))
    }

    /// Closes what has been without streams for `keep_alive`, and forgets what is over.
    pub(super) fn reap(&self, now: Instant, keep_alive: Duration) {
        let over = |connection: &Rc<Connection>| connection.is_over() || connection.is_idle_for(now, keep_alive);
        let closed: Vec<_> = self.open.borrow_mut().extract_if(.., |connection| over(connection)).collect();
        // Closing them calls back into the pool.
        drop(closed);
    }
}

/// A connection on its way, for which several requests wait.
#[derive(Debug, Default)]
pub(super) struct Opening {
    done: Notify,
    fault: Cell<Option<Fault>>,
}

impl Opening {
    /// Waits for the end of it.
    ///
    /// # Errors
    /// What it failed with: all who waited for it share that, rather than trying one after the other.
    pub(super) async fn finished(&self) -> Result<(), Fault> {
        self.done.notified().await;
        self.fault.get().map_or(Ok(()), Err)
    }
}

/// The right to open a connection for all who wait. Dropped, they hear that it is over.
pub(super) struct OpeningGuard<'a>(&'a Connections);

impl OpeningGuard<'_> {
    /// It came to nothing.
    pub(super) fn failed(&self, fault: Fault) {
        if let Some(opening) = &*self.0.opening.borrow() {
            opening.fault.set(Some(fault));
        }
    }
}

impl Drop for OpeningGuard<'_> {
    fn drop(&mut self) {
        if let Some(opening) = self.0.opening.take() {
            opening.done.notify_waiters();
        }
    }
}

/// A connection that carries many exchanges.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    /// Shared with the task that drives it.
    life: Rc<Life>,
    tasks: WeakTasks,
    opened: Instant,
    idle_since: Cell<Instant>,
    slot: Slot,
}

impl Connection {
    /// Speaks HTTP/2 over `stream`, driven by one of `tasks`.
    pub(super) async fn open(stream: Stream, slot: Slot, tasks: &Tasks) -> Result<Self, h2::Error> {
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW * MAX_STREAMS as u32)
            .initial_max_send_streams(MAX_STREAMS)
            .max_send_buffer_size(STREAM_WINDOW as usize)
            .max_header_list_size(MAX_HEAD)
            .handshake(stream)
            .await?;
        let life = Rc::new(Life::begin());
        tasks.spawn(Driver::new(connection, life.clone()).run());
        let now = Instant::now();
        Ok(Self { sender, life, tasks: tasks.downgrade(), opened: now, idle_since: Cell::new(now), slot })
    }

    /// Whether it takes no more streams: closed, or about to be.
    fn is_over(&self) -> bool {
        // In this order: a task that panicked may have left h2 in no state to be asked.
        let mut context = Context::from_waker(Waker::noop());
        self.life.is_over() || matches!(self.sender.clone().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        // A peer that allows none gets one that waits, rather than connection after connection.
        self.life.streams() < self.sender.current_max_send_streams().clamp(1, MAX_STREAMS)
    }

    fn is_idle_for(&self, now: Instant, limit: Duration) -> bool {
        self.life.streams() == 0 && now.saturating_duration_since(self.idle_since.get()) >= limit
    }
}

/// One stream's place on its connection.
pub(super) struct Lease {
    connection: Rc<Connection>,
    /// Whether the connection has carried streams before.
    reused: bool,
}

impl Lease {
    fn new(connection: &Rc<Connection>) -> Self {
        let reused = connection.life.streams() > 0 || connection.idle_since.get() > connection.opened;
        connection.life.add_stream();
        Self { connection: connection.clone(), reused }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.life.remove_stream();
        connection.idle_since.set(Instant::now());
        if let Some(pool) = connection.slot.pool() {
            pool.http2.room.notify_one();
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("reused", &self.reused).finish_non_exhaustive()
    }
}

/// The tasks behind HTTP/2 connections. They end when this is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl Tasks {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let mut tasks = self.0.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(task)
    }

    fn downgrade(&self) -> WeakTasks {
        WeakTasks(Rc::downgrade(&self.0))
    }
}

/// Adds tasks for as long as there is somebody to own them.
struct WeakTasks(Weak<RefCell<JoinSet<()>>>);

impl WeakTasks {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Option<AbortHandle> {
        self.0.upgrade().map(|tasks| Tasks(tasks).spawn(task))
    }
}

/// Streams at once on one connection. More open another: a hundred is what servers commonly allow.
const MAX_STREAMS: usize = 100;
/// What an endpoint may send on a stream before it is read. The connection's window is the sum of its streams', so that slow
/// readers hold up nobody else.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The longest response head, decoded.
const MAX_HEAD: u32 = 64 * 1024;
