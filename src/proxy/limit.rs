//! How many client connections there may be at once, over all listeners and workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts connections against a limit that a reload may change.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    limit: AtomicUsize,
    open: AtomicUsize,
    freed: Notify,
}

/// A connection's place. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Permit(Arc<ConnectionLimit>);

impl ConnectionLimit {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: AtomicUsize::new(limit), open: AtomicUsize::new(0), freed: Notify::new() })
    }

    /// A place, as soon as there is one.
    ///
    /// Until then the caller accepts nobody else, so further clients wait in the kernel's queue instead of being refused.
    pub(super) async fn acquire(self: &Arc<Self>) -> Permit {
        loop {
            let freed = self.freed.notified();
            if self.open.fetch_add(1, Ordering::AcqRel) < self.limit.load(Ordering::Acquire) {
                return Permit(self.clone());
            }
            // The place was not there; give it back, and wake whoever saw it as taken in between.
            self.release();
            freed.await;
        }
    }

    /// Changes the limit. Connections beyond a lower one stay; new ones wait.
    pub(super) fn set(&self, limit: usize) {
        if self.limit.swap(limit, Ordering::AcqRel) < limit {
            self.freed.notify_waiters();
        }
    }

    fn release(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) <= self.limit.load(Ordering::Acquire) {
            self.freed.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests;
