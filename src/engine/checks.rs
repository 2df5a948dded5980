//! Further conditions beside weir's own eyes: a Prometheus query, a webhook.
//!
//! Each look is a task of its own that the engine owns; the loop never waits for an answer. What is not known is
//! inconclusive, never a failure: a monitoring system that is down must not abort a release.

use tokio::time::Instant;

use super::ReleaseStatus;
use crate::analysis::Verdict;
use crate::rollout::CheckResult;
use crate::snapshot::{Check, CheckKind};
use crate::types::Name;

mod prometheus;
mod webhook;

/// The checks of one attempt, and what they said last.
#[derive(Debug, Default)]
pub(super) struct Checks {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    check: Check,
    result: CheckResult,
    /// Failures in a row.
    failures: u32,
    due: Due,
}

#[derive(Debug)]
enum Due {
    At(Instant),
    /// A look is under way; it was begun then.
    Asked(Instant),
}

/// What a look brought.
#[derive(Debug)]
pub(super) struct Answer {
    release: Name,
    attempt: Attempt,
    check: Name,
    verdict: Verdict,
    detail: String,
}

/// Which attempt of which rollout: an answer for another one comes too late.
pub(super) type Attempt = (String, u32);

impl Checks {
    /// None of `checks` has been looked at yet.
    pub(super) fn new(checks: &[Check]) -> Self {
        let mut new = Self::default();
        new.update(checks);
        new
    }

    /// Goes by `checks` from now on. One that is as before keeps its result.
    pub(super) fn update(&mut self, checks: &[Check]) {
        let mut before = std::mem::take(&mut self.watched);
        self.watched = checks
            .iter()
            .map(|check| match before.iter().position(|watched| watched.check == *check) {
                Some(index) => before.swap_remove(index),
                None => Watched::new(check.clone()),
            })
            .collect();
    }

    /// What they say.
    pub(super) fn results(&self) -> Vec<CheckResult> {
        self.watched.iter().map(|watched| watched.result.clone()).collect()
    }

    /// Those that are to be looked at now, which is asked every second: no check is looked at more often. They count as under way from now on.
    pub(super) fn take_due(&mut self) -> Vec<Check> {
        let now = Instant::now();
        let due = self.watched.iter_mut().filter(|watched| matches!(watched.due, Due::At(due) if due <= now));
        due.map(|watched| {
            watched.due = Due::Asked(now);
            watched.check.clone()
        })
        .collect()
    }

    /// Takes in what a look brought.
    pub(super) fn take(&mut self, answer: Answer) {
        let watched = self.watched.iter_mut().find(|watched| watched.check.name == answer.check);
        // The configuration may have changed since it was asked.
        let Some((watched, begun)) = watched.and_then(|watched| match watched.due {
            Due::Asked(begun) => Some((watched, begun)),
            Due::At(_) => None,
        }) else {
            return;
        };
        watched.due = Due::At(begun + watched.check.interval);
        watched.take(answer.verdict, answer.detail);
    }

    /// Makes those that are under way due again: their tasks are lost.
    pub(super) fn ask_again(&mut self) {
        for watched in &mut self.watched {
            if let Due::Asked(begun) = watched.due {
                watched.due = Due::At(begun + watched.check.interval);
            }
        }
    }
}

impl Watched {
    fn new(check: Check) -> Self {
        let detail = "not asked yet".to_owned();
        let result = CheckResult { name: check.name.clone(), verdict: Verdict::Inconclusive, detail };
        Self { check, result, failures: 0, due: Due::At(Instant::now()) }
    }

    /// A failure counts once there are enough in a row; until then nothing is known.
    fn take(&mut self, verdict: Verdict, detail: String) {
        self.failures = if verdict == Verdict::Fail { self.failures.saturating_add(1) } else { 0 };
        let enough = self.check.failures.max(1);
        (self.result.verdict, self.result.detail) = if verdict == Verdict::Fail && self.failures < enough {
            (Verdict::Inconclusive, format!("{detail} ({} of {enough} failures in a row)", self.failures))
        } else {
            (verdict, detail)
        };
    }
}

impl Answer {
    /// Which release it is about.
    pub(super) fn release(&self) -> &Name {
        &self.release
    }

    /// Which attempt it is about.
    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

/// Looks at one check of a release, whose status is what a webhook is sent. Ends within the check's timeout.
pub(super) async fn ask(check: Check, attempt: Attempt, status: ReleaseStatus) -> Answer {
    let (verdict, detail) = match &check.kind {
        CheckKind::Prometheus { address, query, pass_if } => {
            prometheus::ask(address, query, *pass_if, check.timeout).await
        }
        CheckKind::Webhook { url } => webhook::ask(url, &status, check.timeout).await,
    };
    Answer { release: status.name, attempt, check: check.name, verdict, detail }
}

#[cfg(test)]
mod tests;
