//! How reloads of the configuration went, for metrics and for people.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::proto::MetricFamily;
use serde::{Deserialize, Serialize};

use super::family::Family;
use super::names::{LAST_RELOAD_SUCCESSFUL, LAST_RELOAD_TIME, RELOADS};
use crate::types::Timestamp;

/// The state of the configuration as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reload {
    /// The generation in force: 1 at the start, one more with each good reload.
    pub generation: u64,
    /// When it was loaded.
    pub loaded: Timestamp,
    /// When a file was refused since then, while the old configuration is kept.
    pub failed: Option<Timestamp>,
    /// What is wrong with that file.
    pub problems: Option<String>,
}

/// Counts reloads and remembers the last. The lock is taken at reloads and scrapes, never by requests.
#[derive(Debug)]
pub struct Reloads(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Reload,
    successes: u64,
    failures: u64,
}

impl Reloads {
    /// The configuration of generation 1 was loaded at `now`, which is no reload.
    pub fn new(now: Timestamp) -> Self {
        let last = Reload { generation: 1, loaded: now, failed: None, problems: None };
        Self(Mutex::new(State { last, successes: 0, failures: 0 }))
    }

    /// Generation `generation` is in force since `now`.
    pub fn succeeded(&self, generation: u64, now: Timestamp) {
        let mut state = self.lock();
        state.successes += 1;
        state.last = Reload { generation, loaded: now, failed: None, problems: None };
    }

    /// A file was refused at `now` because of `problems`; the old configuration stays.
    pub fn failed(&self, problems: &str, now: Timestamp) {
        let mut state = self.lock();
        state.failures += 1;
        state.last.failed = Some(now);
        state.last.problems = Some(problems.to_owned());
    }

    /// How it stands.
    pub fn last(&self) -> Reload {
        self.lock().last.clone()
    }

    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let state = self.lock();
        let mut reloads = Family::new(RELOADS);
        reloads.value(&["success"], state.successes as f64);
        reloads.value(&["failure"], state.failures as f64);
        let good = if state.last.failed.is_none() { 1.0 } else { 0.0 };
        let loaded = state.last.loaded.as_millis() as f64 / 1000.0;
        vec![reloads.finish(), Family::single(LAST_RELOAD_SUCCESSFUL, good), Family::single(LAST_RELOAD_TIME, loaded)]
    }

    /// No code panics while it holds the lock; the state would be whole all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
