//! The folder in which weir remembers: who may use it, and where in it things are.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::rollout::State;
use crate::types::Name;

/// Why the state directory is no use.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or entered.
    #[error(
        "the state directory {path} cannot be used: {source}: give weir its rights, or another one with --state-dir"
    )]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another weir works with it.
    #[error(
        "the state directory {path} is in use by another weir{}: stop that one, or give this one another with --state-dir",
        .owner.as_ref().map_or_else(String::new, |owner| format!(" (process {owner})"))
    )]
    InUse {
        /// Which.
        path: PathBuf,
        /// The other's process number, where it is known.
        owner: Option<String>,
    },
    /// A file in it cannot be read or made.
    #[error(
        "{path} cannot be opened: {source}: give weir the right to read and write it, or move it away to start anew"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder, ours alone for as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Held, not used: the lock ends with the file.
    _lock: File,
}

impl StateDir {
    /// Makes the folder where it is missing (for the owner alone), and takes it.
    ///
    /// # Errors
    /// When it cannot be made or written, or another weir has it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let unusable = |source| StateError::Unusable { path: path.to_owned(), source };
        for folder in [path, &path.join(TRACES)] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
            // A folder that cannot be listed would look like one without memory.
            fs::read_dir(folder).map_err(unusable)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock(path)? })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The folder of the traces.
    pub fn traces(&self) -> PathBuf {
        self.path.join(TRACES)
    }
}

/// Where the trace of the attempt `state` of `release` is, in the state directory `folder`; nothing says that it exists.
pub fn trace_path(folder: &Path, release: &Name, state: &State) -> PathBuf {
    folder.join(TRACES).join(super::trace_file::name(release, state))
}

fn lock(folder: &Path) -> Result<File, StateError> {
    let path = folder.join("lock");
    let failed = |source| StateError::File { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let known = file.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
            let owner = known.then(|| owner.trim().to_owned());
            return Err(StateError::InUse { path: folder.to_owned(), owner });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // Only told to others: the lock holds without it.
    let told = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = told {
        tracing::warn!(path = %path.display(), %error, "cannot note the process number beside the lock");
    }
    Ok(file)
}

const TRACES: &str = "traces";

#[cfg(test)]
mod tests;
