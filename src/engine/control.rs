//! How the rest of weir talks to the engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::journal::Past;
use super::{JournalEntry, ReleaseStatus};
use crate::rollout::{Command, Refusal};
use crate::types::Name;

/// A handle on the engine: asks, commands, listens. Cheap to clone; outlives the engine, and says so then.
#[derive(Clone, Debug)]
pub struct Control {
    requests: mpsc::Sender<Request>,
    statuses: watch::Receiver<Statuses>,
    past: Arc<Past>,
    traces: PathBuf,
}

/// All releases, by name.
pub(super) type Statuses = Arc<Vec<ReleaseStatus>>;

/// What the engine is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    /// A human's command.
    Command {
        release: String,
        command: Command,
        by: String,
        reply: oneshot::Sender<Result<ReleaseStatus, CommandError>>,
    },
    /// There is another snapshot.
    Reloaded { reply: oneshot::Sender<()> },
    /// A decision is kept for all engines.
    Adopt { entry: Box<JournalEntry> },
    /// There is another engine's trace of an attempt.
    Inherit { release: Name, rollout: String, attempt: u32, trace: PathBuf },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such release.
    #[error("no release `{0}`: `weir status` lists them")]
    Unknown(String),
    /// It does nothing where the rollout is.
    #[error("{release} cannot do that: {refusal}")]
    Refused {
        /// Which.
        release: Name,
        /// Why.
        refusal: Refusal,
    },
    /// It would give the canary more traffic, and cannot be journaled.
    #[error("not done, because {0}")]
    Journal(String),
    /// The engine has ended.
    #[error("weir is stopping: nothing was done")]
    Stopped,
}

/// Why a release is where it is.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Where it is, and what is awaited.
    pub status: ReleaseStatus,
    /// What led there: the decisions of the present attempt, the oldest first.
    pub decisions: Vec<JournalEntry>,
    /// What the judge was shown, for `weir replay`; `None` when it is not there (any more).
    pub trace: Option<PathBuf>,
}

/// The engine's end of a [`Control`].
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) statuses: watch::Sender<Statuses>,
}

impl Control {
    pub(super) fn new(past: Arc<Past>, traces: PathBuf) -> (Self, Desk) {
        let (send_request, requests) = mpsc::channel(WAITING_REQUESTS);
        let (statuses, watch) = watch::channel(Statuses::default());
        (Self { requests: send_request, statuses: watch, past, traces }, Desk { requests, statuses })
    }

    /// All releases as they were at the last look, at most a second ago, by name.
    pub fn status(&self) -> Vec<ReleaseStatus> {
        self.statuses.borrow().to_vec()
    }

    /// The same, and notice of every change; every second at least.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<ReleaseStatus>>> {
        self.statuses.clone()
    }

    /// Carries out `command` on `release` for `by`, whose name goes into the journal. When it returns the weight is in force.
    ///
    /// # Errors
    /// When nothing was done, and why.
    pub async fn command(&self, release: &str, command: Command, by: &str) -> Result<ReleaseStatus, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Command { release: release.to_owned(), command, by: by.to_owned(), reply };
        self.requests.send(request).await.map_err(|_| CommandError::Stopped)?;
        answer.await.map_err(|_| CommandError::Stopped)?
    }

    /// Tells the engine that another snapshot is in force, and waits until it goes by it. Without an engine: at once.
    pub async fn reloaded(&self) {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Reloaded { reply }).await.is_ok() {
            // An engine that ends instead of answering has nothing to go by.
            let _ = answer.await;
        }
    }

    /// Goes by `entry`, which a [`super::Ledger`] keeps for all engines. The one in force already changes nothing.
    pub async fn adopt(&self, entry: JournalEntry) {
        // An engine that has ended goes by nothing.
        let _ = self.requests.send(Request::Adopt { entry: Box::new(entry) }).await;
    }

    /// Takes in another engine's `trace` of an attempt that this one took up late; the file is the engine's from then on.
    pub async fn inherit(&self, release: Name, rollout: String, attempt: u32, trace: PathBuf) {
        let _ = self.requests.send(Request::Inherit { release, rollout, attempt, trace }).await;
    }

    /// The folder of traces.
    pub fn traces(&self) -> &Path {
        &self.traces
    }

    /// The decisions about `release`, or about all of them, the oldest first; those of earlier processes too.
    pub fn history(&self, release: Option<&str>) -> Vec<JournalEntry> {
        self.past.entries(release)
    }

    /// How many decisions there were since weir was started, by release and [`crate::rollout::Reason::label`].
    pub fn transitions(&self) -> BTreeMap<(Name, &'static str), u64> {
        self.past.counts()
    }

    /// Why `release` is where it is; `None` for one that does not exist.
    pub fn explain(&self, release: &str) -> Option<Explanation> {
        let status = self.statuses.borrow().iter().find(|status| status.name.as_str() == release)?.clone();
        let mut decisions = self.history(Some(release));
        let state = status.last.as_ref().map(|last| &last.state);
        decisions.retain(|entry| {
            state.is_some_and(|state| (&entry.state.rollout, entry.state.attempt) == (&state.rollout, state.attempt))
        });
        let trace = state.map(|state| self.traces.join(super::trace_file::name(&status.name, state)));
        Some(Explanation { status, decisions, trace: trace.filter(|path| path.exists()) })
    }
}

/// People's commands and reloads; more than this wait in line.
const WAITING_REQUESTS: usize = 16;
