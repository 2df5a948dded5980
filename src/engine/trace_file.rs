//! The evidence of one attempt on disk: what the judge was shown, tick by tick.
//!
//! A trace that cannot be written costs replay, and a restart its evidence, but never the rollout: that goes on, loudly.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_64;

use super::clients_file;
use super::evidence::{Evidence, compatible};
use crate::analysis::Tick;
use crate::analysis::trace::{Header, Reader, TraceError, write_header, write_tick};
use crate::rollout::State;
use crate::types::Name;

/// Where the ticks of one attempt are written.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    header: Header,
    recording: Recording,
}

#[derive(Debug)]
enum Recording {
    /// Ticks are written.
    On {
        file: File,
        /// Bytes of the file that are to stay.
        length: u64,
        /// What is not written yet.
        pending: String,
    },
    /// No more.
    Stopped,
}

impl TraceFile {
    /// Begins a trace, in place of what is at `path`.
    pub(super) fn begin(path: PathBuf, header: Header) -> Self {
        let mut pending = String::new();
        write_header(&mut pending, &header);
        let recording = match File::create(&path) {
            Ok(file) => Recording::On { file, length: 0, pending },
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot make the trace: this attempt cannot be replayed, and a restart forgets its evidence");
                Recording::Stopped
            }
        };
        let mut trace = Self { path, header, recording };
        trace.flush();
        trace
    }

    /// Goes on with the trace at `path`, and rebuilds the evidence from it, judged as `header` says.
    ///
    /// A torn end is cut off. When the file's header says otherwise, or a row is broken, it is written anew from the ticks that
    /// can be used, and the old one stays beside it as `.old`. Without a readable trace the evidence begins anew.
    pub(super) fn resume(path: PathBuf, header: Header) -> (Self, Evidence) {
        let mut evidence = Evidence::none(&header);
        let shown = path.display();
        match Self::read(&path, &header, &mut evidence) {
            Ok(Found::Same(file, length)) => {
                let recording = if length < LARGEST {
                    Recording::On { file, length, pending: String::new() }
                } else {
                    Recording::Stopped
                };
                return (Self { path, header, recording }, evidence);
            }
            Ok(Found::OtherPolicy) => return Self::rewrite(path, header),
            Ok(Found::OtherEvidence) => {
                tracing::warn!(path = %shown, "what counts as evidence changed in the configuration: it begins anew");
                set_aside(&path);
            }
            Err(TraceError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(path = %shown, "there is no trace: the evidence begins anew");
            }
            Err(error @ TraceError::Row { .. }) => {
                tracing::error!(path = %shown, %error, "the trace is broken: the evidence ends before that");
                return Self::rewrite(path, header);
            }
            Err(error) => {
                tracing::error!(path = %shown, %error, "the trace cannot be read: the evidence begins anew");
                set_aside(&path);
            }
        }
        let evidence = Evidence::none(&header);
        (Self::begin(path, header), evidence)
    }

    /// The evidence of the trace at `from`, which another engine wrote of the same attempt.
    ///
    /// # Errors
    /// When it cannot be read, or is none of this attempt judged alike.
    pub(super) fn evidence_at(&self, from: &Path) -> Result<Evidence, TraceError> {
        let mut evidence = Evidence::none(&self.header);
        match Self::read(from, &self.header, &mut evidence)? {
            Found::Same(..) => Ok(evidence),
            Found::OtherPolicy | Found::OtherEvidence => {
                Err(TraceError::Io(io::Error::other("it is judged otherwise")))
            }
        }
    }

    /// Goes on with the trace at `from` in place of its own.
    pub(super) fn replace_by(self, from: &Path) -> io::Result<(Self, Evidence)> {
        fs::rename(from, &self.path)?;
        Ok(Self::resume(self.path, self.header))
    }

    /// How the attempt is judged.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a tick, and what could not be written before. It outlives this process; a power failure may cost the last ones.
    pub(super) fn write(&mut self, tick: &Tick) {
        self.append(tick);
        self.flush();
    }

    fn append(&mut self, tick: &Tick) {
        let Recording::On { length, pending, .. } = &mut self.recording else { return };
        let before = pending.len();
        write_tick(pending, &self.header.meta, tick);
        if *length + pending.len() as u64 > LARGEST {
            pending.truncate(before);
            pending.push_str(FULL);
            self.flush();
            tracing::warn!(path = %self.path.display(), "the trace is as large as traces may be and ends here: a restart forgets later evidence");
            self.recording = Recording::Stopped;
        }
    }

    fn flush(&mut self) {
        let path = &self.path;
        let Recording::On { file, length, pending } = &mut self.recording else { return };
        if pending.is_empty() {
            return;
        }
        match file.write_all(pending.as_bytes()) {
            Ok(()) => {
                *length += pending.len() as u64;
                pending.clear();
                return;
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot write the trace: its last ticks are kept for another try");
            }
        }
        // Half a row must not stand before the next try.
        let cut = file.set_len(*length).and_then(|()| file.seek(SeekFrom::Start(*length)));
        if cut.is_err() || pending.len() > MOST_PENDING {
            tracing::error!(path = %path.display(), "the trace ends here: a restart forgets later evidence");
            self.recording = Recording::Stopped;
        }
    }

    /// Shows `evidence` all ticks of the file when it is written as `header` says, and to its end.
    fn read(path: &Path, header: &Header, evidence: &mut Evidence) -> Result<Found, TraceError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = cut_torn_end(path, &mut file)?;
        let mut reader = Reader::new(BufReader::new(&file))?;
        if !compatible(reader.header(), header) {
            return Ok(Found::OtherEvidence);
        }
        if reader.header() != header {
            return Ok(Found::OtherPolicy);
        }
        let mut tick = Tick::default();
        while reader.next_tick(&mut tick)? {
            evidence.observe(&tick);
        }
        drop(reader);
        file.seek(SeekFrom::Start(length))?;
        Ok(Found::Same(file, length))
    }

    /// Begins anew with the ticks that are in the file, judged by another header.
    fn rewrite(path: PathBuf, header: Header) -> (Self, Evidence) {
        let old = set_aside(&path);
        let mut evidence = Evidence::none(&header);
        let mut trace = Self::begin(path, header);
        let mut copy = || -> Result<(), TraceError> {
            let mut reader = Reader::new(BufReader::new(File::open(&old)?))?;
            let mut tick = Tick::default();
            while reader.next_tick(&mut tick)? {
                evidence.observe(&tick);
                trace.append(&tick);
                if matches!(&trace.recording, Recording::On { pending, .. } if pending.len() > CHUNK) {
                    trace.flush();
                }
            }
            Ok(())
        };
        if let Err(error) = copy() {
            tracing::warn!(path = %old.display(), %error, "the rest of the old trace is left out");
        }
        trace.flush();
        (trace, evidence)
    }
}

/// What is at a trace's place.
enum Found {
    /// A trace to go on with, of so many bytes.
    Same(File, u64),
    /// The same counts, judged otherwise.
    OtherPolicy,
    /// Counts of something else.
    OtherEvidence,
}

/// The file's name for an attempt: `RELEASE-ROLLOUTKEY-ATTEMPT.csv`, where `~` stands for the slash of a name and the key is
/// a hash of what the rollout is.
pub(super) fn name(release: &Name, state: &State) -> String {
    format!("{}-{:016x}-{}.csv", stem(release), xxh3_64(state.rollout.as_bytes()), state.attempt)
}

/// Removes the oldest traces of the releases of `current` beyond the last [`KEPT`] of each; `current` itself stays whatever its
/// age. The folder is read once.
pub(super) fn prune(folder: &Path, current: &[PathBuf]) {
    let stem_at = |path: &Path| Some(stem_of(path.file_name()?.to_str()?)?.to_owned());
    let mut traces: HashMap<String, Vec<(SystemTime, PathBuf)>> =
        current.iter().filter_map(|path| Some((stem_at(path)?, Vec::new()))).collect();
    if traces.is_empty() {
        return;
    }
    let current: HashSet<&Path> = current.iter().map(PathBuf::as_path).collect();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return tracing::warn!(path = %folder.display(), %error, "cannot look for old traces"),
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| !current.contains(path.as_path())) {
        let of_release = stem_at(&path).and_then(|stem| traces.get_mut(&stem));
        if let (Some(of_release), Ok(modified)) = (of_release, path.metadata().and_then(|data| data.modified())) {
            of_release.push((modified, path));
        }
    }
    for mut of_release in traces.into_values() {
        of_release.sort();
        of_release.truncate(of_release.len().saturating_sub(KEPT - 1));
        for (_, path) in of_release {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old trace");
            }
            clients_file::remove(&path);
        }
    }
}

fn stem(release: &Name) -> String {
    release.as_str().replace('/', "~")
}

/// The release in the name of a trace: that of `shop-eu-...` is not `shop`.
fn stem_of(file: &str) -> Option<&str> {
    let (rest, attempt) = file.strip_suffix(".old").unwrap_or(file).strip_suffix(".csv")?.rsplit_once('-')?;
    let (stem, key) = rest.rsplit_once('-')?;
    let good =
        key.len() == 16 && key.bytes().all(|b| b.is_ascii_hexdigit()) && attempt.bytes().all(|b| b.is_ascii_digit());
    good.then_some(stem)
}

/// Moves a trace out of the way.
fn set_aside(path: &Path) -> PathBuf {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    if let Err(error) = fs::rename(path, &old) {
        tracing::warn!(path = %path.display(), %error, "cannot set the old trace aside");
    }
    old
}

/// Cuts off what stands behind the last whole line; the length that stays.
fn cut_torn_end(path: &Path, file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        // At most 4096, so it fits.
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(last) = part.iter().rposition(|&byte| byte == b'\n') {
            end = start + last as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        tracing::warn!(path = %path.display(), "the last line of the trace is torn and is left out");
        file.set_len(end)?;
    }
    file.rewind()?;
    Ok(end)
}

/// Traces kept for each release.
const KEPT: usize = 20;

/// The largest trace: some ten days of one release. What comes later is judged, but not written.
const LARGEST: u64 = 256 << 20;

/// The last line of a trace that has become too large; readers skip comments.
const FULL: &str = "# the trace is full: what came later is not in it\n";

/// Half an hour of rows, kept while the disk is full.
const MOST_PENDING: usize = 1 << 20;

/// Rows that are written at once when a trace is rewritten.
const CHUNK: usize = 1 << 16;

#[cfg(test)]
mod tests;
