//! The journal: every decision, one line of JSON each, the oldest first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::StateError;
use crate::analysis::{Report, RouteTally};
use crate::failures::Failures;
use crate::rollout::{Reason, State};
use crate::types::{Name, Ratio, Timestamp};

/// One line of the journal: a decision, what it rests on, and the state it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// When.
    pub time: Timestamp,
    /// The release.
    pub release: Name,
    /// Its stable backend.
    pub stable: Name,
    /// Its canary backend.
    pub canary: Name,
    /// Why.
    pub reason: Reason,
    /// The weight before.
    pub from: Ratio,
    /// The state from now on.
    pub state: State,
    /// What the judge knew.
    pub report: Report,
    /// What failed until then in this attempt.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    pub failures: Failures,
    /// What was seen until then in this attempt by route, where several lead to the release: at most 10, those that the canary
    /// failed most on first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteTally>,
    /// The same in one plain sentence.
    pub message: String,
}

/// Appends decisions, and knows the last of each rollout.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of the file that are to stay.
    length: u64,
    /// What stands last is not a whole line.
    torn: bool,
    /// Decisions that were carried out (a weight fell) but are not on disk yet.
    unsaved: VecDeque<JournalEntry>,
    /// Written, but perhaps not durable yet.
    unsynced: bool,
    trouble: Option<String>,
    past: Arc<Past>,
}

/// What was decided, for everybody to read. Readers wait for a push at most.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<Decisions>);

#[derive(Debug, Default)]
struct Decisions {
    recent: VecDeque<JournalEntry>,
    last: HashMap<(Name, String), JournalEntry>,
    counts: BTreeMap<(Name, &'static str), u64>,
}

impl Journal {
    /// Opens the journal at `path`, or begins it. A broken line costs that line, with a warning that says which.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |source| StateError::File { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(failed)?;
        let past = Past::default();
        let (mut length, mut torn) = (0, false);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
            if read == 0 {
                break;
            }
            length += read as u64;
            torn = line.last() != Some(&b'\n');
            if !line.trim_ascii().is_empty() {
                past.take(path, number, &line);
            }
        }
        drop(reader);
        // The name itself must outlive a power failure, not only what is in the file.
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).map_err(failed)?;
        let past = Arc::new(past);
        let path = path.to_owned();
        let unsaved = VecDeque::new();
        Ok(Self { path, file, length, torn, unsaved, unsynced: false, trouble: None, past })
    }

    /// What was decided so far.
    pub(super) fn past(&self) -> &Arc<Past> {
        &self.past
    }

    /// Why decisions cannot be written at present; `None` when they can.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Makes `entries` durable, behind everything that is not yet: for decisions that must not be carried out otherwise. All
    /// of them wait for the disk once.
    ///
    /// # Errors
    /// Nothing of them is kept then.
    pub(super) fn commit(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        let done = self.save_unsaved().and_then(|()| {
            let whole = (self.length, self.torn);
            let done = entries.iter().try_for_each(|entry| self.append(entry)).and_then(|()| self.sync());
            done.inspect_err(|_| self.cut(whole))
        });
        self.note_trouble(done.as_ref().err());
        done.map(|()| entries.iter().for_each(|entry| self.past.push(entry.clone())))
    }

    /// Takes `entry` of a decision that is carried out in any case: written now, durable after [`Journal::settle`]. What
    /// cannot be written is kept and tried again.
    pub(super) fn note(&mut self, entry: JournalEntry) {
        self.past.push(entry.clone());
        self.unsaved.push_back(entry);
        let done = self.save_unsaved();
        self.note_trouble(done.as_ref().err());
    }

    /// Makes durable what [`Journal::note`] took; while there is trouble, tries whether it is over.
    pub(super) fn settle(&mut self) {
        if self.unsaved.is_empty() && !self.unsynced && self.trouble.is_none() {
            return;
        }
        let done = self.save_unsaved().and_then(|()| self.probe()).and_then(|()| self.sync());
        self.note_trouble(done.as_ref().err());
    }

    fn save_unsaved(&mut self) -> io::Result<()> {
        while let Some(entry) = self.unsaved.pop_front() {
            if let Err(error) = self.append(&entry) {
                self.unsaved.push_front(entry);
                return Err(error);
            }
        }
        Ok(())
    }

    fn append(&mut self, entry: &JournalEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.write(line)
    }

    /// An empty line, which a reader skips, while the last write failed.
    fn probe(&mut self) -> io::Result<()> {
        if self.trouble.is_some() { self.write(b"\n".to_vec()) } else { Ok(()) }
    }

    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.torn {
            line.insert(0, b'\n');
        }
        let whole = (self.length, self.torn);
        if let Err(error) = self.file.write_all(&line) {
            self.cut(whole);
            return Err(error);
        }
        self.torn = false;
        self.length += line.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = false;
        Ok(())
    }

    /// Takes back what was written beyond a length; where that fails, the next line begins on a line of its own.
    fn cut(&mut self, (length, torn): (u64, bool)) {
        self.torn = torn || self.file.set_len(length).is_err();
        self.length = length;
    }

    fn note_trouble(&mut self, error: Option<&io::Error>) {
        let path = self.path.display();
        match (error, &self.trouble) {
            (Some(error), None) => {
                tracing::error!(%path, %error, "the journal cannot be written: no canary gets more traffic until it can, only less");
            }
            (None, Some(_)) => tracing::info!(%path, "the journal can be written again"),
            _ => {}
        }
        self.trouble = error.map(|error| format!("the journal {path} cannot be written: {error}"));
    }

    /// Writes to `file` from now on.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

impl Past {
    /// The last decision about `rollout` of `release`.
    pub(super) fn last(&self, release: &Name, rollout: &str) -> Option<JournalEntry> {
        self.lock().last.get(&(release.clone(), rollout.to_owned())).cloned()
    }

    /// Decisions about `release`, or about all, the oldest first.
    pub(super) fn entries(&self, release: Option<&str>) -> Vec<JournalEntry> {
        let about = |entry: &&JournalEntry| release.is_none_or(|name| entry.release.as_str() == name);
        self.lock().recent.iter().filter(about).cloned().collect()
    }

    /// How many decisions there were since the start of the process, by release and [`Reason::label`].
    pub(super) fn counts(&self) -> BTreeMap<(Name, &'static str), u64> {
        self.lock().counts.clone()
    }

    fn push(&self, entry: JournalEntry) {
        *self.lock().counts.entry((entry.release.clone(), entry.reason.label())).or_default() += 1;
        self.remember(entry);
    }

    fn remember(&self, entry: JournalEntry) {
        let mut decisions = self.lock();
        decisions.last.insert((entry.release.clone(), entry.state.rollout.clone()), entry.clone());
        if decisions.recent.len() == MOST_RECENT {
            decisions.recent.pop_front();
        }
        decisions.recent.push_back(entry);
    }

    fn take(&self, path: &Path, number: u64, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(entry) => self.remember(entry),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, line = number, %error, "a line of the journal cannot be read and is left out");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Decisions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decisions kept in memory; all are in the file. Some ten make a rollout.
const MOST_RECENT: usize = 10_000;

#[cfg(test)]
mod tests;
