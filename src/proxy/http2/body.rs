//! The body of a request, taken from its stream as it is asked for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::stream::Reply;

/// A request's body. Makes room for more only as it is polled, so the client is held back by whoever takes it.
pub(crate) struct RequestBody {
    stream: RecvStream,
    reply: Reply,
    /// Bytes still to come, where the head says how many there are.
    left: Option<u64>,
    /// All its data has been taken; trailers may follow.
    data_is_over: bool,
    /// The client waits for 100 (Continue) before it sends its body.
    owes_continue: bool,
}

impl RequestBody {
    /// `request`, whose answer goes to `reply`.
    pub(super) fn of(request: Request<RecvStream>, reply: Reply) -> Request<Self> {
        let is_over = request.body().is_end_stream();
        let headers = request.headers();
        let left = if is_over { Some(0) } else { length(headers) };
        let says_so =
            || headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let owes_continue = !is_over && says_so();
        request.map(|stream| Self { stream, reply, left, data_is_over: false, owes_continue })
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

/// What the head says of the body's length. h2 has seen to it that it says one thing, and it holds the body to it.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.data_is_over {
            let polled = this.stream.poll_data(cx);
            if polled.is_pending() {
                this.go_on();
            }
            if let Some(data) = ready!(polled).transpose()? {
                let _ = this.stream.flow_control().release_capacity(data.len());
                this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            this.data_is_over = true;
        }
        this.stream.poll_trailers(cx).map(|trailers| trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
