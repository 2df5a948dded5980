//! Which visits an application failed: what tells a visitor that was saved by a second attempt from one that had no need of it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Visits that an application failed and that have not ended yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<HashSet<u64>>);

impl Ledger {
    /// An application failed an attempt of `visit`.
    pub(crate) fn failed(&self, visit: u64) {
        self.open().insert(visit);
    }

    /// Ends `visit`: whether an attempt of it had failed.
    pub(crate) fn end(&self, visit: u64) -> bool {
        self.open().remove(&visit)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        // A set of numbers is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
