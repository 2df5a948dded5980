//! The exchanges that a worker has under way, and the look at all of them that costs none of them a timer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::exchange::Exchange;
use crate::clock;

/// All exchanges of one worker.
#[derive(Default)]
pub(super) struct Registry {
    exchanges: RefCell<Vec<Rc<Exchange>>>,
    /// Rings when the first exchange comes while [`Registry::sweep`] rests.
    busy: Notify,
    resting: Cell<bool>,
}

impl Registry {
    /// Takes `exchange` in, and tells it its place.
    pub(super) fn add(&self, exchange: &Rc<Exchange>) {
        let mut all = self.exchanges.borrow_mut();
        exchange.place().set(all.len());
        all.push(exchange.clone());
        if self.resting.get() {
            self.busy.notify_one();
        }
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

    /// Looks after all exchanges every [`INTERVAL`], and calls `also` each time; rests while there are none.
    pub(super) async fn sweep(&self, also: impl Fn()) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let all = self.exchanges.borrow().clone();
            let now = clock::uptime();
            for exchange in &all {
                exchange.sweep(now);
            }
            also();
            if all.is_empty() {
                self.resting.set(true);
                self.busy.notified().await;
                self.resting.set(false);
            }
        }
    }
}

/// How late a standstill or the horizon of the evidence may be noticed.
const INTERVAL: Duration = Duration::from_millis(100);
