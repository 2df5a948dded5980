//! HTTP/1.1 to an endpoint: one exchange at a time, driven by the task that needs it.
//!
//! No task runs behind a connection. Whoever waits for a response head or reads a body polls the connection as it goes, which
//! spares two switches between tasks for each request; a connection in the pool is not polled at all.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::body::{BodyError, Next, RequestBody, Upload, UpstreamBody};
use super::connect::Stream;
use super::error::{SendError, Sent, body_fault, head_fault};
use super::io::{Io, Meter, Upgraded};
use super::pool::Slot;
use super::timer::{BodyWait, Deadline, HeadWait, Limits};
use super::waker::Bell;
use crate::outcome::Fault;

/// The longest response head, and about the most that is buffered of a body that nobody reads.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// A connection: in the pool, or in the hands of one exchange.
pub(super) struct Connection {
    /// `None` once it has ended.
    conn: Option<http1::Connection<TokioIo<Io>, RequestBody>>,
    ended: bool,
    sender: http1::SendRequest<RequestBody>,
    meter: Rc<Meter>,
    bell: Arc<Bell>,
    waker: Waker,
    deadline: Deadline,
    /// Whether it has carried an exchange before.
    used: bool,
    /// Whether another exchange may follow.
    reusable: bool,
    idle_since: Instant,
    /// How long the endpoint keeps it, as it said.
    kept_for: Option<Duration>,
    slot: Slot,
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`.
    pub(super) async fn open(stream: Stream, slot: Slot) -> Result<Box<Self>, hyper::Error> {
        let meter = Rc::new(Meter::default());
        let io = TokioIo::new(Io::new(stream, meter.clone()));
        let (sender, conn) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(io).await?;
        let bell = Arc::new(Bell::default());
        Ok(Box::new(Self {
            conn: Some(conn),
            ended: false,
            sender,
            meter,
            waker: Waker::from(bell.clone()),
            bell,
            deadline: Deadline::default(),
            used: false,
            reusable: true,
            idle_since: Instant::now(),
            kept_for: None,
            slot,
        }))
    }

    /// Closes it; its place among the endpoint's connections is free for another.
    pub(super) fn into_slot(self) -> Slot {
        self.slot
    }

    /// How long it has been in the pool.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.idle_since)
    }

    /// Whether it has been in the pool for too long, where `keep_alive` is our own patience.
    pub(super) fn is_expired(&self, now: Instant, keep_alive: Duration) -> bool {
        self.idle_for(now) >= self.kept_for.map_or(keep_alive, |kept| kept.min(keep_alive))
    }

    /// Whether the other side has closed it, or spoken unasked, while it was in the pool.
    pub(super) fn is_dead(&mut self) -> bool {
        self.drive();
        self.ended
    }

    /// Moves bytes and messages. What it waits for rings the bell: park, or never hear of it.
    fn drive(&mut self) {
        self.bell.silence();
        if let Some(conn) = &mut self.conn
            && !self.ended
        {
            self.ended = Pin::new(conn).poll(&mut Context::from_waker(&self.waker)).is_ready();
        }
    }

    /// Whether the exchange is over on both sides, and the connection has nothing left of it.
    fn is_idle(&self) -> bool {
        !self.ended && self.sender.is_ready()
    }

    /// Gives it back to its pool, or closes it when it may not be used again.
    fn release(mut self: Box<Self>) {
        self.bell.silence();
        self.deadline.clear();
        if self.reusable
            && let Some(pool) = self.slot.pool()
        {
            self.idle_since = Instant::now();
            pool.put(self);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("used", &self.used).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Sends `request` and waits for the response head.
pub(super) async fn exchange(
    mut connection: Box<Connection>,
    request: Request<RequestBody>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let upload = request.body().upload();
    connection.meter.begin();
    let reused = std::mem::replace(&mut connection.used, true);
    let sending = connection.sender.try_send_request(request);
    // What resolves it is `drive`, right before it is polled: so it needs no waker, and must not be put off by tokio's
    // budget, which would count on one.
    let mut sending = pin!(unconstrained(sending));
    let mut wait = HeadWait::begin(limits, upload.as_deref(), &mut connection.deadline);
    let head = poll_fn(|cx| poll_head(&mut connection, sending.as_mut(), &mut wait, upload.as_deref(), cx)).await;
    match head {
        Ok(Ok(response)) => {
            connection.meter.head_done();
            settle(connection, response, upload, limits)
        }
        Ok(Err(error)) => Err(failed(&connection, reused, error, upload.as_deref())),
        Err(fault) => Err(SendError::sent(fault)),
    }
}

type Sending<'a, F> = Pin<&'a mut tokio::task::coop::Unconstrained<F>>;
type Head = Result<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>, Fault>;

fn poll_head<F>(
    connection: &mut Connection,
    mut sending: Sending<'_, F>,
    wait: &mut HeadWait,
    upload: Option<&Upload>,
    cx: &mut Context<'_>,
) -> Poll<Head>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
{
    let nobody = &mut Context::from_waker(Waker::noop());
    connection.drive();
    if let Poll::Ready(result) = sending.as_mut().poll(nobody) {
        return Poll::Ready(Ok(result));
    }
    if connection.ended {
        // This gives a request back that waited in vain.
        connection.conn = None;
        return match sending.poll(nobody) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => Poll::Ready(Err(Fault::UpstreamClosed)),
        };
    }
    connection.bell.park(cx.waker());
    wait.poll(cx, upload, connection.meter.written(), &mut connection.deadline).map(Err)
}

fn failed(
    connection: &Connection,
    reused: bool,
    mut error: TrySendError<Request<RequestBody>>,
    upload: Option<&Upload>,
) -> SendError {
    let request = error.take_message().map(Box::new);
    let fault = head_fault(error.error(), upload);
    let untouched = request.is_some() || (connection.meter.written() == 0 && upload.is_none_or(|u| u.frames() == 0));
    SendError {
        fault,
        sent: if untouched { Sent::Nothing } else { Sent::Maybe },
        reused: reused && connection.meter.read() == 0 && fault == Fault::UpstreamClosed,
        request,
        source: Some(Box::new(error.into_error())),
    }
}

/// The head is here: decides what becomes of the connection.
fn settle(
    mut connection: Box<Connection>,
    response: Response<Incoming>,
    upload: Option<Rc<Upload>>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let (mut parts, incoming) = response.into_parts();
    parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return switch(connection, parts);
    }
    connection.reusable = tidy(&mut parts, &incoming);
    connection.kept_for = kept_for(&parts.headers);
    let body = if connection.is_idle() {
        connection.release();
        UpstreamBody::read(incoming)
    } else if connection.ended {
        UpstreamBody::read(incoming)
    } else if incoming.is_end_stream() {
        // The answer is complete and the request is not: what is left of it would be mistaken for the next one.
        UpstreamBody::done()
    } else {
        let wait = BodyWait::default();
        UpstreamBody::http1(Download { incoming, connection: Some(connection), upload, idle: limits.idle, wait })
    };
    Ok(Response::from_parts(parts, body))
}

/// Makes the head say one thing about its length. Returns whether the connection may be used again.
fn tidy(parts: &mut response::Parts, incoming: &Incoming) -> bool {
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let (first, second) = (lengths.next(), lengths.next());
    let (has_length, repeated) = (first.is_some(), second.is_some());
    if chunked && has_length {
        // Two framings: whoever is wrong about it, the body was read as chunks, and the rest is not to be trusted.
        parts.headers.remove(CONTENT_LENGTH);
        return false;
    }
    if repeated && let Some(length) = incoming.size_hint().exact() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    // hyper would speak 1.0 on from here, and drop bodies of unknown length.
    parts.version == Version::HTTP_11
}

/// How long the endpoint keeps the connection, less a second so that it does not close while a request is on its way.
fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&KEEP_ALIVE)?.to_str().ok()?;
    let timeout = text.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.trim().parse::<u64>().ok()?.saturating_sub(1)))
}

fn switch(mut connection: Box<Connection>, parts: response::Parts) -> Result<Response<UpstreamBody>, SendError> {
    match connection.conn.take() {
        Some(conn) if connection.ended => {
            let http1::Parts { io, read_buf, .. } = conn.into_parts();
            let upgraded = Upgraded::new(read_buf, io.into_inner().into_stream(), connection.into_slot());
            Ok(Response::from_parts(parts, UpstreamBody::switched(upgraded)))
        }
        // The body of the request is still on its way: there is no telling where the other protocol begins.
        _ => Err(SendError::sent(Fault::BadUpgrade)),
    }
}

/// A response body on its way in, and what is left of the request's on its way out.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    /// `None` once nothing more is needed of it.
    connection: Option<Box<Connection>>,
    upload: Option<Rc<Upload>>,
    idle: Duration,
    wait: BodyWait,
}

impl Download {
    pub(super) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, BodyError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(poll_read(&mut self.incoming)) };
        connection.drive();
        let polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        let upload = self.upload.as_deref();
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.wait.moved();
                Poll::Ready(Ok(self.part(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let fault = body_fault(&error, upload);
                self.connection = None;
                Poll::Ready(Err(BodyError::new(fault, error)))
            }
            Poll::Ready(None) => {
                if let Some(connection) = self.connection.take_if(|connection| connection.is_idle()) {
                    connection.release();
                }
                Poll::Ready(end(&self.incoming))
            }
            Poll::Pending if connection.ended => {
                let fault = upload.and_then(Upload::fault).unwrap_or(Fault::UpstreamTruncated);
                Poll::Ready(Err(fault.into()))
            }
            Poll::Pending => {
                connection.bell.park(cx.waker());
                let moved = connection.meter.moved();
                let waited = self.wait.poll(cx, moved, self.idle, &mut connection.deadline);
                waited.map(|()| Err(Fault::UpstreamIdle.into()))
            }
        }
    }

    /// Hands a part on, and the connection back as soon as it is not needed any more.
    fn part(&mut self, frame: http_body::Frame<bytes::Bytes>) -> Next {
        let Some(connection) = self.connection.take() else { return Next::Part(frame) };
        let idle = connection.is_idle();
        if self.incoming.is_end_stream() {
            if idle {
                connection.release();
            }
            return Next::LastPart(frame);
        }
        if idle {
            connection.release();
        } else if !connection.ended {
            self.connection = Some(connection);
        }
        Next::Part(frame)
    }
}

/// The next part of a body that has been read from its connection as a whole.
pub(super) fn poll_read(incoming: &mut Incoming) -> Result<Next, BodyError> {
    match Pin::new(&mut *incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) if incoming.is_end_stream() => Ok(Next::LastPart(frame)),
        Poll::Ready(Some(Ok(frame))) => Ok(Next::Part(frame)),
        Poll::Ready(Some(Err(error))) => Err(BodyError::new(body_fault(&error, None), error)),
        Poll::Ready(None) => end(incoming),
        Poll::Pending => Err(Fault::UpstreamTruncated.into()),
    }
}

/// A body that ended before it was as long as it said has not ended well, whatever it says now.
pub(super) fn end(incoming: &Incoming) -> Result<Next, BodyError> {
    if incoming.size_hint().lower() > 0 { Err(Fault::UpstreamTruncated.into()) } else { Ok(Next::End) }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
