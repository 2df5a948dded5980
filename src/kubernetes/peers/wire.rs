//! What replicas tell each other, and what becomes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Exchange;
use crate::engine::{JournalEntry, Ledger};
use crate::failures::Failures;
use crate::snapshot::Release;
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
    /// By route, where several lead to the release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    routes: BTreeMap<Name, Sides>,
    /// What failed in the present attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
}

/// Requests and errors: stable, canary.
type Sides = ((u64, u64), (u64, u64));

/// What failed in one attempt, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    attempt: u32,
    failures: Failures,
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
            let open = attempts.get(&release.name).filter(|(attempt, _)| attempt.rollout == rollout);
            let knows = open.filter(|(_, late)| !late).map(|(attempt, _)| attempt.attempt);
            let failed = open.map(|(open, _)| Failed { attempt: open.attempt, failures: release.live.failures_here() });
            Counters {
                release: release.name.clone(),
                rollout,
                knows,
                stable: stable.into(),
                canary: canary.into(),
                routes: release.routes.iter().map(|route| (route.name.clone(), route.read_here())).collect(),
                failed: failed.filter(|failed| !failed.failures.is_empty()),
            }
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
    counted: BTreeMap<(Name, String), Counted>,
}

/// What was heard of one rollout: both sides, and each of them by route.
#[derive(Debug)]
struct Counted {
    sides: (Tally, Tally),
    routes: BTreeMap<Name, Sides>,
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
        let open: BTreeMap<_, _> =
            open_attempts(exchange).map(|(attempt, late)| (attempt.release.clone(), (attempt, late))).collect();
        let lacking = open.values().filter(|(attempt, late)| *late && knows(attempt));
        let lacking = lacking.map(|(attempt, _)| attempt.clone()).collect();
        for counters in told.releases {
            let release = snapshot.releases.get(&counters.release);
            let Some(release) = release.filter(|release| release.spec.rollout == counters.rollout) else { continue };
            let present = open.get(&release.name).filter(|(attempt, _)| attempt.rollout == counters.rollout);
            if let Some(failed) = counters.failed
                && present.is_some_and(|(attempt, _)| attempt.attempt == failed.attempt)
            {
                release.live.fails_elsewhere(told.instance, failed.failures);
            }
            let now = Counted { sides: (counters.stable.into(), counters.canary.into()), routes: counters.routes };
            let place = (counters.release, counters.rollout);
            if let Some(before) = self.counted.get(&place) {
                now.add_since(before, release);
            }
            self.counted.insert(place, now);
        }
        let known = exchange.book.noted();
        for entry in told.decisions.iter().filter(|entry| !known.contains(entry)) {
            exchange.book.note(entry);
        }
        lacking
    }
}

impl Counted {
    /// Has `release` count what came after `before`.
    fn add_since(&self, before: &Self, release: &Release) {
        let (stable, canary) = (self.sides.0.since(&before.sides.0), self.sides.1.since(&before.sides.1));
        release.live.elsewhere[0].add(&stable);
        release.live.elsewhere[1].add(&canary);
        let since =
            |now: (u64, u64), before: (u64, u64)| (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        for route in &release.routes {
            let (Some(now), Some(before)) = (self.routes.get(&route.name), before.routes.get(&route.name)) else {
                continue;
            };
            route.elsewhere[0].add(since(now.0, before.0));
            route.elsewhere[1].add(since(now.1, before.1));
        }
        if canary.errors > 0 {
            release.live.failed.notify_one();
        }
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
