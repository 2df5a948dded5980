//! The body of a request, taken from its stream as it is asked for.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http::header::EXPECT;
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::stream::Reply;
use crate::http2;

/// A request's body.
pub(crate) struct RequestBody {
    body: http2::Body,
    reply: Reply,
    /// The client waits for 100 (Continue) before it sends its body.
    owes_continue: bool,
}

impl RequestBody {
    /// `request`, whose answer goes to `reply`.
    pub(super) fn of(request: Request<RecvStream>, reply: Reply) -> Request<Self> {
        let is_over = request.body().is_end_stream();
        let headers = request.headers();
        let length = if is_over { Some(0) } else { http2::length(headers) };
        let says_so =
            || headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let owes_continue = !is_over && says_so();
        request.map(|stream| Self { body: http2::Body::new(stream, length), reply, owes_continue })
    }

    /// Sends an informational response ahead of the response.
    pub(crate) fn inform(&self, status: StatusCode, headers: HeaderMap) {
        self.reply.inform(status, headers);
    }

    /// Tells a client that waits for it to go on: its body is wanted now, and none of it is here.
    fn go_on(&mut self) {
        if std::mem::take(&mut self.owes_continue) {
            self.inform(StatusCode::CONTINUE, HeaderMap::new());
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let polled = self.body.poll_frame(cx);
        if polled.is_pending() {
            self.go_on();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
