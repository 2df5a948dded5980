//! Where several engines drive the same releases: who keeps the decisions for all of them.

use std::fmt::Debug;

use super::JournalEntry;

/// Keeps decisions for all engines that drive the same releases, such as the replicas of a cluster's ingress.
///
/// An engine with a ledger raises no weight by itself: it proposes, and goes by what [`super::Control::adopt`] hands to it
/// once that is kept. A weight that falls waits for nobody: the ledger is told afterwards.
pub trait Ledger: Debug + Send + Sync {
    /// Is to keep `entry` and hand it to every engine, or to do nothing. Returns at once; the same may be proposed again.
    ///
    /// # Errors
    /// Why it is not even tried.
    fn propose(&self, entry: &JournalEntry) -> Result<(), String>;

    /// Is to keep `entry`, which is in force here already.
    fn note(&self, entry: &JournalEntry);
}

#[cfg(test)]
mod tests;
