//! Whether an exchange stands still, and at whose door that lies.
//!
//! The parts of an exchange note what they wait for; the worker looks at all its exchanges now and then. So an exchange that
//! moves on costs a counter, and no timer is set and taken back for every piece of a body. What is late by the look's
//! interval (see [`super::registry`]) is minutes by default.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::outcome::Fault;

/// The progress of one exchange.
#[derive(Debug)]
pub(super) struct Standstill {
    steps: Cell<u64>,
    steps_seen: Cell<u64>,
    still_since: Cell<Duration>,
    upload: Cell<Upload>,
    download: Cell<Download>,
    given_up: Cell<Option<Fault>>,
    vain: Cell<Vain>,
    task: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// Nobody waits for the client's body.
    Calm,
    /// The upstream would take more of it.
    Awaited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Download {
    /// No response head yet: its timers are the upstream's.
    Head,
    /// More of the body is awaited.
    Awaited,
    /// The client has not taken what is there.
    Offered,
}

/// Whether an attempt waits for an endpoint that has fallen silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vain {
    /// Not as far as is known.
    No,
    /// It does, and its task has not looked yet.
    News,
    /// It does, and its task knows.
    Known,
}

impl Standstill {
    /// Begins at `now`.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            steps: Cell::new(0),
            steps_seen: Cell::new(0),
            still_since: Cell::new(now),
            upload: Cell::new(Upload::Calm),
            download: Cell::new(Download::Head),
            given_up: Cell::new(None),
            vain: Cell::new(Vain::No),
            task: RefCell::new(None),
        }
    }

    /// The client's body was asked for more, and had some (or ended).
    pub(super) fn upload_moved(&self) {
        self.upload.set(Upload::Calm);
        self.step();
    }

    /// The client's body was asked for more, and has none yet.
    pub(super) fn upload_awaited(&self) {
        self.upload.set(Upload::Awaited);
    }

    /// A piece of the response was handed to the client's connection.
    pub(super) fn download_moved(&self) {
        self.download.set(Download::Offered);
        self.step();
    }

    /// The response was asked for more, and has none yet.
    pub(super) fn download_awaited(&self) {
        if self.download.replace(Download::Awaited) != Download::Awaited {
            self.step();
        }
    }

    fn step(&self) {
        self.steps.set(self.steps.get().wrapping_add(1));
    }

    /// Looks at `now` whether nothing has moved for `idle`, and whose fault that is.
    pub(super) fn look(&self, now: Duration, idle: Duration) -> Option<Fault> {
        if self.steps.get() != self.steps_seen.replace(self.steps.get()) {
            self.still_since.set(now);
            return None;
        }
        if self.given_up.get().is_some() || now.saturating_sub(self.still_since.get()) < idle {
            return None;
        }
        match (self.download.get(), self.upload.get()) {
            (Download::Head, Upload::Calm) => None,
            (Download::Head, Upload::Awaited) | (Download::Offered, _) => Some(Fault::ClientTimeout),
            (Download::Awaited, _) => Some(Fault::UpstreamIdle),
        }
    }

    /// Ends the exchange with `fault`, as soon as its task looks.
    pub(super) fn give_up(&self, fault: Fault) {
        self.given_up.set(Some(fault));
        self.wake();
    }

    /// The endpoint of the attempt has fallen silent: its task is told, once.
    pub(super) fn waits_in_vain(&self) {
        if self.vain.get() == Vain::No {
            self.vain.set(Vain::News);
            self.wake();
        }
    }

    /// Whether that is so and news.
    pub(super) fn takes_vain(&self) -> bool {
        let news = self.vain.get() == Vain::News;
        if news {
            self.vain.set(Vain::Known);
        }
        news
    }

    /// Another attempt begins, at an endpoint of which nothing is known yet.
    pub(super) fn begins_again(&self) {
        self.vain.set(Vain::No);
    }

    fn wake(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
    }

    /// Why the exchange was given up, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.given_up.get()
    }

    /// Ready when the exchange has been given up. The task is woken when that happens later.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        if let Some(fault) = self.given_up.get() {
            return Poll::Ready(fault);
        }
        let mut task = self.task.borrow_mut();
        match task.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *task = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
