//! One exchange on a stream of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use tokio::task::AbortHandle;

use super::super::before::Before;
use super::super::body::{BodyError, Next, RequestBody, Upload, UpstreamBody};
use super::super::error::{SendError, head_fault, is_unprocessed};
use super::super::timer::{BodyWait, Deadline, HeadWait, Limits};
use super::Lease;
use crate::http2;
use crate::outcome::Fault;
use crate::retry::Sent;

/// Sends `request` and waits for the response head.
pub(in super::super) async fn exchange(
    lease: Lease,
    request: Request<RequestBody>,
    limits: Limits,
) -> Result<Response<UpstreamBody>, SendError> {
    let (head, body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    let upload = body.upload();
    let mut before = Before::response_to(&body);
    let mut sender = lease.connection.sender.clone();
    let is_whole = body.is_end_stream();
    let (mut response, stream) = match sender.send_request(Request::from_parts(head, ()), is_whole) {
        Ok(begun) => begun,
        Err(error) => return Err(unsent(lease.reused, error, body)),
    };
    let body = (!is_whole).then_some(body);
    let mut sending = Sending { opening: Some(sender), body, held: None, begun: false, stream };
    let mut deadline = Deadline::default();
    let mut wait = HeadWait::begin(limits, upload.as_deref(), &mut deadline);
    let head = poll_fn(|cx| {
        if let Poll::Ready(Err(error)) = sending.poll(cx) {
            return Poll::Ready(Err(Broken::Fault(error)));
        }
        if let Poll::Ready(head) = poll_head(&mut response, &mut before, cx) {
            return Poll::Ready(head);
        }
        let moved = upload.as_ref().map_or(0, |upload| upload.frames());
        wait.poll(cx, upload.as_deref(), moved, &mut deadline).map(|fault| Err(fault.into()))
    });
    match head.await {
        Ok(response) => {
            lease.connection.life.hear();
            Ok(settle(response, is_head, lease, (sending, upload), (limits.idle, deadline)))
        }
        Err(Broken::Fault(error)) => Err(SendError { source: error.source, ..SendError::sent(error.fault) }),
        Err(Broken::Stream(error)) => Err(failed(lease.reused, error, sending, upload.as_deref())),
    }
}

/// Why there is no response head.
enum Broken {
    /// It came to nothing on this side.
    Fault(BodyError),
    /// The stream or its connection has ended.
    Stream(h2::Error),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        Self::Stream(error)
    }
}

fn unsent(reused: bool, error: h2::Error, body: RequestBody) -> SendError {
    SendError { reused, body: Some(body), source: Some(Box::new(error)), ..SendError::unsent(Fault::UpstreamClosed) }
}

fn failed(reused: bool, error: h2::Error, sending: Sending, upload: Option<&Upload>) -> SendError {
    let fault = head_fault(&error, upload);
    let untouched = is_unprocessed(&error);
    SendError {
        fault,
        sent: if untouched { Sent::Nothing } else { Sent::Maybe },
        reused: reused && (untouched || fault == Fault::UpstreamClosed),
        body: sending.into_body().filter(|_| untouched),
        source: Some(Box::new(error)),
    }
}

/// Takes the response head, and what comes before it.
fn poll_head(
    response: &mut ResponseFuture,
    before: &mut Before,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, Broken>> {
    while let Some(informational) = ready!(response.poll_informational(cx)) {
        let (head, ()) = informational?.into_parts();
        // HTTP/2 does not have it (RFC 9113, section 8.6).
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Poll::Ready(Err(Fault::UpstreamProtocol.into()));
        }
        before.add(head.status, head.headers)?;
    }
    Pin::new(response).poll(cx).map_err(Broken::Stream)
}

/// The head is here: decides how the body comes, and what becomes of the rest of the request.
fn settle(
    response: Response<RecvStream>,
    is_head: bool,
    lease: Lease,
    (sending, upload): (Sending, Option<Rc<Upload>>),
    (idle, deadline): (Duration, Deadline),
) -> Response<UpstreamBody> {
    // What is left of the request is of no use to an endpoint that has said everything.
    if response.body().is_end_stream() {
        return response.map(|_| UpstreamBody::done());
    }
    let length = if is_head { None } else { http2::length(response.headers()) };
    let sending = if sending.is_done() { None } else { lease.connection.tasks.spawn(sending.finish()) };
    response.map(|stream| {
        UpstreamBody::http2(Download {
            body: http2::Body::new(stream, length),
            _sending: Task(sending),
            upload,
            lease,
            idle,
            deadline,
            wait: BodyWait::default(),
            parts: 0,
        })
    })
}

/// A request's body on its way out. Dropped before its end, it takes the request back.
struct Sending {
    /// Until the stream is open: the endpoint may allow no more at the moment.
    opening: Option<SendRequest<Bytes>>,
    /// `None` once all of it has been sent, or the endpoint takes no more.
    body: Option<RequestBody>,
    /// Taken out of the body, and waits for room.
    held: Option<Bytes>,
    /// Something was taken out of the body, so that it cannot be given back.
    begun: bool,
    stream: SendStream<Bytes>,
}

/// The endpoint takes no more. That does not fail the exchange: its answer says what it thinks of the request.
struct Refused;

impl From<h2::Error> for Refused {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

impl Sending {
    fn is_done(&self) -> bool {
        self.body.is_none()
    }

    /// The body, if it is as good as new.
    fn into_body(mut self) -> Option<RequestBody> {
        self.body.take().filter(|_| !self.begun)
    }

    /// Sends the rest of it. What goes wrong is seen by whoever reads the response.
    async fn finish(mut self) {
        let _ = poll_fn(|cx| self.poll(cx)).await;
    }

    /// Sends what can be sent now. Ready when no more will be, with what went wrong on the client's side.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if let Some(opening) = self.opening.as_mut().filter(|_| self.body.is_some()) {
            // Where it fails, the stream says so, too.
            let _ = ready!(opening.poll_ready(cx));
            self.opening = None;
        }
        while !self.is_done() {
            match ready!(self.poll_part(cx))? {
                Ok(false) => {}
                Ok(true) | Err(Refused) => self.body = None,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the next part: whether it was the last.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Result<bool, Refused>, BodyError>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(Ok(true))) };
        if self.held.is_some() {
            if let Err(error) = ready!(http2::poll_room(&mut self.stream, cx)) {
                return Poll::Ready(Ok(Err(error.into())));
            }
            let is_last = body.is_end_stream();
            let data = self.held.take().unwrap_or_default();
            return Poll::Ready(Ok(self.stream.send_data(data, is_last).map(|()| is_last).map_err(Refused::from)));
        }
        // A piece first, then room for it: room that a body holds which has nothing to send is missing elsewhere.
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            return self.stream.poll_reset(cx).map(|_| Ok(Err(Refused)));
        };
        self.begun = true;
        let sent = match frame.transpose()?.map(Frame::into_data) {
            None => self.stream.send_data(Bytes::new(), true).map(|()| true),
            Some(Ok(data)) if data.is_empty() => {
                let is_last = body.is_end_stream();
                if is_last { self.stream.send_data(data, true).map(|()| true) } else { Ok(false) }
            }
            Some(Ok(data)) => {
                self.stream.reserve_capacity(1);
                self.held = Some(data);
                Ok(false)
            }
            Some(Err(frame)) => match frame.into_trailers() {
                Ok(trailers) => self.stream.send_trailers(trailers).map(|()| true),
                Err(_) => Ok(false),
            },
        };
        Poll::Ready(Ok(sent.map_err(Refused::from)))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_done() {
            // Where the stream has ended already, this does nothing.
            self.stream.send_reset(Reason::CANCEL);
        }
    }
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Task(Option<AbortHandle>);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// A response body on its way in.
#[derive(Debug)]
pub(in super::super) struct Download {
    body: http2::Body,
    /// Sends the rest of the request.
    _sending: Task,
    upload: Option<Rc<Upload>>,
    lease: Lease,
    idle: Duration,
    deadline: Deadline,
    wait: BodyWait,
    parts: u64,
}

impl Download {
    pub(in super::super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Bytes that are still to come, where that is known.
    pub(in super::super) fn left(&self) -> Option<u64> {
        self.body.left()
    }

    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, BodyError>> {
        let upload = self.upload.as_deref();
        match self.body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.wait.moved();
                self.lease.connection.life.hear();
                self.parts += 1;
                Poll::Ready(Ok(Next::Part(frame)))
            }
            // It has said all that it wants to say (RFC 9113, section 8.1).
            Poll::Ready(Some(Err(error))) if error.reason() == Some(Reason::NO_ERROR) => Poll::Ready(self.end()),
            Poll::Ready(Some(Err(error))) => {
                let fault = upload.and_then(Upload::fault).unwrap_or(Fault::UpstreamTruncated);
                Poll::Ready(Err(BodyError::new(fault, error)))
            }
            Poll::Ready(None) => Poll::Ready(self.end()),
            Poll::Pending => {
                let moved = self.parts + upload.map_or(0, Upload::frames);
                let waited = self.wait.poll(cx, moved, self.idle, &mut self.deadline);
                waited.map(|()| Err(Fault::UpstreamIdle.into()))
            }
        }
    }

    /// A body that ended before it was as long as it said has not ended well, whatever it says now.
    fn end(&self) -> Result<Next, BodyError> {
        if self.left().is_some_and(|left| left > 0) { Err(Fault::UpstreamTruncated.into()) } else { Ok(Next::End) }
    }
}
