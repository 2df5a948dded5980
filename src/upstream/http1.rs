//! HTTP/1.1 to an endpoint: one exchange at a time, on the task that needs it.
//!
//! No task runs behind a connection. Whoever waits for a response head or reads a body polls the connection as it goes, which
//! spares two switches between tasks for each request; a connection in the pool is not polled at all, and holds no
//! buffer for long.
//! An answer that has come whole with its head gives the connection back before anybody reads it.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, Version};
use http_body::{Body, Frame};
use socket2::SockRef;
use tokio::time::Instant;

use super::before::Before;
use super::body::{BodyError, Next, RequestBody, Upload, UpstreamBody};
use super::connect::{self, Stream};
use super::error::SendError;
use super::io::Upgraded;
use super::pool::Slot;
use super::timer::{BodyWait, Deadline, HeadWait, Limits};
use crate::http1::Http1Error;
use crate::http1::body::{Decoder, Piece};
use crate::http1::encode::{self, Length};
use crate::http1::framing::{Framing, keeps_alive, of_response, unite_lengths};
use crate::http1::head::{self, ResponseHead, take_response};
use crate::http1::outbox::{Delimited, Outbox};
use crate::outcome::Fault;
use crate::retry::Sent;
use crate::socket;

/// What a response head may hold.
const HEAD: head::Limits = head::Limits { bytes: 64 * 1024, fields: head::MAX_FIELDS };

/// A connection: in the pool, or in the hands of one exchange.
pub(super) struct Connection {
    stream: Stream,
    /// Read and not yet understood.
    input: BytesMut,
    output: Outbox,
    deadline: Deadline,
    /// Bytes read in all.
    received: u64,
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
    pub(super) fn open(stream: Stream, slot: Slot) -> Box<Self> {
        Box::new(Self {
            stream,
            input: BytesMut::new(),
            output: Outbox::default(),
            deadline: Deadline::default(),
            received: 0,
            used: false,
            reusable: true,
            idle_since: Instant::now(),
            kept_for: None,
            slot,
        })
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

    /// Lets go of its buffers, which are empty: it may stay in the pool for long.
    pub(super) fn slim(&mut self) {
        self.input = BytesMut::new();
        self.output.slim();
    }

    /// Whether the other side has closed it, or spoken unasked, while it was in the pool. Its pool remembers how soon.
    pub(super) fn is_dead(&mut self) -> bool {
        let dead = self.poll_fill(&mut Context::from_waker(Waker::noop())).is_ready();
        if dead {
            self.was_closed_idle();
        }
        dead
    }

    /// Whether nothing has come on it by this moment: no byte, no end, no reset. The runtime, which [`Connection::is_dead`]
    /// asks, may not have heard of the latest yet.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(connect::tcp(&self.stream)).peek(&mut byte);
        let quiet = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if !quiet {
            self.was_closed_idle();
        }
        quiet
    }

    fn was_closed_idle(&self) {
        if let Some(pool) = self.slot.pool() {
            let now = Instant::now();
            pool.idle_was_closed(self.idle_for(now), now);
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let filled = socket::poll_fill(&mut self.stream, &mut self.input, cx);
        if let Poll::Ready(Ok(bytes)) = filled {
            self.received += bytes as u64;
        }
        filled
    }

    /// Changes whenever a byte moves, either way.
    fn moved(&self) -> u64 {
        self.received + self.output.sent()
    }

    /// Gives it back to its pool, or closes it when it may not be used again: bytes that nobody asked for are the start of
    /// an answer to somebody else's request.
    fn release(mut self: Box<Self>) {
        if !self.reusable || !self.input.is_empty() || !self.output.is_empty() {
            return;
        }
        self.deadline.clear();
        if let Some(pool) = self.slot.pool() {
            self.idle_since = Instant::now();
            pool.put(self);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("used", &self.used).finish_non_exhaustive()
    }
}

/// Sends `head`, which has a Host, and `body`, and waits for the response head.
pub(super) async fn exchange(
    mut connection: Box<Connection>,
    head: &Parts,
    body: RequestBody,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let reused = std::mem::replace(&mut connection.used, true);
    let upload = body.upload();
    let mut before = Before::response_to(&body);
    let (sent, received) = (connection.output.sent(), connection.received);
    let mut sending = Sending::begin(&mut connection.output, head, body);
    let mut wait = HeadWait::begin(limits, upload.as_deref(), &mut connection.deadline);
    let answer = poll_fn(|cx| poll_head(&mut connection, &mut sending, &mut wait, &mut before, upload.as_deref(), cx));
    match answer.await {
        Ok(answer) => settle(connection, &head.method, answer, sending, upload, limits),
        Err(fault) => {
            let untouched = connection.output.sent() == sent;
            let reused = reused
                && connection.received == received
                && matches!(fault, Fault::UpstreamClosed | Fault::UpstreamReset);
            if reused {
                connection.was_closed_idle();
            }
            Err(SendError {
                fault,
                sent: if untouched { Sent::Nothing } else { Sent::Maybe },
                reused,
                body: sending.into_body().filter(|_| untouched),
                source: None,
            })
        }
    }
}

/// Moves the request out and the head in.
fn poll_head(
    connection: &mut Connection,
    sending: &mut Sending,
    wait: &mut HeadWait,
    before: &mut Before,
    upload: Option<&Upload>,
    cx: &mut Context<'_>,
) -> Poll<Result<ResponseHead, Fault>> {
    if let Err(fault) = sending.drive(connection, cx) {
        return Poll::Ready(Err(fault));
    }
    loop {
        match take_response(&mut connection.input, HEAD) {
            Ok(Some(head)) if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS => {
                if let Err(fault) = before.add(head.status, head.headers) {
                    return Poll::Ready(Err(fault));
                }
                continue;
            }
            Ok(Some(head)) => return Poll::Ready(Ok(head)),
            Ok(None) => {}
            Err(_) => return Poll::Ready(Err(Fault::UpstreamProtocol)),
        }
        match connection.poll_fill(cx) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(Fault::UpstreamClosed)),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Fault::UpstreamReset)),
            Poll::Pending => return wait.poll(cx, upload, connection.output.sent(), &mut connection.deadline).map(Err),
        }
    }
}

/// The head is here: decides how the body comes, and what becomes of the connection.
fn settle(
    mut connection: Box<Connection>,
    method: &Method,
    mut head: ResponseHead,
    sending: Sending,
    upload: Option<Rc<Upload>>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let protocol = |_: Http1Error| SendError::sent(Fault::UpstreamProtocol);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return if sending.is_done() { Ok(switch(*connection, head)) } else { Err(SendError::sent(Fault::BadUpgrade)) };
    }
    unite_lengths(&mut head.headers);
    let fields = (&head.headers, head.marks);
    let framing = of_response(method, head.status, head.version, fields).map_err(protocol)?;
    connection.reusable = tidy(&mut head, framing);
    connection.kept_for = if head.marks.keep_alive { kept_for(&head.headers) } else { None };
    let mut decoder = Decoder::new(framing);
    let body = match decoder.next(&mut connection.input).map_err(protocol)? {
        Piece::End => {
            // When the request is not complete either, what is left of it would be mistaken for the next one.
            if sending.is_done() {
                connection.release();
            }
            UpstreamBody::done()
        }
        Piece::Data(data) if decoder.is_over() && sending.is_done() => {
            connection.release();
            UpstreamBody::whole(data)
        }
        piece => UpstreamBody::http1(Download {
            connection: Some(connection),
            decoder,
            ahead: Some(piece),
            sending,
            upload,
            idle: limits.idle,
            wait: BodyWait::default(),
        }),
    };
    Ok(response(head, body))
}

fn response(head: ResponseHead, body: UpstreamBody) -> Response<UpstreamBody> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// Makes the head say one thing about its length. Returns whether the connection may be used again.
fn tidy(head: &mut ResponseHead, framing: Framing) -> bool {
    if framing == Framing::Chunked && head.headers.remove(CONTENT_LENGTH).is_some() {
        // Two framings: whoever is wrong about it, the body is read as chunks, and the rest is not to be trusted.
        return false;
    }
    // What HTTP/1.0 says of keeping connections alive is not to be relied on.
    let keeps = || keeps_alive(head.version, &head.headers, head.marks);
    framing != Framing::UntilClose && head.version == Version::HTTP_11 && keeps()
}

/// How long the endpoint keeps the connection, less a second so that it does not close while a request is on its way.
fn kept_for(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(&KEEP_ALIVE)?.to_str().ok()?;
    let timeout = text.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.trim().parse::<u64>().ok()?.saturating_sub(1)))
}

fn switch(mut connection: Connection, head: ResponseHead) -> Response<UpstreamBody> {
    let early = connection.input.split().freeze();
    response(head, UpstreamBody::switched(Upgraded::new(early, connection.stream, connection.slot)))
}

/// A request on its way out.
#[derive(Debug)]
struct Sending {
    /// `None` once all of it is in the outbox, or nobody wants it any more.
    body: Option<RequestBody>,
    /// Something was taken out of the body, so that it cannot be given back.
    begun: bool,
    delimited: Delimited,
    /// The endpoint takes no more. That does not fail the exchange: one that answers early and closes breaks the upload, but
    /// its answer is still there to be read.
    refused: bool,
    flushed: bool,
}

impl Sending {
    /// Puts the head of the request into `output`.
    fn begin(output: &mut Outbox, head: &Parts, body: RequestBody) -> Self {
        let (delimited, length) = delimit(head, &body);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        encode::request_head(output.small(), &head.method, target, &head.headers, length);
        Self { body: Some(body), begun: false, delimited, refused: false, flushed: false }
    }

    /// Whether the endpoint has been given all of it.
    fn is_done(&self) -> bool {
        self.flushed
    }

    /// The body, if it is as good as new.
    fn into_body(self) -> Option<RequestBody> {
        self.body.filter(|_| !self.begun)
    }

    /// Sends what can be sent now; fails with what went wrong on the client's side.
    fn drive(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Result<(), Fault> {
        while !self.flushed && !self.refused {
            self.fill(&mut connection.output, cx)?;
            if connection.output.is_empty() {
                self.flushed = self.body.is_none();
                return Ok(());
            }
            match socket::poll_write_out(&mut connection.stream, &mut connection.output, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.refused = true,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes from the body what is there, as far as there is room.
    fn fill(&mut self, output: &mut Outbox, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let Some(body) = &mut self.body
            && output.has_room()
        {
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else { return Ok(()) };
            self.begun = true;
            let ended = match frame.transpose().map_err(|error| error.fault)?.map(Frame::into_data) {
                Some(Ok(data)) => self.delimited.data(output, data).map(|()| false),
                Some(Err(frame)) => match frame.into_trailers() {
                    Ok(trailers) => self.delimited.trailers(output, &trailers).map(|()| true),
                    Err(_) => Ok(false),
                },
                None => self.delimited.end(output).map(|()| true),
            };
            if ended.map_err(|_| Fault::BadRequest)? {
                self.body = None;
            }
        }
        Ok(())
    }
}

/// Decides how the request's body is delimited, and what the head says of it.
fn delimit(head: &Parts, body: &RequestBody) -> (Delimited, Length) {
    let length = head.headers.get(CONTENT_LENGTH);
    let announced = length.and_then(|length| length.to_str().ok()?.parse().ok());
    match body.size_hint().exact().or(announced) {
        // No body, and nothing that speaks of one, unless the method means to have one.
        Some(0) if length.is_none() && !means_a_body(&head.method) => (Delimited::Absent, Length::Unsaid),
        Some(0) => (Delimited::Absent, Length::Bytes(0)),
        Some(length) => (Delimited::Length(length), Length::Bytes(length)),
        None => (Delimited::Chunked, Length::Chunked),
    }
}

/// RFC 9110, 8.6: these say `Content-Length: 0` even when there is nothing.
fn means_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// A response body on its way in, and what is left of the request on its way out.
#[derive(Debug)]
pub(super) struct Download {
    /// `None` once the body is over.
    connection: Option<Box<Connection>>,
    decoder: Decoder,
    /// The first piece, which came with the head.
    ahead: Option<Piece>,
    sending: Sending,
    upload: Option<Rc<Upload>>,
    idle: Duration,
    wait: BodyWait,
}

impl Download {
    /// Bytes that are still to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        let ahead = match &self.ahead {
            Some(Piece::Data(data)) => data.len() as u64,
            _ => 0,
        };
        self.decoder.remaining().map(|remaining| remaining + ahead)
    }

    /// The next part of the body.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, BodyError>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(Next::End)) };
            if let Err(fault) = self.sending.drive(connection, cx) {
                return self.fail(fault);
            }
            let piece = match self.ahead.take().filter(|piece| *piece != Piece::More) {
                Some(piece) => Ok(piece),
                None => self.decoder.next(&mut connection.input),
            };
            match piece {
                Ok(Piece::Data(data)) => return Poll::Ready(Ok(self.part(Frame::data(data)))),
                Ok(Piece::Trailers(trailers)) => return Poll::Ready(Ok(self.part(Frame::trailers(trailers)))),
                Ok(Piece::End) => {
                    self.release();
                    return Poll::Ready(Ok(Next::End));
                }
                Ok(Piece::More) => {}
                Err(_) => return self.fail(Fault::UpstreamProtocol),
            }
            match connection.poll_fill(cx) {
                Poll::Ready(Ok(0)) if self.decoder.may_end_here() => {
                    self.connection = None;
                    return Poll::Ready(Ok(Next::End));
                }
                Poll::Ready(Ok(0) | Err(_)) => return self.fail(Fault::UpstreamTruncated),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => {
                    let waited = self.wait.poll(cx, connection.moved(), self.idle, &mut connection.deadline);
                    return if waited.is_ready() { self.fail(Fault::UpstreamIdle) } else { Poll::Pending };
                }
            }
        }
    }

    /// Hands a part on, and the connection back as soon as it is not needed any more.
    fn part(&mut self, frame: Frame<bytes::Bytes>) -> Next {
        self.wait.moved();
        if !self.decoder.is_over() {
            return Next::Part(frame);
        }
        self.release();
        Next::LastPart(frame)
    }

    fn release(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.sending.is_done()
        {
            connection.release();
        }
    }

    /// Breaks off; a fault on the client's side goes before what it made of the endpoint.
    fn fail(&mut self, fault: Fault) -> Poll<Result<Next, BodyError>> {
        self.connection = None;
        let fault = self.upload.as_deref().and_then(Upload::fault).unwrap_or(fault);
        Poll::Ready(Err(fault.into()))
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

#[cfg(test)]
mod tests;
