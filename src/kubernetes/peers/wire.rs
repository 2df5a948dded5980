//! What replicas tell each other, and what becomes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Exchange;
use crate::engine::{JournalEntry, Ledger};
use crate::stats::{BUCKETS, Tally};
use crate::types::Name;

/// One report of one replica: one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    /// Which process.
    pub(super) instance: u64,
    /// Every release that it serves.
    releases: Vec<Counters>,
    /// Decisions in force there, and perhaps nowhere else.
    decisions: Vec<JournalEntry>,
}

/// What one replica's own workers saw of one rollout. Counts only grow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counters {
    release: Name,
    rollout: String,
    /// The attempt that this replica has all evidence of, as far as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    knows: Option<u32>,
    stable: Count,
    canary: Count,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    requests: u64,
    errors: u64,
    err_clients: u64,
    buckets: Vec<u64>,
}

impl Told {
    /// What there is to tell now.
    pub(super) fn by(exchange: &Exchange) -> Self {
        let snapshot = exchange.current.load();
        let leading = snapshot.releases.values().filter(|release| release.follows.is_none());
        let attempts: BTreeMap<_, _> =
            open_attempts(exchange).map(|(attempt, late)| (attempt.release.clone(), (attempt, late))).collect();
        let releases = leading.map(|release| {
            let (stable, canary) = release.live.read_here();
            let rollout = release.spec.rollout.clone();
            let known = attempts.get(&release.name).filter(|(attempt, late)| !late && attempt.rollout == rollout);
            let knows = known.map(|(attempt, _)| attempt.attempt);
            Counters { release: release.name.clone(), rollout, knows, stable: stable.into(), canary: canary.into() }
        });
        Self { instance: exchange.instance, releases: releases.collect(), decisions: exchange.book.noted() }
    }
}

/// One attempt of a release: what a trace is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attempt {
    pub(super) release: Name,
    pub(super) rollout: String,
    pub(super) attempt: u32,
}

/// The attempts that this replica's engine weighs, and whether it took them up late.
fn open_attempts(exchange: &Exchange) -> impl Iterator<Item = (Attempt, bool)> {
    exchange.control.status().into_iter().filter(|status| status.phase.is_open()).filter_map(|status| {
        let state = status.last?.state;
        Some((Attempt { release: status.name, rollout: state.rollout, attempt: state.attempt }, status.late))
    })
}

/// What was heard from one replica so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    instance: Option<u64>,
    counted: BTreeMap<(Name, String), (Tally, Tally)>,
}

impl Heard {
    /// Counts what is new in `told`. What a process counted before it was heard first is not evidence of now: it is in the
    /// traces of the attempts that are returned, which that replica knows and this one does not.
    pub(super) fn take(&mut self, told: Told, exchange: &Exchange) -> Vec<Attempt> {
        if self.instance.replace(told.instance) != Some(told.instance) {
            self.counted.clear();
        }
        let snapshot = exchange.current.load();
        let knows = |attempt: &Attempt| {
            let of_it =
                |counters: &&Counters| counters.release == attempt.release && counters.rollout == attempt.rollout;
            told.releases.iter().find(of_it).is_some_and(|counters| counters.knows == Some(attempt.attempt))
        };
        let lacking = open_attempts(exchange).filter(|(_, late)| *late).map(|(attempt, _)| attempt);
        let lacking = lacking.filter(knows).collect();
        for counters in told.releases {
            let release = snapshot.releases.get(&counters.release);
            let Some(release) = release.filter(|release| release.spec.rollout == counters.rollout) else { continue };
            let now: (Tally, Tally) = (counters.stable.into(), counters.canary.into());
            let before = self.counted.insert((counters.release, counters.rollout), now);
            let Some(before) = before else { continue };
            let (stable, canary) = (now.0.since(&before.0), now.1.since(&before.1));
            release.live.elsewhere[0].add(&stable);
            release.live.elsewhere[1].add(&canary);
            if canary.errors > 0 {
                release.live.failed.notify_one();
            }
        }
        let known = exchange.book.noted();
        for entry in told.decisions.iter().filter(|entry| !known.contains(entry)) {
            exchange.book.note(entry);
        }
        lacking
    }
}

impl From<Tally> for Count {
    fn from(tally: Tally) -> Self {
        let Tally { requests, errors, err_clients, buckets } = tally;
        let used = buckets.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        Self { requests, errors, err_clients, buckets: buckets[..used].to_vec() }
    }
}

impl From<Count> for Tally {
    fn from(count: Count) -> Self {
        let mut buckets = [0; BUCKETS];
        buckets.iter_mut().zip(count.buckets).for_each(|(bucket, count)| *bucket = count);
        Self { requests: count.requests, errors: count.errors, err_clients: count.err_clients, buckets }
    }
}
