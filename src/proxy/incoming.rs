//! A request's body as it comes in, whichever HTTP the client speaks.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::http1::{RequestBody, RequestBodyError};
use crate::outcome::Fault;

/// A request's body.
pub(super) enum Incoming {
    /// By HTTP/1.
    Http1(RequestBody),
    /// By HTTP/2.
    Http2(hyper::body::Incoming),
}

impl Incoming {
    /// Passes an informational response on to whoever sends this. hyper's HTTP/2 cannot.
    pub(super) fn inform(&self, status: StatusCode, headers: &HeaderMap) {
        if let Self::Http1(body) = self {
            body.inform(status, headers);
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
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|error| of_hyper(&error))))
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

/// A stream that breaks the framing is reset by h2, with an error of the protocol in its chain.
fn of_hyper(error: &hyper::Error) -> Fault {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let malformed = matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
            return if malformed { Fault::BadRequest } else { Fault::ClientGone };
        }
        cause = inner.source();
    }
    Fault::ClientGone
}
