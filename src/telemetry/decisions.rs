//! How often releases moved, and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::proto::MetricFamily;

use super::family::Family;
use super::names::{RELEASE_TRANSITIONS, RELEASE_VERDICTS};
use crate::analysis::Verdict;
use crate::types::Name;

/// Counts decisions since the start. The lock is taken at decisions and scrapes, never by requests.
#[derive(Debug, Default)]
pub struct Decisions(Mutex<BTreeMap<Name, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// By [`verdict_index`]'s order.
    verdicts: [u64; 3],
    reasons: BTreeMap<&'static str, u64>,
}

impl Decisions {
    /// `release` is there: its series begin at 0, so that the first decision is a rise that queries can see.
    pub fn watch(&self, release: &Name, reasons: &[&'static str]) {
        let mut releases = self.lock();
        let counts = releases.entry(release.clone()).or_default();
        for reason in reasons {
            counts.reasons.entry(reason).or_default();
        }
    }

    /// `release` moved because of `reason` (a label from a closed list) while the judge said `verdict`.
    pub fn count(&self, release: &Name, reason: &'static str, verdict: Verdict) {
        let mut releases = self.lock();
        let counts = releases.entry(release.clone()).or_default();
        *counts.reasons.entry(reason).or_default() += 1;
        counts.verdicts[verdict_index(verdict)] += 1;
    }

    /// Forgets releases that are not among `present`.
    pub fn retain(&self, present: &[&Name]) {
        self.lock().retain(|name, _| present.contains(&name));
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let releases = self.lock();
        let mut verdicts = Family::new(RELEASE_VERDICTS);
        let mut transitions = Family::new(RELEASE_TRANSITIONS);
        for (release, counts) in releases.iter() {
            for (verdict, count) in VERDICTS.iter().zip(counts.verdicts) {
                verdicts.value(&[release.as_str(), verdict], count as f64);
            }
            for (reason, count) in &counts.reasons {
                transitions.value(&[release.as_str(), reason], *count as f64);
            }
        }
        vec![verdicts.finish(), transitions.finish()]
    }

    /// No code panics while it holds the lock; the counts would be whole all the same.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn verdict_index(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 2,
    }
}

/// The values of the label `verdict`, in the order of [`verdict_index`].
const VERDICTS: [&str; 3] = ["pass", "fail", "inconclusive"];
