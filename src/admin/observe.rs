//! Counts what the engine decides, for metrics: the engine itself knows nothing of them.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use crate::engine::{Control, JournalEntry, ReleaseStatus};
use crate::rollout::Reason;
use crate::telemetry::Metrics;
use crate::types::Name;

/// Counts every decision since weir's start in `metrics`, until `cancel` or the end of the engine.
///
/// What is counted is read from the journal: a status skips decisions that follow each other at once.
pub async fn observe(control: Control, metrics: &Metrics, cancel: CancellationToken) {
    let mut changes = control.subscribe();
    let mut seen = HashMap::<Name, Seen>::new();
    loop {
        let releases = changes.borrow_and_update().clone();
        let names: Vec<&Name> = releases.iter().map(|release| &release.name).collect();
        metrics.decisions.retain(&names);
        seen.retain(|name, _| names.contains(&name));
        for release in releases.iter() {
            count(&control, metrics, &mut seen, release);
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// How far the journal of a release has been counted.
struct Seen {
    entries: usize,
    last: Option<JournalEntry>,
}

fn count(control: &Control, metrics: &Metrics, seen: &mut HashMap<Name, Seen>, release: &ReleaseStatus) {
    let name = &release.name;
    let known = seen.get(name);
    if known.is_some_and(|known| known.last == release.last) {
        return;
    }
    metrics.decisions.watch(name, &Reason::LABELS);
    let journal = control.history(Some(name.as_str()));
    let new = match known {
        Some(known) => known.entries,
        None => journal.partition_point(|entry| entry.time < metrics.started),
    };
    for entry in journal.iter().skip(new) {
        metrics.decisions.count(name, entry.reason.label(), entry.report.verdict);
    }
    seen.insert(name.clone(), Seen { entries: journal.len(), last: release.last.clone() });
}
