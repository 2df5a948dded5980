//! The response body on its way to the client. Whoever drops it ends the exchange.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::evidence::Ending;
use super::exchange::Ticket;
use crate::outcome::{Fault, Semantics};
use crate::upstream::{BodyError, UpstreamBody};

/// A response body.
pub(super) struct Download(Carrier);

enum Carrier {
    /// Ends its exchange.
    Exchange(Passing),
    /// Belongs to none: perhaps a text.
    Loose(Option<Bytes>),
}

struct Passing {
    ticket: Ticket,
    source: Source,
    semantics: Semantics,
}

enum Source {
    /// Nothing more to come.
    Done,
    /// Made here.
    Local(Bytes),
    /// From the upstream: in [`super::exchange::Exchange::payload`].
    Upstream,
}

/// What a response carries, before it is sent.
pub(super) enum Payload {
    /// A text made here; perhaps empty.
    Local(Bytes),
    /// The upstream's body.
    Upstream(UpstreamBody, Semantics),
}

impl Payload {
    /// No body, made here.
    pub(super) fn empty() -> Self {
        Self::Local(Bytes::new())
    }
}

impl Download {
    /// No body; the exchange is somebody else's.
    pub(super) fn empty() -> Self {
        Self(Carrier::Loose(None))
    }

    /// A text that belongs to no exchange.
    pub(super) fn text(payload: Payload) -> Self {
        match payload {
            Payload::Local(text) => Self(Carrier::Loose(Some(text))),
            Payload::Upstream(..) => Self::empty(),
        }
    }

    /// Passes `payload` on. Where `ends_with_head` says so, no body follows whatever the payload is.
    pub(super) fn new(ticket: Ticket, payload: Payload, ends_with_head: bool) -> Self {
        let (source, semantics) = match payload {
            Payload::Local(text) if text.is_empty() => (Source::Done, Semantics::Http),
            Payload::Local(text) => (Source::Local(text), Semantics::Http),
            Payload::Upstream(body, semantics) => {
                let done = ends_with_head || body.is_end_stream();
                *ticket.payload.borrow_mut() = Some(body);
                (if done { Source::Done } else { Source::Upstream }, semantics)
            }
        };
        let mut passing = Passing { ticket, source, semantics };
        if ends_with_head || matches!(passing.source, Source::Done) {
            passing.whole();
        }
        Self(Carrier::Exchange(passing))
    }
}

impl Passing {
    /// The last byte was handed over, without trailers that say anything else.
    fn whole(&mut self) {
        self.source = Source::Done;
        // What the head said has been noted; a gRPC call that ends without a status has failed.
        let ending = match self.semantics {
            Semantics::Http => Ending::Good,
            Semantics::Grpc => self.grpc_ending(None),
        };
        self.ticket.ended(ending);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if self.semantics == Semantics::Grpc {
            let ending = self.grpc_ending(grpc_status(trailers));
            self.ticket.ended(ending);
            self.semantics = Semantics::Http;
        }
    }

    fn grpc_ending(&self, code: Option<u8>) -> Ending {
        let code = code.unwrap_or(GRPC_UNKNOWN);
        self.ticket.release().map_or(Ending::Good, |release| Ending::of_grpc(&release.failures, code))
    }

    fn break_off(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.source = Source::Done;
        self.ticket.broke(fault);
        let body = self.ticket.payload.borrow_mut().take();
        drop(body);
        Poll::Ready(Some(Err(fault.into())))
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = |body: &mut UpstreamBody| (Pin::new(&mut *body).poll_frame(cx), body.is_end_stream());
        let polled = self.ticket.payload.borrow_mut().as_mut().map(poll);
        match polled {
            Some((Poll::Ready(Some(Ok(frame))), ended)) => {
                let count = frame.data_ref().map_or(0, Bytes::len);
                self.ticket.note(|account| account.sent += count as u64);
                self.ticket.still.download_moved();
                if let Some(trailers) = frame.trailers_ref() {
                    self.trailers(trailers);
                }
                // Nobody asks again after the last byte of a known length.
                if ended {
                    self.whole();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some((Poll::Ready(Some(Err(error))), _)) => self.break_off(error.fault),
            Some((Poll::Ready(None), _)) => {
                self.whole();
                Poll::Ready(None)
            }
            Some((Poll::Pending, _)) => {
                self.ticket.still.download_awaited();
                match self.ticket.poll_given_up(cx) {
                    Poll::Ready(fault) => self.break_off(fault),
                    Poll::Pending => Poll::Pending,
                }
            }
            None => self.break_off(self.ticket.still.fault().unwrap_or(Fault::ClientTimeout)),
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let passing = match &mut self.0 {
            Carrier::Exchange(passing) => passing,
            Carrier::Loose(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        };
        match std::mem::replace(&mut passing.source, Source::Done) {
            Source::Done => Poll::Ready(None),
            Source::Local(text) => {
                let count = text.len() as u64;
                passing.ticket.note(|account| account.sent += count);
                passing.whole();
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Source::Upstream => {
                passing.source = Source::Upstream;
                passing.poll_upstream(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Carrier::Exchange(passing) => matches!(passing.source, Source::Done),
            Carrier::Loose(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let passing = match &self.0 {
            Carrier::Exchange(passing) => passing,
            Carrier::Loose(text) => return SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        };
        match &passing.source {
            Source::Done => SizeHint::with_exact(0),
            Source::Local(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream => {
                passing.ticket.payload.borrow().as_ref().map_or_else(SizeHint::default, Body::size_hint)
            }
        }
    }
}

/// `grpc-status` in a head or in trailers; a value that is no number is unknown.
pub(super) fn grpc_status(fields: &HeaderMap) -> Option<u8> {
    let value = fields.get("grpc-status")?;
    Some(value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(GRPC_UNKNOWN))
}

/// `grpc-status` in the head of a response, where that is what says how it went.
pub(super) fn grpc_status_in_head(semantics: Semantics, headers: &HeaderMap) -> Option<u8> {
    match semantics {
        Semantics::Grpc => grpc_status(headers),
        Semantics::Http => None,
    }
}

/// Whether a response of `status` to a request has no body, whatever its fields say.
pub(super) fn is_bodiless(method: &http::Method, status: StatusCode) -> bool {
    *method == http::Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// gRPC's status for a call that ended without one.
pub(super) const GRPC_UNKNOWN: u8 = 2;
