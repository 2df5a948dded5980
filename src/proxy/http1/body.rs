//! The body of a request, read from the connection as it is asked for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};

use super::conn::{Conn, Shared, Transport};
use crate::http1::Http1Error;
use crate::http1::body::Piece;
use crate::http1::encode::{self, Length};

/// A request's body. Reads no faster than it is polled, so the client is held back by whoever takes it.
pub(crate) struct RequestBody(pub(super) Shared);

/// Why a request's body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestBodyError {
    /// The client closed in the middle of it.
    #[error("the client closed the connection in the middle of its request")]
    Truncated,
    /// The connection failed.
    #[error("the client's connection failed")]
    Io(#[from] std::io::Error),
    /// It broke the grammar of HTTP.
    #[error(transparent)]
    Malformed(#[from] Http1Error),
}

impl RequestBody {
    /// Sends an informational response ahead of the response, if the client's version knows any.
    pub(crate) fn inform(&self, status: StatusCode, headers: &HeaderMap) {
        let conn = &mut *self.0.borrow_mut();
        if conn.knows_informational {
            let length = Length::AsItSays;
            encode::response_head(conn.output.small(), Version::HTTP_11, status, headers, length, None);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        self.0.borrow_mut().poll_body(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.borrow().decoder.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.borrow().decoder.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Conn<dyn Transport> {
    /// The next piece of the present request's body.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        loop {
            match self.decoder.next(&mut self.input)? {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Piece::End => return Poll::Ready(None),
                Piece::More => {
                    ready!(self.poll_continue(cx))?;
                    if ready!(self.poll_fill(cx))? == 0 {
                        return Poll::Ready(Some(Err(RequestBodyError::Truncated)));
                    }
                }
            }
        }
    }

    /// Tells a client that waits for it to go on: its body is wanted now.
    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.owes_continue {
            self.output.small().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.owes_continue = false;
        }
        if self.output.is_empty() { Poll::Ready(Ok(())) } else { self.poll_write_out(cx) }
    }
}
