//! The loop that drives rollouts: observe, judge, step, journal, act.
//!
//! [`Engine::run`] reads what the workers counted, lets [`crate::analysis::Judge`] weigh it and [`crate::rollout::step`]
//! decide, and puts the new weight in force. It decides nothing itself. Its one invariant: no weight rises before the
//! decision is durable in the journal, and nothing keeps a weight from falling.
//!
//! Everything it must not forget is in the [`StateDir`]: decisions in `journal.jsonl`, evidence in `traces/`. A restart reads
//! both and goes on as if nothing had been. Where several engines drive the same releases, a [`Ledger`] stands behind the
//! journal.

mod checks;
mod clients_file;
mod control;
mod driver;
mod evidence;
mod journal;
mod ledger;
mod meter;
mod state_dir;
mod status;
mod trace_file;
mod tracked;

pub use control::{CommandError, Control, Explanation};
pub use driver::Engine;
pub use journal::JournalEntry;
pub use ledger::Ledger;
pub use state_dir::{StateDir, StateError, trace_path};
pub use status::{ReleaseStatus, SideStatus};

#[cfg(test)]
mod tests;
