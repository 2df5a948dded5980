//! One request and its answer on a stream of their own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;

use super::body::RequestBody;
use super::{Answer, SEND_BUFFER, Service};
use crate::http2::poll_room;
use crate::proxy::hop;

/// Has `service` answer `request`, and sends the answer. Ends when that is done, or as soon as the client does not want it.
///
/// Whoever then still has the request's body keeps the stream; once nobody has, a client that is still sending is told to
/// stop (RFC 9113, section 8.1).
pub(super) async fn answer<S: Service>(service: S, request: Request<RecvStream>, reply: SendResponse<Bytes>) {
    let reply = Reply(Rc::new(Unanswered { stream: RefCell::new(Some(reply)), room: Cell::new(SEND_BUFFER) }));
    let answered = {
        let body = reply.clone();
        // Pinned where it is made: it has some kilobytes.
        let mut answer = pin!(service.call(RequestBody::of(request, body)));
        let answered = poll_fn(|cx| {
            // First: a stream that has been reset must not get anything that the answer says ahead of itself.
            if reply.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            answer.as_mut().poll(cx).map(Some)
        });
        answered.await
    };
    let Some(Answer { response, .. }) = answered else { return };
    let (head, body) = response.into_parts();
    let Some(mut stream) = reply.send(head, &body) else { return };
    if let Err(Broken) = send(&mut stream, pin!(body)).await {
        // The client must not take it for whole. Where it has reset the stream itself, this does nothing.
        stream.send_reset(Reason::INTERNAL_ERROR);
    }
}

/// What can be said on a stream until its answer has begun.
#[derive(Clone)]
pub(super) struct Reply(Rc<Unanswered>);

struct Unanswered {
    /// Until the answer has begun.
    stream: RefCell<Option<SendResponse<Bytes>>>,
    /// Bytes that may still be said ahead of it: windows do not hold heads back, whether the client reads or not.
    room: Cell<usize>,
}

impl Reply {
    /// Sends an informational response, if the answer has not begun and there is room for it.
    pub(super) fn inform(&self, status: StatusCode, headers: HeaderMap) {
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let Some(room) = self.0.room.get().checked_sub(size) else { return };
        self.0.room.set(room);
        if let Some(reply) = self.0.stream.borrow_mut().as_mut() {
            let mut response = Response::new(());
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            // One that cannot be sent is no reason not to answer.
            let _ = reply.send_informational(response);
        }
    }

    /// Ready when the client has taken the request back, or its connection has ended.
    fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.stream.borrow_mut().as_mut().map_or(Poll::Ready(()), |reply| reply.poll_reset(cx).map(drop))
    }

    /// Sends the head of the answer; the stream for `body`, if there is one.
    fn send(&self, head: Parts, body: &impl Body) -> Option<SendStream<Bytes>> {
        let mut reply = self.0.stream.borrow_mut().take()?;
        let mut head = Response::from_parts(head, ());
        let is_whole = body.is_end_stream();
        if let Some(length) = body.size_hint().exact().filter(|_| !is_whole) {
            head.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        match reply.send_response(head, is_whole) {
            Ok(stream) => (!is_whole).then_some(stream),
            Err(error) => {
                tracing::debug!(%error, "an answer cannot be sent by HTTP/2");
                reply.send_reset(Reason::INTERNAL_ERROR);
                None
            }
        }
    }
}

/// The answer cannot be sent to its end: its body has broken off, or the client does not want it.
struct Broken;

impl From<h2::Error> for Broken {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// Sends `body`, as the client makes room for it.
async fn send<B: Body<Data = Bytes>>(stream: &mut SendStream<Bytes>, mut body: Pin<&mut B>) -> Result<(), Broken> {
    loop {
        // A piece first, then room for it: room that a body holds which has nothing to send is missing elsewhere.
        let frame = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => stream.poll_reset(cx).map(|_| Err(Broken)),
        });
        let Some(frame) = frame.await? else { return Ok(stream.send_data(Bytes::new(), true)?) };
        match frame.map_err(|_| Broken)?.into_data() {
            Ok(data) => {
                let is_last = body.is_end_stream();
                if !data.is_empty() {
                    stream.reserve_capacity(1);
                    poll_fn(|cx| poll_room(stream, cx)).await?;
                }
                if !data.is_empty() || is_last {
                    stream.send_data(data, is_last)?;
                }
                if is_last {
                    return Ok(());
                }
            }
            Err(other) => {
                let Ok(mut trailers) = other.into_trailers() else { continue };
                hop::strip_trailers(&mut trailers);
                return Ok(stream.send_trailers(trailers)?);
            }
        }
    }
}
