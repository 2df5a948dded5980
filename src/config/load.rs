//! From a file to [`File`], with everything that is wrong at once.
//!
//! serde stops at the first error. So what is wrong is taken out of the tree, and the rest is read again, until nothing new
//! comes: each round finds one more error, and what depends on something taken out is not blamed for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compile;
use super::problem::{Problems, Report};
use super::schema::File;
use super::suggest::{enumerate, nearest, suggest};
use super::tree::{self, At, Error, Kind, Node, Noun, Value};

/// A configuration that was read: sound by itself, not yet compiled.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub file: File,
    pub(super) declared: Declared,
    path: PathBuf,
    text: String,
    tree: Option<Node>,
    files: Files,
}

/// Files held in memory, by the paths that the configuration has for them.
pub type Files = BTreeMap<PathBuf, Arc<[u8]>>;

impl Loaded {
    /// A configuration that does not come from a file, such as one made from a cluster's objects. Relative paths in it are
    /// relative to the working directory; `name` stands for the file in problems.
    ///
    /// See [`Loaded::with_files`] for certificates and keys that are in no file either.
    pub fn from_file(file: File, name: &str) -> Self {
        let declared = Declared {
            listeners: Names::of(file.listeners.iter().map(|listener| listener.name.to_string())),
            backends: Names::of(file.backends.keys().map(ToString::to_string)),
            releases: Names::of(file.releases.keys().map(ToString::to_string)),
        };
        Self { file, declared, path: name.into(), text: String::new(), tree: None, files: Files::new() }
    }

    /// Holds `files` in memory: a path in the configuration that is one of theirs, letter by letter, is read from here, and
    /// all others from the disk.
    #[must_use]
    pub fn with_files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// What is in a file that the configuration names.
    pub(super) fn read(&self, path: &Path) -> io::Result<Arc<[u8]>> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => fs::read(self.resolve(path)).map(Arc::from),
        }
    }

    /// As [`Loaded::read`], for text.
    pub(super) fn read_text(&self, path: &Path) -> io::Result<String> {
        let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
        String::from_utf8(self.read(path)?.to_vec()).map_err(not_text)
    }

    /// Whether a file that the configuration names is on the disk, to be watched there.
    pub(super) fn is_on_disk(&self, path: &Path) -> bool {
        !self.files.contains_key(path)
    }

    /// The file, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path that the configuration names, relative to the configuration file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The root of the configuration, to find places in the text.
    pub(super) fn root(&self) -> At<'_> {
        At::root(self.tree.as_ref())
    }

    pub(super) fn tree(&self) -> Option<&Node> {
        self.tree.as_ref()
    }

    /// Puts a report into the order of this file.
    pub(super) fn problems(&self, report: Report) -> Problems {
        report.finish(&self.path.to_string_lossy(), &self.text)
    }
}

/// The names that were written, even where what they name was wrong: nobody who refers to them is to blame.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) listeners: Names,
    pub(super) backends: Names,
    pub(super) releases: Names,
}

/// Names of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: BTreeSet<String>,
    /// Whether some may have been lost to a syntax error.
    partial: bool,
}

impl Names {
    fn of(names: impl Iterator<Item = String>) -> Self {
        Self { names: names.collect(), partial: false }
    }

    /// Whether `name` may be used.
    pub(super) fn know(&self, name: &str) -> bool {
        self.partial || self.names.contains(name)
    }

    /// All names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl Declared {
    fn of(root: &Node) -> Self {
        let Some(mapping) = root.mapping() else { return Self::default() };
        let section = |key: &str| mapping.entries.get(key).map(|(_, node)| node);
        let keys = |key: &str| Names {
            names: section(key)
                .and_then(Node::mapping)
                .map_or(BTreeSet::new(), |section| section.entries.keys().cloned().collect()),
            partial: mapping.dropped.iter().any(|name| name == key),
        };
        let mut listeners = keys("listeners");
        if let Some(Value::Sequence { items, .. }) = section("listeners").map(|node| &node.value) {
            let names = items.iter().filter_map(|item| item.mapping()?.entries.get("name")?.1.text());
            listeners.names = names.map(str::to_owned).collect();
        }
        Self { listeners, backends: keys("backends"), releases: keys("releases") }
    }
}

/// Reads the configuration file `path`. On failure, everything that is wrong with it, also what only
/// [`compile`](super::compile()) would have found.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    parse(path, read_text(path)?)
}

/// As [`load`], for a text that has been read already; `path` is its file.
pub fn parse(path: &Path, text: String) -> Result<Loaded, Problems> {
    let mut report = Report::default();
    let root = tree::read(&text, &mut report).or_else(|| recover(&text, &mut report));
    let mut loaded = Loaded { path: path.to_owned(), text, tree: root, ..Loaded::from_file(File::default(), "") };
    let Some(mut root) = loaded.tree.take() else {
        if !report.has_errors() {
            return Err(Problems::of_file(&path.to_string_lossy(), "the file is empty".to_owned(), Some(EMPTY)));
        }
        return Err(loaded.problems(report));
    };
    drop_extensions(&mut root);
    loaded.declared = Declared::of(&root);
    let file = typed(&mut root, &mut report);
    loaded.tree = Some(root);
    if let Some(file) = file {
        loaded.file = file;
        if report.has_errors() {
            compile::check(&loaded, &mut report);
        }
    }
    if report.has_errors() { Err(loaded.problems(report)) } else { Ok(loaded) }
}

fn read_text(path: &Path) -> Result<String, Problems> {
    let name = path.to_string_lossy();
    let fail = |message: String, help| Problems::of_file(&name, message, help);
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| fail(format!("cannot be opened: {}", reason(&error)), None))?;
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail(format!("cannot be read: {}", reason(&error)), None))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(format!("is larger than {} MiB, the most that is read", MAX_BYTES >> 20), None));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        fail(format!("is not UTF-8 text: line {line} has a byte that cannot be there"), Some("save it as UTF-8"))
    })
}

/// The words of the operating system, without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// After a syntax error: blanks out the top-level section that it is in, and reads the others, so that what is wrong there is
/// said too. `None` when that does not help; the rest would be guesses then.
fn recover(text: &str, report: &mut Report) -> Option<Node> {
    let broken = report.last_line()?;
    let begins = |line: &str| line.starts_with(|c: char| c.is_alphanumeric() || c == '"' || c == '\'');
    let lines: Vec<&str> = text.lines().collect();
    let start = (0..broken.min(lines.len())).rev().find(|&at| begins(lines[at]))?;
    let end = (start + 1..lines.len()).find(|&at| begins(lines[at])).unwrap_or(lines.len());
    let key = lines[start].split(':').next()?.trim_matches(['"', '\'', ' ']).to_owned();
    let kept: Vec<&str> =
        lines.iter().enumerate().map(|(at, line)| if (start..end).contains(&at) { "" } else { *line }).collect();
    let mut second = Report::default();
    let mut root = tree::read(&kept.join("\n"), &mut second)?;
    report.append(second);
    if let Value::Mapping(mapping) = &mut root.value {
        mapping.dropped.push(key);
    }
    Some(root)
}

/// Takes out the top-level keys that begin with `x-`.
fn drop_extensions(root: &mut Node) {
    if let Value::Mapping(mapping) = &mut root.value {
        mapping.entries.retain(|name, _| !name.starts_with("x-"));
    }
}

/// Reads what can be read. `None` when the whole is of a wrong kind.
fn typed(root: &mut Node, report: &mut Report) -> Option<File> {
    loop {
        let error = match <File as serde::Deserialize>::deserialize(&*root) {
            Ok(file) => return Some(file),
            Err(error) => error,
        };
        if report.len() >= MAX_PROBLEMS {
            let at = At::root(Some(root));
            report
                .error(&at, format!("there are more than {MAX_PROBLEMS} problems: these are some of them"))
                .help(SOME);
            return None;
        }
        record(&error, root, report);
        let meant = match &error.kind {
            Kind::Unknown { found, known, noun: Noun::Key } => nearest(found, known),
            _ => None,
        };
        if !error.node.is_some_and(|(id, _)| root.prune(id, meant)) {
            return None;
        }
    }
}

/// Says what is wrong, unless it only follows from something that was taken out.
fn record(error: &Error, root: &Node, report: &mut Report) {
    let (id, mark) = error.node.unwrap_or((root.id, root.mark));
    let lost = root.find(id).and_then(Node::mapping).map_or(&[][..], |mapping| &mapping.dropped);
    match &error.kind {
        Kind::Unknown { found, known, noun } => {
            let noun = if *noun == Noun::Key { "key" } else { "value" };
            let problem = report.error_at(mark, format!("unknown {noun} `{found}`"));
            problem.maybe_help(suggest(found, known.iter().copied(), "possible here: "));
        }
        Kind::Missing { key, structure } => {
            let written = |key: &str| root.find(id).is_some_and(|node| node.has(key)) || lost.iter().any(|k| k == key);
            let all = required(structure);
            let missing: Vec<&str> = all.iter().map(String::as_str).filter(|key| !written(key)).collect();
            let missing = if missing.is_empty() && !written(key) { vec![*key] } else { missing };
            if !missing.is_empty() {
                report.error_at(mark, format!("{} missing here", is_or_are(&missing)));
            }
        }
        Kind::Other { .. } if !lost.is_empty() => {}
        Kind::Other { message, help } => report.error_at(mark, message).maybe_help(help.clone()),
    }
}

fn is_or_are(names: &[&str]) -> String {
    format!("{} {}", enumerate(names, "and"), if names.len() == 1 { "is" } else { "are" })
}

/// The keys that a structure of the file must have. serde tells of the first that is missing only; the schema knows all.
fn required(structure: &str) -> Vec<String> {
    let schema = super::json_schema();
    let keys = schema.pointer(&format!("/$defs/{structure}/required")).and_then(|keys| keys.as_array());
    keys.map_or(Vec::new(), |keys| keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect())
}

const SOME: &str = "repair these first";

/// What to do about an empty file.
const EMPTY: &str = "it needs at least `listeners`";

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// After so many problems, reading ends: one more round for each would take too long, and nobody reads on.
const MAX_PROBLEMS: usize = 100;
