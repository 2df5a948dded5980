//! A request's body as it comes in, whichever HTTP the client speaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::http1::RequestBodyError;
use super::{http1, http2};
use crate::outcome::Fault;

/// A request's body.
pub(super) enum Incoming {
    /// By HTTP/1.
    Http1(http1::RequestBody),
    /// By HTTP/2.
    Http2(http2::RequestBody),
}

impl Incoming {
    /// Passes an informational response on to whoever sends this.
    pub(super) fn inform(&self, status: StatusCode, headers: HeaderMap) {
        match self {
            Self::Http1(body) => body.inform(status, &headers),
            Self::Http2(body) => body.inform(status, headers),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.get_mut() {
            Self::Http1(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|error| of_http1(&error))))
            }
            Self::Http2(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|error| of_http2(&error))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

fn of_http1(error: &RequestBodyError) -> Fault {
    match error {
        RequestBodyError::Truncated | RequestBodyError::Io(_) => Fault::ClientGone,
        RequestBodyError::Malformed(_) => Fault::BadRequest,
    }
}

/// h2 itself resets a stream that breaks the framing.
fn of_http2(error: &h2::Error) -> Fault {
    if error.is_library() { Fault::BadRequest } else { Fault::ClientGone }
}
