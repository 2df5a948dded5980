//! Deadlines that cost nothing while they are kept.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::body::Upload;
use crate::outcome::Fault;

/// A deadline that is moved much more often than it is reached.
///
/// The timer behind it is only ever moved forward when it fires, or back when a deadline comes before it: so a connection
/// that carries thousands of exchanges a minute registers with the runtime's timer wheel about once a minute.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    at: Option<Instant>,
}

impl Deadline {
    /// From now on `after` from now.
    pub(super) fn set(&mut self, after: Duration) {
        self.at = Some(Instant::now() + after);
    }

    /// None from now on.
    pub(super) fn clear(&mut self) {
        self.at = None;
    }

    /// Ready when the deadline has passed; pending for ever without one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            std::task::ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

/// How long to wait for an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the sent request to the response head.
    pub(super) response: Duration,
    /// Between two parts of a body.
    pub(super) idle: Duration,
}

/// The wait for a response head: while the request's body is on its way it must move, then the head must come.
pub(super) struct HeadWait {
    limits: Limits,
    waiting: bool,
    seen: u64,
}

impl HeadWait {
    /// Begins to wait, with `deadline` for the timer.
    pub(super) fn begin(limits: Limits, upload: Option<&Upload>, deadline: &mut Deadline) -> Self {
        let waiting = upload.is_none_or(Upload::is_done);
        deadline.set(if waiting { limits.response } else { limits.idle });
        Self { limits, waiting, seen: 0 }
    }

    /// Ready with what went wrong when the wait is over. `moved` changes whenever something of the request was sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        upload: Option<&Upload>,
        moved: u64,
        deadline: &mut Deadline,
    ) -> Poll<Fault> {
        if !self.waiting {
            if upload.is_none_or(Upload::is_done) {
                self.waiting = true;
                deadline.set(self.limits.response);
            } else if moved != self.seen {
                self.seen = moved;
                deadline.set(self.limits.idle);
            }
        }
        std::task::ready!(deadline.poll(cx));
        let client_is_slow = !self.waiting && upload.is_some_and(Upload::waits_for_client);
        Poll::Ready(if client_is_slow { Fault::ClientTimeout } else { Fault::ResponseTimeout })
    }
}

/// The wait for the next part of a response body.
#[derive(Debug, Default)]
pub(super) struct BodyWait {
    /// What was seen when the deadline was set; `None` while nothing is waited for.
    seen: Option<u64>,
}

impl BodyWait {
    /// Something came.
    pub(super) fn moved(&mut self) {
        self.seen = None;
    }

    /// Ready when nothing has moved for `idle`. `moved` changes whenever something does, in either direction.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        moved: u64,
        idle: Duration,
        deadline: &mut Deadline,
    ) -> Poll<()> {
        if self.seen != Some(moved) {
            self.seen = Some(moved);
            deadline.set(idle);
        }
        deadline.poll(cx)
    }
}

#[cfg(test)]
mod tests;
