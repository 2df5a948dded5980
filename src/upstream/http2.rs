//! HTTP/2 to an endpoint: many exchanges on one connection, which a task of the worker drives.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::body::{BodyError, Next, RequestBody, Upload, UpstreamBody};
use super::connect::Stream;
use super::error::{SendError, body_fault, head_fault, is_unprocessed};
use super::pool::Slot;
use super::timer::{BodyWait, Deadline, HeadWait, Limits};
use crate::outcome::Fault;
use crate::retry::Sent;

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

type Driver = http2::Connection<TokioIo<Stream>, RequestBody, Executor>;

/// A connection that carries many exchanges.
pub(super) struct Connection {
    sender: http2::SendRequest<RequestBody>,
    /// Shared with the task that polls it; `None` once it has ended.
    driver: Rc<RefCell<Option<Driver>>>,
    streams: Cell<usize>,
    opened: Instant,
    idle_since: Cell<Instant>,
    slot: Slot,
}

impl Connection {
    /// Speaks HTTP/2 over `stream`, driven by one of `tasks`.
    pub(super) async fn open(stream: Stream, slot: Slot, tasks: &Tasks) -> Result<Self, hyper::Error> {
        let executor = tasks.executor();
        let (sender, driver) = http2::Builder::new(executor.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW * MAX_STREAMS as u32)
            .initial_max_send_streams(MAX_STREAMS)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .max_header_list_size(MAX_HEAD)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Rc::new(RefCell::new(Some(driver)));
        hyper::rt::Executor::execute(&executor, drive(driver.clone()));
        let now = Instant::now();
        Ok(Self { sender, driver, streams: Cell::new(0), opened: now, idle_since: Cell::new(now), slot })
    }

    /// Whether it takes no more streams: closed, or about to be.
    fn is_over(&self) -> bool {
        self.sender.is_closed() || self.driver.borrow().is_none()
    }

    fn has_room(&self) -> bool {
        let peers_limit = self.driver.borrow().as_ref().map_or(0, Driver::current_max_send_streams);
        // A peer that allows none gets one that waits, rather than connection after connection.
        self.streams.get() < peers_limit.clamp(1, MAX_STREAMS)
    }

    fn is_idle_for(&self, now: Instant, limit: Duration) -> bool {
        self.streams.get() == 0 && now.saturating_duration_since(self.idle_since.get()) >= limit
    }
}

/// Polls the connection to its end, and drops it there: that gives back requests that still wait in it.
async fn drive(driver: Rc<RefCell<Option<Driver>>>) {
    let ended = poll_fn(|cx| match &mut *driver.borrow_mut() {
        Some(connection) => Pin::new(connection).poll(cx),
        None => Poll::Ready(Ok(())),
    });
    let _over = Over(driver.clone());
    if let Err(error) = ended.await {
        tracing::debug!(%error, "an HTTP/2 connection to an endpoint broke");
    }
}

/// Takes the connection away from all who have it, however its task ended: by a panic, too.
struct Over(Rc<RefCell<Option<Driver>>>);

impl Drop for Over {
    fn drop(&mut self) {
        let driver = self.0.take();
        drop(driver);
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
        let reused = connection.streams.get() > 0 || connection.idle_since.get() > connection.opened;
        connection.streams.set(connection.streams.get() + 1);
        Self { connection: connection.clone(), reused }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get() - 1);
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

/// Sends `request` and waits for the response head.
pub(super) async fn exchange(
    lease: Lease,
    request: Request<RequestBody>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let upload = request.body().upload();
    let mut abandon = Abandon(upload.clone());
    let mut sender = lease.connection.sender.clone();
    let mut sending = pin!(sender.try_send_request(request));
    let mut deadline = Deadline::default();
    let mut wait = HeadWait::begin(limits, upload.as_deref(), &mut deadline);
    let head = poll_fn(|cx| {
        if let Poll::Ready(result) = sending.as_mut().poll(cx) {
            return Poll::Ready(Ok(result));
        }
        let moved = upload.as_ref().map_or(0, |upload| upload.frames());
        wait.poll(cx, upload.as_deref(), moved, &mut deadline).map(Err)
    });
    match head.await {
        Ok(Ok(response)) if response.body().is_end_stream() && upload.as_ref().is_none_or(|u| u.is_done()) => {
            Ok(response.map(|_| UpstreamBody::done()))
        }
        Ok(Ok(response)) => Ok(response.map(|incoming| {
            let upload = abandon.0.take();
            let abandon = Abandon(upload);
            let wait = BodyWait::default();
            UpstreamBody::http2(Download {
                incoming,
                abandon,
                _lease: lease,
                idle: limits.idle,
                deadline,
                wait,
                parts: 0,
            })
        })),
        Ok(Err(error)) => Err(failed(lease.reused, error, upload.as_deref())),
        Err(fault) => Err(SendError::sent(fault)),
    }
}

fn failed(reused: bool, mut error: TrySendError<Request<RequestBody>>, upload: Option<&Upload>) -> SendError {
    let body = error.take_message().map(Request::into_body);
    let fault = head_fault(error.error(), upload);
    let untouched = body.is_some() || is_unprocessed(error.error());
    SendError {
        fault,
        sent: if untouched { Sent::Nothing } else { Sent::Maybe },
        reused: reused && (untouched || fault == Fault::UpstreamClosed),
        body,
        source: Some(Box::new(error.into_error())),
    }
}

/// Ends an upload when nobody waits for its response any more: hyper would drive it to its end.
#[derive(Debug)]
struct Abandon(Option<Rc<Upload>>);

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(upload) = self.0.as_ref().filter(|upload| !upload.is_done()) {
            upload.abandon();
        }
    }
}

/// A response body on its way in.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    abandon: Abandon,
    _lease: Lease,
    idle: Duration,
    deadline: Deadline,
    wait: BodyWait,
    parts: u64,
}

impl Download {
    pub(super) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, BodyError>> {
        let upload = self.abandon.0.as_deref();
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.wait.moved();
                self.parts += 1;
                Poll::Ready(Ok(Next::Part(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let fault = body_fault(&error, upload);
                Poll::Ready(Err(BodyError::new(fault, error)))
            }
            Poll::Ready(None) => Poll::Ready(end(&self.incoming)),
            Poll::Pending => {
                let moved = self.parts + upload.map_or(0, Upload::frames);
                let waited = self.wait.poll(cx, moved, self.idle, &mut self.deadline);
                waited.map(|()| Err(Fault::UpstreamIdle.into()))
            }
        }
    }
}

/// The tasks behind HTTP/2 connections. They end when this is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl Tasks {
    pub(super) fn executor(&self) -> Executor {
        Executor(Rc::downgrade(&self.0))
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.0.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(task);
    }
}

/// Adds tasks for as long as there is somebody to own them.
#[derive(Clone, Debug)]
pub(super) struct Executor(Weak<RefCell<JoinSet<()>>>);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            Tasks(tasks).spawn(task);
        }
    }
}

/// Streams at once on one connection. More open another: a hundred is what servers commonly allow.
const MAX_STREAMS: usize = 100;
/// What an endpoint may send on a stream before it is read. The connection's window is the sum of its streams', so that slow
/// readers hold up nobody else.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Pings tell whether a silent connection with open streams still lives. Servers take more than one in five minutes amiss
/// (gRPC's "too many pings"), so this is a backstop behind TCP's keep-alive.
const PING_INTERVAL: Duration = Duration::from_secs(305);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A body that ended before it was as long as it said has not ended well, whatever it says now.
fn end(incoming: &Incoming) -> Result<Next, BodyError> {
    if incoming.size_hint().lower() > 0 { Err(Fault::UpstreamTruncated.into()) } else { Ok(Next::End) }
}

/// The longest response head, decoded.
const MAX_HEAD: u32 = 64 * 1024;
