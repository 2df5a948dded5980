//! One clock for all connections of a worker: deadlines without a timer each, and the call to drain.
//!
//! Timers of the runtime cost a lock and a place in a wheel for each request, and memory for each idle connection. A worker
//! has thousands of connections whose timeouts are seconds: it looks at all of them ten times a second instead.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How often a worker looks at its deadlines: the most that a timeout is late.
pub(crate) const RESOLUTION: Duration = Duration::from_millis(100);

/// The deadlines of a worker.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Milliseconds since the worker began, as of the last tick.
    now: Cell<u64>,
    leaving: Cell<bool>,
    draining: Cell<bool>,
    slots: RefCell<Vec<Option<Rc<Slot>>>>,
    free: RefCell<Vec<usize>>,
    rooms: Cell<usize>,
}

#[derive(Debug)]
struct Slot {
    deadline: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One connection's deadline. Dropping it takes it off the watch.
#[derive(Debug)]
pub(crate) struct Deadline {
    watch: Rc<Watch>,
    index: usize,
    slot: Rc<Slot>,
}

/// The room for an exchange, which a connection keeps after its answer. Dropping it lets another one keep its own.
#[derive(Debug)]
pub(crate) struct Room<'a>(&'a Watch);

const NEVER: u64 = u64::MAX;

/// Connections of a watch that keep their room at a time: 2 MiB of it. With more of them than this, what one of them saves
/// is nothing next to what their number costs.
pub(crate) const MOST_ROOMS: usize = 256;

impl Watch {
    /// A deadline that is not set.
    pub(crate) fn deadline(self: &Rc<Self>) -> Deadline {
        let slot = Rc::new(Slot { deadline: Cell::new(NEVER), waker: RefCell::new(None) });
        let mut slots = self.slots.borrow_mut();
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        slots[index] = Some(slot.clone());
        Deadline { watch: self.clone(), index, slot }
    }

    /// Connections on the watch.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len() - self.free.borrow().len()
    }

    /// Tells the time, as long since the worker began, and wakes whoever is past its deadline.
    pub(crate) fn tick(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(NEVER - 1);
        self.now.set(now);
        for slot in self.slots.borrow().iter().flatten().filter(|slot| slot.deadline.get() <= now) {
            slot.wake();
        }
    }

    /// From now on each answer says that it is the last on its connection.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
    }

    /// Calls all connections to end when they can.
    pub(crate) fn drain(&self) {
        self.leave();
        self.draining.set(true);
        for slot in self.slots.borrow().iter().flatten() {
            slot.wake();
        }
    }

    /// Whether connections are called to end.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }
}

impl Slot {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Deadline {
    /// Sets it to `after` from now; it comes up to [`RESOLUTION`] late, never early.
    pub(crate) fn set(&self, after: Duration) {
        let after = after.saturating_add(RESOLUTION).as_millis();
        self.slot.deadline.set(self.watch.now.get().saturating_add(u64::try_from(after).unwrap_or(NEVER)));
    }

    /// Sets it to never.
    pub(crate) fn clear(&self) {
        self.slot.deadline.set(NEVER);
    }

    /// Whether it has passed; else the task is woken when it does, and when draining begins.
    pub(crate) fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.slot.deadline.get() <= self.watch.now.get() {
            return Poll::Ready(());
        }
        let mut waker = self.slot.waker.borrow_mut();
        match waker.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Leave to keep the room of an exchange for the next one, unless [`MOST_ROOMS`] are kept already.
    pub(crate) fn keep_room(&self) -> Option<Room<'_>> {
        let rooms = &self.watch.rooms;
        (rooms.get() < MOST_ROOMS).then(|| {
            rooms.set(rooms.get() + 1);
            Room(&self.watch)
        })
    }

    /// Whether answers say that they are the last.
    pub(crate) fn is_leaving(&self) -> bool {
        self.watch.leaving.get()
    }

    /// Whether connections are called to end.
    pub(crate) fn is_draining(&self) -> bool {
        self.watch.is_draining()
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.rooms.set(self.0.rooms.get() - 1);
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.watch.slots.borrow_mut()[self.index] = None;
        self.watch.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod tests;
