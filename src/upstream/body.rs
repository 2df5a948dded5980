//! Bodies: what goes to an endpoint, and what comes back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::io::Upgraded;
use super::{http1, http2};
use crate::outcome::Fault;

/// The body of a request to an endpoint.
pub struct RequestBody(Source);

/// Who hears of the informational responses (RFC 9110, 15.2) that come before the response.
pub trait Informed: fmt::Debug {
    /// One has come: 102 to 199, but not 101.
    fn inform(&self, status: StatusCode, headers: HeaderMap);
}

/// Who hears of informational responses is where there is room for it: a body passes through many hands.
enum Source {
    Empty(Option<Rc<dyn Informed>>),
    Full(Bytes),
    Stream { body: Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>, upload: Rc<Upload> },
}

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(Source::Empty(None))
    }

    /// These bytes; none is like [`RequestBody::empty`].
    pub fn full(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Source::Empty(None) } else { Source::Full(bytes) })
    }

    /// What `body` yields. Its errors end the exchange with their fault. One that is at its end is like
    /// [`RequestBody::empty`].
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BodyError> + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self(Source::Stream { body: Box::pin(body), upload: Rc::default() })
    }

    /// The same body, and `client` hears of informational responses. A [`RequestBody::full`] one, which no client waits for,
    /// forgets it.
    #[must_use]
    pub fn informing(mut self, client: Rc<dyn Informed>) -> Self {
        match &mut self.0 {
            Source::Empty(informed) => *informed = Some(client),
            Source::Full(_) => {}
            Source::Stream { upload, .. } => *upload.informed.borrow_mut() = Some(client),
        }
        self
    }

    /// Who hears of informational responses.
    pub(super) fn informed(&self) -> Option<Rc<dyn Informed>> {
        match &self.0 {
            Source::Empty(informed) => informed.clone(),
            Source::Full(_) => None,
            Source::Stream { upload, .. } => upload.informed.borrow().clone(),
        }
    }

    /// How the stream fares; `None` for a body that is there as a whole.
    pub(super) fn upload(&self) -> Option<Rc<Upload>> {
        match &self.0 {
            Source::Empty(_) | Source::Full(_) => None,
            Source::Stream { upload, .. } => Some(upload.clone()),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Empty(_) => f.write_str("Empty"),
            Source::Full(bytes) => write!(f, "Full({})", bytes.len()),
            Source::Stream { .. } => f.write_str("Stream"),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Empty(_) => Poll::Ready(None),
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Source::Empty(None);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Stream { body, upload } => upload.poll(body.as_mut(), cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty(_) => true,
            Source::Full(_) => false,
            Source::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty(_) => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Source::Stream { upload, .. } = &self.0 {
            upload.done.set(true);
        }
    }
}

/// How the streaming body of a request fares: seen by whoever waits for the response.
#[derive(Debug, Default)]
pub(super) struct Upload {
    done: Cell<bool>,
    frames: Cell<u64>,
    waits_for_client: Cell<bool>,
    fault: Cell<Option<Fault>>,
    informed: RefCell<Option<Rc<dyn Informed>>>,
}

impl Upload {
    /// Nothing more will come of it.
    pub(super) fn is_done(&self) -> bool {
        self.done.get()
    }

    /// Parts that were taken from the client so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// The endpoint has taken all that the client has sent so far.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waits_for_client.get()
    }

    /// What went wrong on the client's side.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    fn poll(
        &self,
        body: Pin<&mut dyn Body<Data = Bytes, Error = BodyError>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = body.poll_frame(cx);
        self.waits_for_client.set(polled.is_pending());
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => self.frames.set(self.frames.get() + 1),
            Poll::Ready(Some(Err(error))) => {
                self.fault.set(Some(error.fault));
                self.done.set(true);
            }
            Poll::Ready(None) => self.done.set(true),
        }
        polled
    }
}

/// The body of a response: streams as fast as it is read, and no faster.
///
/// Ends with an error where the endpoint's did not end well. Dropped early, it closes the connection or resets the stream.
#[derive(Debug)]
pub struct UpstreamBody(State);

#[derive(Debug)]
enum State {
    /// Nothing more will come.
    Done,
    /// All of it came with its head; the connection is in other hands by now.
    Whole(Bytes),
    /// Still coming in.
    Http1(Box<http1::Download>),
    /// Still coming in.
    Http2(Box<http2::Download>),
    /// No body: another protocol.
    Upgraded(Box<Upgraded>),
    /// Read ahead of whoever wants it; then the rest.
    Gathered(VecDeque<Frame<Bytes>>, Box<UpstreamBody>),
}

impl UpstreamBody {
    /// Whether some of it is still to come from the endpoint.
    pub fn is_coming(&self) -> bool {
        matches!(self.0, State::Http1(_) | State::Http2(_)) && !self.is_end_stream()
    }

    /// Reads on until all of it is here, if it is known to have no more than `most` bytes; but only as long as `patience`.
    ///
    /// # Errors
    /// The body broke off, before anybody has seen any of it.
    pub async fn gather(&mut self, most: u64, patience: Duration) -> Result<(), BodyError> {
        if !self.is_coming() || self.size_hint().exact().is_none_or(|length| length > most) {
            return Ok(());
        }
        let mut rest = Self(std::mem::replace(&mut self.0, State::Done));
        let mut parts = VecDeque::new();
        let reading = async {
            while !rest.is_end_stream() {
                match poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
                    Some(part) => parts.push_back(part?),
                    None => break,
                }
            }
            Ok(())
        };
        let gathered = tokio::time::timeout(patience, reading).await.unwrap_or(Ok(()));
        self.0 = State::Gathered(parts, Box::new(rest));
        gathered
    }

    /// The connection of a 101 response, once.
    pub fn upgraded(&mut self) -> Option<Upgraded> {
        match std::mem::replace(&mut self.0, State::Done) {
            State::Upgraded(upgraded) => Some(*upgraded),
            other => {
                self.0 = other;
                None
            }
        }
    }

    pub(super) fn done() -> Self {
        Self(State::Done)
    }

    pub(super) fn whole(data: Bytes) -> Self {
        Self(State::Whole(data))
    }

    pub(super) fn http1(download: http1::Download) -> Self {
        Self(State::Http1(Box::new(download)))
    }

    pub(super) fn http2(download: http2::Download) -> Self {
        Self(State::Http2(Box::new(download)))
    }

    pub(super) fn switched(upgraded: Upgraded) -> Self {
        Self(State::Upgraded(Box::new(upgraded)))
    }
}

/// What a download hands to its body.
pub(super) enum Next {
    /// A part; more may come.
    Part(Frame<Bytes>),
    /// A part, the last one.
    LastPart(Frame<Bytes>),
    /// It ended well.
    End,
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            State::Done | State::Upgraded(_) => return Poll::Ready(None),
            State::Gathered(parts, rest) => {
                return match parts.pop_front() {
                    Some(part) => Poll::Ready(Some(Ok(part))),
                    None => Pin::new(&mut **rest).poll_frame(cx),
                };
            }
            State::Whole(data) => Ok(Next::LastPart(Frame::data(std::mem::take(data)))),
            State::Http1(download) => std::task::ready!(download.poll(cx)),
            State::Http2(download) => std::task::ready!(download.poll(cx)),
        };
        let (state, frame) = match next {
            Ok(Next::Part(frame)) => return Poll::Ready(Some(Ok(frame))),
            Ok(Next::LastPart(frame)) => (State::Done, Some(Ok(frame))),
            Ok(Next::End) => (State::Done, None),
            Err(error) => (State::Done, Some(Err(error))),
        };
        self.0 = state;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Done | State::Upgraded(_) => true,
            State::Whole(_) | State::Http1(_) => false,
            State::Http2(download) => download.is_end_stream(),
            State::Gathered(parts, rest) => parts.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Done | State::Upgraded(_) => SizeHint::with_exact(0),
            State::Whole(data) => SizeHint::with_exact(data.len() as u64),
            State::Http1(download) => download.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            State::Http2(download) => download.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            State::Gathered(parts, rest) => {
                let here: usize = parts.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
                // Only what is of known length is gathered.
                SizeHint::with_exact(here as u64 + rest.size_hint().exact().unwrap_or_default())
            }
        }
    }
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct BodyError {
    /// What went wrong, and so who is to blame.
    pub fault: Fault,
    /// The cause, for the log.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl BodyError {
    /// Of `fault`, because of `cause`.
    pub fn new(fault: Fault, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { fault, source: Some(cause.into()) }
    }
}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        Self { fault, source: None }
    }
}
