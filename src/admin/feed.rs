//! `GET /releases?watch=1`: the overview now, and again after each change.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::ACCEPT;
use http_body::{Body, Frame};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::AdminState;
use crate::engine::ReleaseStatus;

/// How the pieces of a stream are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A line of JSON each; an empty line says that the connection lives.
    Lines,
    /// Server-sent events; a comment says that the connection lives.
    Events,
}

impl Framing {
    /// What the caller asks for: lines unless `accept` names server-sent events.
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepted.any(|value| value.contains("text/event-stream")) { Self::Events } else { Self::Lines }
    }
}

/// A body that goes on until the reader leaves or weir ends. Nothing is queued: a slow reader skips to the newest.
pub(super) struct Feed {
    framing: Framing,
    next: Option<Next>,
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Source)>> + Send>>;

impl Feed {
    /// Begins with the present.
    pub(super) fn new(state: AdminState, framing: Framing, cancel: CancellationToken) -> Self {
        let mut receiver = state.control.subscribe();
        receiver.mark_changed();
        let source = Source { state, receiver, framing, cancel };
        Self { framing, next: Some(Box::pin(source.next())) }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.framing {
            Framing::Lines => "application/x-ndjson",
            Framing::Events => "text/event-stream",
        }
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        let piece = ready!(next.as_mut().poll(context));
        let (bytes, next) = match piece {
            Some((bytes, source)) => (Some(bytes), Some(Box::pin(source.next()) as Next)),
            None => (None, None),
        };
        self.next = next;
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

struct Source {
    state: AdminState,
    receiver: watch::Receiver<Arc<Vec<ReleaseStatus>>>,
    framing: Framing,
    cancel: CancellationToken,
}

impl Source {
    /// The next piece; `None` when weir ends.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let changed = tokio::select! {
            () = self.cancel.cancelled() => return None,
            changed = tokio::time::timeout(HEARTBEAT, self.receiver.changed()) => changed,
        };
        let piece = match changed {
            Ok(Ok(())) => self.overview()?,
            Ok(Err(_)) => return None,
            Err(_) => self.heartbeat(),
        };
        Some((piece, self))
    }

    fn overview(&mut self) -> Option<Bytes> {
        self.receiver.mark_unchanged();
        let json = serde_json::to_string(&self.state.overview());
        let json = json.inspect_err(|error| tracing::error!(%error, "releases cannot be written as JSON")).ok()?;
        Some(match self.framing {
            Framing::Lines => format!("{json}\n").into(),
            Framing::Events => format!("event: releases\ndata: {json}\n\n").into(),
        })
    }

    fn heartbeat(&self) -> Bytes {
        match self.framing {
            Framing::Lines => Bytes::from_static(b"\n"),
            Framing::Events => Bytes::from_static(b": still here\n\n"),
        }
    }
}

/// Often enough that a reader notices a dead connection, and that a dead reader is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);
