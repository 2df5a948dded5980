//! What drives a connection, and finds out whether its endpoint is still there.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Ping, PingPong};
use tokio::time::Instant;

use super::super::connect::Stream;
use super::super::timer::Deadline;

/// How a connection fares: known to those who use it and to the task that drives it.
pub(super) struct Life {
    over: Cell<bool>,
    streams: Cell<usize>,
    /// When something was last taken from a stream.
    heard: Cell<Instant>,
}

impl Life {
    pub(super) fn begin() -> Self {
        Self { over: Cell::new(false), streams: Cell::new(0), heard: Cell::new(Instant::now()) }
    }

    /// Whether nobody drives it any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    pub(super) fn add_stream(&self) {
        self.streams.set(self.streams.get() + 1);
    }

    pub(super) fn remove_stream(&self) {
        self.streams.set(self.streams.get() - 1);
    }

    /// The endpoint has said something.
    pub(super) fn hear(&self) {
        self.heard.set(Instant::now());
    }
}

/// Drives a connection to its end. Dropped, it takes the connection away from all who use it.
pub(super) struct Driver {
    connection: h2::client::Connection<Stream, Bytes>,
    heart: Heart,
}

impl Driver {
    pub(super) fn new(mut connection: h2::client::Connection<Stream, Bytes>, life: Rc<Life>) -> Self {
        let pings = connection.ping_pong();
        Self { connection, heart: Heart { life, pings, deadline: Deadline::default(), asked: None } }
    }

    pub(super) async fn run(mut self) {
        self.heart.deadline.set(PING_INTERVAL);
        let ended = poll_fn(|cx| match Pin::new(&mut self.connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => self.heart.poll_stopped(cx).map(Ok),
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "an HTTP/2 connection to an endpoint broke");
        }
    }
}

impl Drop for Driver {
    /// However its task ended: by a panic, too.
    fn drop(&mut self) {
        self.heart.life.over.set(true);
    }
}

/// Whether the endpoint is still there.
struct Heart {
    life: Rc<Life>,
    pings: Option<PingPong>,
    deadline: Deadline,
    /// When it was sent a PING that it has not answered.
    asked: Option<Instant>,
}

impl Heart {
    /// Ready when nothing has been heard of an endpoint with open streams for too long. Asks it before.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The connection, which has just been polled, is what wakes when there is an answer.
        let mut unheard = Context::from_waker(Waker::noop());
        if self.asked.is_some() && self.pings.as_mut().is_some_and(|pings| pings.poll_pong(&mut unheard).is_ready()) {
            self.asked = None;
            self.life.hear();
            self.deadline.set(PING_INTERVAL);
        }
        loop {
            ready!(self.deadline.poll(cx));
            let heard = self.life.heard.get();
            if self.asked.is_some_and(|asked| heard <= asked) {
                return Poll::Ready(());
            }
            let quiet = heard.elapsed();
            if self.life.streams() == 0 {
                self.deadline.set(PING_INTERVAL);
            } else if quiet < PING_INTERVAL {
                self.deadline.set(PING_INTERVAL - quiet);
            } else {
                self.asked = Some(Instant::now());
                self.deadline.set(PING_TIMEOUT);
                if let Some(pings) = &mut self.pings {
                    // One that has not answered the PING before, but talks, is there too.
                    let _ = pings.send_ping(Ping::opaque());
                }
            }
        }
    }
}

/// Pings tell whether a silent connection with open streams still lives. Servers take more than one in five minutes amiss
/// (gRPC's "too many pings"), so this is a backstop behind TCP's keep-alive.
const PING_INTERVAL: Duration = Duration::from_secs(305);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
