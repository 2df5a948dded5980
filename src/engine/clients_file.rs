//! The clients that have failed in one attempt, on disk beside its trace: with affinity a client's first failure counts, and
//! it must not become a first one again by a restart.
//!
//! One hash in hexadecimal a line, for the owner alone. Written before the tick that counts them, so that what is torn
//! between the two never counts a client twice.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::snapshot::ReleaseLive;

/// Where the failed clients of one attempt are written. Made when the first one fails.
#[derive(Debug)]
pub(super) struct ClientsFile {
    path: PathBuf,
    file: Option<File>,
    /// How many of the clients are in it.
    written: usize,
    /// What stands last may not be a whole line.
    torn: bool,
}

impl ClientsFile {
    /// Of the attempt whose trace is at `trace`, from nobody.
    pub(super) fn begin(trace: &Path) -> Self {
        remove(trace);
        Self { path: path(trace), file: None, written: 0, torn: false }
    }

    /// Goes on with what is there, and makes it known to `live`.
    pub(super) fn resume(trace: &Path, live: &ReleaseLive) -> Self {
        let path = path(trace);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read which clients have failed: their next failure counts as a first one");
                String::new()
            }
        };
        let mut clients = live.failed_clients();
        // Those that are known already may not be in the file: they are written again, which does no harm.
        let known = clients.len();
        let whole = text.lines().filter(|line| line.len() == DIGITS);
        whole.filter_map(|line| u64::from_str_radix(line, 16).ok()).for_each(|client| _ = clients.insert(client));
        let written = if known == 0 { clients.len() } else { 0 };
        drop(clients);
        Self { path, file: None, written, torn: !text.is_empty() && !text.ends_with('\n') }
    }

    /// Writes which clients of `live` have failed since. What cannot be written is tried again with the next ones.
    pub(super) fn write(&mut self, live: &ReleaseLive) {
        // Not under the lock: requests must not wait for a disk.
        let new = live.failed_clients().after(self.written).to_vec();
        if new.is_empty() {
            return;
        }
        let mut text = if self.torn { "\n".to_owned() } else { String::new() };
        for client in &new {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{client:016x}");
        }
        let done = self.file().and_then(|file| file.write_all(text.as_bytes()));
        self.torn = done.is_err();
        match done {
            Ok(()) => self.written += new.len(),
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "cannot write which clients have failed: it is tried again");
            }
        }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

/// Removes what belongs to the attempt whose trace is, or was, at `trace`.
pub(super) fn remove(trace: &Path) {
    let path = path(trace);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove the list of clients of an old attempt");
        }
        _ => {}
    }
}

fn path(trace: &Path) -> PathBuf {
    trace.with_extension("clients")
}

/// Of a hash.
const DIGITS: usize = 16;

#[cfg(test)]
mod tests;
