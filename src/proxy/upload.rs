//! The request body on its way to the upstream: counted against the limit, watched, and kept while it is small enough to be
//! sent again.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::exchange::Exchange;
use super::hop;
use super::incoming::Incoming;
use crate::outcome::Fault;
use crate::upstream::{BodyError, Informed, RequestBody};

/// A request body. Several attempts may read it, one after the other.
pub(super) struct Upload {
    exchange: Rc<Exchange>,
    incoming: RefCell<Incoming>,
    hint: SizeHint,
    limit: Option<u64>,
    kept: RefCell<Kept>,
    received: Cell<u64>,
    touched: Cell<Touched>,
    state: Cell<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There may be more.
    Open,
    /// It came to its end.
    Ended,
    /// It broke off.
    Broken(Fault),
}

/// Whether anything was taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touched {
    Yes,
    No,
}

/// What has been read so far.
#[derive(Clone, Debug)]
enum Kept {
    /// All of it.
    Whole(Vec<Part>),
    /// It is gone: nobody wanted it kept, or it was too large.
    Gone,
}

/// A frame that can be cloned.
#[derive(Clone, Debug)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Upload {
    /// The body of the request of `exchange`.
    pub(super) fn new(exchange: &Rc<Exchange>, incoming: Incoming) -> Rc<Self> {
        let state = if incoming.is_end_stream() { State::Ended } else { State::Open };
        // Nothing is kept before somebody asks for it; of nothing, everything is.
        let kept = if state == State::Ended { Kept::Whole(Vec::new()) } else { Kept::Gone };
        let upload = Rc::new(Self {
            hint: incoming.size_hint(),
            limit: exchange.view().snapshot.client.body_bytes,
            exchange: exchange.clone(),
            incoming: RefCell::new(incoming),
            kept: RefCell::new(kept),
            received: Cell::new(0),
            touched: Cell::new(Touched::No),
            state: Cell::new(state),
        });
        exchange.uploads(&upload);
        upload
    }

    /// Nothing more may be read: the exchange is over.
    pub(super) fn cut(&self) {
        if self.state.get() == State::Open {
            self.state.set(State::Broken(Fault::ClientGone));
        }
    }

    /// Whether it says of itself that it is within the limit.
    ///
    /// # Errors
    /// [`Fault::BodyTooLarge`].
    pub(super) fn check_length(&self) -> Result<(), Fault> {
        if self.limit.is_some_and(|limit| self.hint.lower() > limit) { Err(Fault::BodyTooLarge) } else { Ok(()) }
    }

    /// Keeps the body from now on, while it is small: it may be wanted again. Call it before the first byte is read.
    pub(super) fn keep(&self) {
        if self.touched.get() == Touched::No && self.may_be_kept() {
            *self.kept.borrow_mut() = Kept::Whole(Vec::new());
        }
    }

    /// The body for another attempt, from its first byte. Only when [`Upload::is_whole`], or for the first attempt.
    pub(super) fn body(self: &Rc<Self>) -> RequestBody {
        let nothing = self.hint.exact() == Some(0) && self.state.get() == State::Ended;
        let body =
            if nothing { RequestBody::empty() } else { RequestBody::stream(Reading { upload: self.clone(), next: 0 }) };
        body.informing(self.clone())
    }

    /// Whether every byte that was read can be read again; also while none has been.
    pub(super) fn is_whole(&self) -> bool {
        let whole = self.touched.get() == Touched::No || matches!(*self.kept.borrow(), Kept::Whole(_));
        whole && !matches!(self.state.get(), State::Broken(_))
    }

    /// Whether it may turn out small enough to be kept.
    pub(super) fn may_be_kept(&self) -> bool {
        self.hint.lower() <= MOST_KEPT as u64
    }

    /// Whether it has ended, and was kept: [`Upload::copy`] gives it.
    pub(super) fn is_kept(&self) -> bool {
        matches!((&*self.kept.borrow(), self.state.get()), (Kept::Whole(_), State::Ended))
    }

    /// The whole body, if it has ended and was kept: for copies.
    pub(super) fn copy(&self) -> Option<Bytes> {
        let kept = self.kept.borrow();
        let (Kept::Whole(parts), State::Ended) = (&*kept, self.state.get()) else { return None };
        let data: Vec<&Bytes> = parts.iter().filter_map(Part::data).collect();
        match data.as_slice() {
            [] => Some(Bytes::new()),
            [one] => Some((*one).clone()),
            many => Some(many.iter().flat_map(|bytes| bytes.iter().copied()).collect()),
        }
    }

    /// Why it broke off: the client's fault behind an upstream's error.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.state.get() {
            State::Broken(fault) => Some(fault),
            State::Open | State::Ended => None,
        }
    }

    fn poll_incoming(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = Pin::new(&mut *self.incoming.borrow_mut()).poll_frame(cx);
        let watch = &self.exchange.still;
        if polled.is_pending() {
            watch.upload_awaited();
            return Poll::Pending;
        }
        watch.upload_moved();
        match ready!(polled) {
            Some(Ok(frame)) => Poll::Ready(Some(self.take(frame))),
            Some(Err(error)) => Poll::Ready(Some(Err(self.broke(error)))),
            None => {
                self.state.set(State::Ended);
                Poll::Ready(None)
            }
        }
    }

    fn take(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Fault> {
        let count = frame.data_ref().map_or(0, Bytes::len);
        self.touched.set(Touched::Yes);
        self.received.set(self.received.get() + count as u64);
        self.exchange.note(|account| account.received += count as u64);
        if self.limit.is_some_and(|limit| self.received.get() > limit) {
            return Err(self.broke(Fault::BodyTooLarge));
        }
        let mut kept = self.kept.borrow_mut();
        if let Kept::Whole(parts) = &mut *kept {
            match Part::of(&frame) {
                Some(part) if self.received.get() <= MOST_KEPT as u64 && parts.len() < MOST_PARTS => parts.push(part),
                _ => *kept = Kept::Gone,
            }
        }
        if self.incoming.borrow().is_end_stream() {
            self.state.set(State::Ended);
        }
        Ok(frame)
    }

    fn broke(&self, fault: Fault) -> Fault {
        self.state.set(State::Broken(fault));
        fault
    }

    fn kept(&self, index: usize) -> Option<Part> {
        match &*self.kept.borrow() {
            Kept::Whole(parts) => parts.get(index).cloned(),
            Kept::Gone => None,
        }
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Informed for Upload {
    fn inform(&self, status: StatusCode, mut headers: HeaderMap) {
        hop::strip_response(&mut headers, status);
        self.incoming.borrow().inform(status, headers);
    }
}

/// One attempt's reading of an upload.
struct Reading {
    upload: Rc<Upload>,
    next: usize,
}

impl Body for Reading {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(part) = self.upload.kept(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(part.into_frame())));
        }
        match self.upload.state.get() {
            State::Ended => Poll::Ready(None),
            State::Broken(fault) => Poll::Ready(Some(Err(fault.into()))),
            State::Open => {
                let frame = ready!(self.upload.poll_incoming(cx));
                self.next += 1;
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.upload.state.get() == State::Ended && self.upload.kept(self.next).is_none()
    }

    /// Asked before the first byte is read, for the framing; what is left counts only then.
    fn size_hint(&self) -> SizeHint {
        if self.next == 0 { self.upload.hint } else { self.upload.incoming.borrow().size_hint() }
    }
}

impl Part {
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame.data_ref().cloned().map(Self::Data);
        data.or_else(|| frame.trailers_ref().cloned().map(Self::Trailers))
    }

    fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Data(bytes) => Some(bytes),
            Self::Trailers(_) => None,
        }
    }

    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(bytes) => Frame::data(bytes),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

/// Bytes of a body that are kept to be sent again. Most bodies of idempotent requests are smaller; each kept one costs its
/// size for as long as the request runs.
const MOST_KEPT: usize = 64 * 1024;

/// A body in crumbs costs more than its bytes.
const MOST_PARTS: usize = 256;
