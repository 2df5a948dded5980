//! The ledger of a cluster: the decisions of the engines on their way into the status, and back to every engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::engine::{JournalEntry, Ledger};
use crate::kubernetes::lease::Leadership;
use crate::rollout::Reason;
use crate::types::Name;

/// Decisions that are not in the status yet. The one who leads writes them there.
#[derive(Debug)]
pub struct Book {
    leadership: Arc<Leadership>,
    waiting: Mutex<BTreeMap<Name, Waiting>>,
    /// Rung when there is something to write.
    pub(super) rung: Notify,
}

/// What waits for one release.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting {
    /// In force here already; the oldest first.
    pub(super) noted: Vec<JournalEntry>,
    /// In force once it is written.
    pub(super) proposed: Option<JournalEntry>,
}

impl Waiting {
    /// `entry` is to be in force. What is decided again while it is being written is the same as before; what somebody asks for
    /// comes first.
    fn propose(&mut self, entry: &JournalEntry) {
        let holds = |before: &JournalEntry| is_asked(before) || before.state.weight == entry.state.weight;
        if is_asked(entry) || !self.proposed.as_ref().is_some_and(holds) {
            self.proposed = Some(entry.clone());
        }
    }
}

impl Book {
    /// Empty.
    pub fn new(leadership: Arc<Leadership>) -> Self {
        Self { leadership, waiting: Mutex::default(), rung: Notify::new() }
    }

    /// What waits for `release`, to be written now.
    pub(super) fn waiting(&self, release: &Name) -> Waiting {
        self.lock().get(release).cloned().unwrap_or_default()
    }

    /// Everything that is in force here and not in a status yet.
    pub fn noted(&self) -> Vec<JournalEntry> {
        self.lock().values().flat_map(|waiting| waiting.noted.iter().cloned()).collect()
    }

    /// What of `written` was waiting is written; the rest of what waits came later, or does not fit any more.
    pub(super) fn written(&self, release: &Name, written: &Waiting) {
        let mut waiting = self.lock();
        let Some(left) = waiting.get_mut(release) else { return };
        left.noted.retain(|entry| !written.noted.contains(entry));
        if left.proposed == written.proposed {
            left.proposed = None;
        }
        if *left == Waiting::default() {
            waiting.remove(release);
        }
    }

    /// Forgets what waits for releases that are gone.
    pub(super) fn keep(&self, is_there: impl Fn(&Name) -> bool) {
        self.lock().retain(|release, _| is_there(release));
    }

    /// This replica leads no more: what it proposed is the next leader's to decide.
    pub(super) fn withdraw(&self) {
        self.lock().retain(|_, waiting| {
            waiting.proposed = None;
            !waiting.noted.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Book {
    fn propose(&self, entry: &JournalEntry) -> Result<(), String> {
        if !self.leadership.leads() {
            return Err("another replica leads, or the API server is away".to_owned());
        }
        self.lock().entry(entry.release.clone()).or_default().propose(entry);
        self.rung.notify_one();
        Ok(())
    }

    fn note(&self, entry: &JournalEntry) {
        let mut waiting = self.lock();
        let waiting = waiting.entry(entry.release.clone()).or_default();
        waiting.proposed = None;
        waiting.noted.push(entry.clone());
        self.rung.notify_one();
    }
}

/// Whether somebody asked for the decision.
pub(super) fn is_asked(entry: &JournalEntry) -> bool {
    matches!(entry.reason, Reason::Command { .. })
}

/// The decisions of a status with what waits: only what goes on from where the status is. `None` when nothing does.
pub(super) fn merged(kept: &[JournalEntry], waiting: &Waiting) -> Option<Vec<JournalEntry>> {
    let mut all = kept.to_vec();
    for entry in waiting.noted.iter().chain(&waiting.proposed) {
        if follows(all.last(), entry) {
            all.push(entry.clone());
        }
    }
    let surplus = all.len().saturating_sub(MOST_KEPT);
    let changed = all.last() != kept.last();
    all.drain(..surplus);
    // What failed matters for the present: of earlier decisions the sentence is enough.
    let earlier = all.len().saturating_sub(1);
    for entry in &mut all[..earlier] {
        (entry.failures, entry.routes) = Default::default();
    }
    changed.then_some(all)
}

/// Whether `next` may come after `last`: a decision from where `last` leads, or the beginning of another rollout.
fn follows(last: Option<&JournalEntry>, next: &JournalEntry) -> bool {
    let Some(last) = last else { return true };
    if last.state.rollout != next.state.rollout {
        return next.state.attempt == 1;
    }
    let falls = next.state.weight <= last.state.weight;
    let goes_on = next.state.attempt == last.state.attempt && last.state.phase.is_open();
    let again = next.state.attempt == last.state.attempt.saturating_add(1) && !last.state.phase.is_open();
    let begun = next.reason == Reason::Started;
    !begun && (again || (goes_on && (falls || next.from == last.state.weight)))
}

/// Decisions that a status keeps: those of the last few rollouts. An object may have 1.5 MB, a decision has some 2 kB.
const MOST_KEPT: usize = 30;

#[cfg(test)]
mod tests;
