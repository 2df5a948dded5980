//! What both sides do with a stream of HTTP/2: take a body from it as it is asked for, and wait for room on it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Frame;

/// A body on its way in. Makes room for more only as it is polled, so the peer is held back by whoever takes it.
#[derive(Debug)]
pub struct Body {
    stream: RecvStream,
    left: Option<u64>,
    /// All its data has been taken; trailers may follow.
    data_is_over: bool,
}

impl Body {
    /// What comes on `stream`: as many bytes as `length` says, if it says so.
    pub fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { stream, left: length, data_is_over: false }
    }

    /// Bytes still to come, where the head says how many there are.
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// The next part. The peer may send as much again as is taken.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_is_over {
            if let Some(data) = ready!(self.stream.poll_data(cx)).transpose()? {
                let _ = self.stream.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.data_is_over = true;
        }
        self.stream.poll_trailers(cx).map(|trailers| trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }
}

/// What a head says of its body's length. h2 has seen to it that it says one thing, and it holds the body to it.
pub fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Ready when there is room for a piece of whatever size: no more than one waits for the peer behind what it has room for.
///
/// # Errors
/// The peer takes no more.
pub fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(granted) => drop(granted?),
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
    Poll::Ready(Ok(()))
}
