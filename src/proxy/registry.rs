//! The exchanges that a worker has under way, and the look at all of them that costs none of them a timer.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::exchange::Exchange;
use crate::outcome::Fault;

/// All exchanges of one worker.
#[derive(Default)]
pub(super) struct Registry {
    exchanges: RefCell<Vec<Rc<Exchange>>>,
}

impl Registry {
    /// Takes `exchange` in, and tells it its place.
    pub(super) fn add(&self, exchange: &Rc<Exchange>) {
        let mut all = self.exchanges.borrow_mut();
        exchange.place().set(all.len());
        all.push(exchange.clone());
    }

    /// Takes the exchange at `place` out.
    pub(super) fn remove(&self, place: usize) {
        let mut all = self.exchanges.borrow_mut();
        if place >= all.len() {
            return;
        }
        let gone = all.swap_remove(place);
        if let Some(moved) = all.get(place) {
            moved.place().set(place);
        }
        drop(all);
        // Outside of the borrow: what it owns may have an end of its own.
        drop(gone);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.exchanges.borrow().len()
    }

    /// Looks after all exchanges, at `now`.
    pub(super) fn sweep(&self, now: Duration) {
        // A copy, because an exchange that is looked after may end.
        let all = self.exchanges.borrow().clone();
        for exchange in &all {
            // A defect that shows in one of them is not to stop the clock of all others.
            if catch_unwind(AssertUnwindSafe(|| exchange.sweep(now))).is_err() {
                exchange.still.give_up(Fault::Internal);
            }
        }
    }
}
