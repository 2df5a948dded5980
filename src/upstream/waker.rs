//! A waker for one connection, which wakes whoever waits for it, and nobody else.
//!
//! A connection that is driven by the task that needs it wakes that task from the inside as well: each message through
//! hyper's channels is one more turn of a task that is just looking. And a pooled connection would keep, and wake, the task
//! that used it last.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Wakes the parked task, if there is one.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    parked: Option<Waker>,
    rung: bool,
}

impl Bell {
    /// Nobody waits any more, and what rang before does not count.
    pub(super) fn silence(&self) {
        *self.lock() = State::default();
    }

    /// `task` waits. If it rang since [`Bell::silence`], it rings now.
    pub(super) fn park(&self, task: &Waker) {
        let mut state = self.lock();
        if state.rung {
            state.rung = false;
            drop(state);
            task.wake_by_ref();
        } else if !state.parked.as_ref().is_some_and(|parked| parked.will_wake(task)) {
            state.parked = Some(task.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Only this thread takes it, and never while it holds it: it is a lock because a waker may be sent anywhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let parked = {
            let mut state = self.lock();
            state.rung = state.parked.is_none();
            state.parked.take()
        };
        if let Some(task) = parked {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests;
