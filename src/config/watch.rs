//! Says when the configuration has changed: the file, and every file that it names.
//!
//! Directories are watched, not files: an editor renames a new file over the old one, and Kubernetes swaps a symbolic link
//! two levels up. What an event means is not asked; the contents are compared, so that only real changes are told. The same
//! comparison runs at intervals too: where events do not come (network file systems, too many watches), a change is seen a
//! little later instead of never.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use xxhash_rust::xxh3::Xxh3;

use super::load::Loaded;
use super::schema::File;

/// The files that a configuration depends on: itself, certificates, keys, authorities, secrets.
pub fn files(loaded: &Loaded) -> BTreeSet<PathBuf> {
    let named = named(&loaded.file).into_iter().filter(|path| loaded.is_on_disk(path)).map(|path| loaded.resolve(path));
    named.chain([loaded.path().to_owned()]).collect()
}

fn named(file: &File) -> Vec<&Path> {
    let mut paths: Vec<&Path> = file.admin.token_file.as_deref().into_iter().collect();
    let listeners = file.listeners.iter().flat_map(|listener| &listener.tls).flat_map(|tls| &tls.certificates);
    let backends = || file.backends.values().flat_map(|backend| &backend.tls);
    for pair in listeners.chain(backends().flat_map(|tls| &tls.client_certificate)) {
        paths.extend([pair.certificate.as_path(), pair.key.as_path()]);
    }
    paths.extend(backends().flat_map(|tls| tls.ca.as_deref()));
    let listeners = file.listeners.iter().flat_map(|listener| &listener.tls);
    paths.extend(listeners.flat_map(|tls| &tls.client_certificates).map(|clients| clients.ca.as_path()));
    let overrides = file.releases.values().flat_map(|release| &release.overrides);
    paths.extend(overrides.flat_map(|one| one.value_file.as_deref()));
    paths
}

/// Watches a set of files.
#[derive(Debug)]
pub struct Watch {
    files: BTreeSet<PathBuf>,
    digests: BTreeMap<PathBuf, Option<u128>>,
    events: Arc<Notify>,
    /// `None` when the system gives no events: then only the comparison at intervals is left.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches `files` from now on; see [`files()`]. Files that are not there yet are watched for, too.
    pub fn new(files: BTreeSet<PathBuf>) -> Self {
        let events = Arc::new(Notify::new());
        let bell = events.clone();
        let watcher = notify::recommended_watcher(move |_| bell.notify_one());
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "no file events: looking for changes now and then"))
            .ok();
        let mut watch =
            Self { files: BTreeSet::new(), digests: BTreeMap::new(), events, watcher, watched: BTreeSet::new() };
        watch.follow(files);
        watch
    }

    /// Watches `files` instead: call it after each reload. What changed between the reading of the files and this call is
    /// told by the next [`Watch::changed`], as long as the file was watched before.
    pub fn follow(&mut self, files: BTreeSet<PathBuf>) {
        self.digests.retain(|path, _| files.contains(path));
        for path in &files {
            self.digests.entry(path.clone()).or_insert_with(|| digest(path));
        }
        self.files = files;
        self.watch_directories();
    }

    /// Waits until the contents of a file differ from what they were when this last returned.
    ///
    /// A burst of events is one change, and a file that is being written is waited for. Cancel safe.
    pub async fn changed(&mut self) {
        loop {
            let event = timeout(INTERVAL, self.events.notified()).await.is_ok();
            if event {
                self.settle().await;
            }
            // A swapped link leads to another directory.
            self.watch_directories();
            let now: BTreeMap<_, _> = self.files.iter().map(|path| (path.clone(), digest(path))).collect();
            if now != self.digests {
                self.digests = now;
                return;
            }
        }
    }

    /// Waits until no event has come for a moment, or for long enough.
    async fn settle(&self) {
        for _ in 0..MOST_PAUSES {
            if timeout(PAUSE, self.events.notified()).await.is_err() {
                return;
            }
        }
        sleep(PAUSE).await;
    }

    /// Watches the directory of each file, and of what it links to.
    fn watch_directories(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| directories(file)).collect();
        for gone in self.watched.difference(&wanted) {
            // It may be gone by itself.
            let _ = watcher.unwatch(gone);
        }
        let known = std::mem::take(&mut self.watched);
        self.watched = wanted.into_iter().filter(|path| known.contains(path) || watch(watcher, path)).collect();
    }
}

/// A directory that cannot be watched is compared at intervals, and tried again then.
fn watch(watcher: &mut RecommendedWatcher, directory: &Path) -> bool {
    let result = watcher.watch(directory, RecursiveMode::NonRecursive);
    result.inspect_err(|error| tracing::debug!(%error, directory = %directory.display(), "cannot be watched")).is_ok()
}

/// The directories in which something happens when `file` changes: its own, and that of each link on the way to its contents.
fn directories(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut found = vec![parent(file)];
    let mut path = file.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = parent(&path).join(target);
        found.push(parent(&path));
    }
    found.extend(fs::canonicalize(file).ok().map(|path| parent(&path)));
    found.retain(|directory| directory.is_dir());
    found
}

/// What tells one content from another; `None` when there is nothing to read.
fn digest(path: &Path) -> Option<u128> {
    let mut file = fs::File::open(path).ok()?;
    let mut hash = Xxh3::new();
    let mut buffer = [0; 8192];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Some(hash.digest128()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Between two comparisons without an event.
const INTERVAL: Duration = Duration::from_secs(5);

/// As long as this without an event, a burst is over. Editors and ConfigMap updates take a few milliseconds.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that is written without end must not hide other changes: half a second at most.
const MOST_PAUSES: usize = 9;

/// More links than this the system itself does not follow.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests;
