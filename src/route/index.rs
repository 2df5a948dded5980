//! The rules by host and path, each list in the order of precedence.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use super::pattern::{HostPattern, Labels, MAX_HOST, Matcher, PathKind};

/// Which rules to try for a host and a path, in what order. Rules are known by their place in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    exact: HashMap<Box<str>, Paths>,
    /// By what follows `*.` and stands for one label.
    one_label: HashMap<Box<str>, Paths>,
    /// By what follows `*.` and stands for any number of labels.
    wildcard: HashMap<Box<str>, Paths>,
    any: Paths,
}

/// The rules of one host.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Vec<usize>>,
    regexes: Vec<usize>,
    /// Without a trailing slash, and but for `/`.
    prefixes: HashMap<Box<str>, Vec<usize>>,
    /// Of the prefix `/`, which every path has; before them methods of gRPC.
    roots: Vec<usize>,
    /// Bytes of the longest prefix.
    longest: usize,
    /// Where rules are served that look at the path.
    path_readers: Listeners,
}

/// A set of listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listeners {
    All,
    Some(Vec<usize>),
}

impl Listeners {
    /// Those of a rule.
    pub(super) fn of(listeners: Option<&[usize]>) -> Self {
        listeners.map_or(Self::All, |some| Self::Some(some.to_vec()))
    }

    fn contains(&self, listener: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(some) => some.contains(&listener),
        }
    }

    fn extend(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Some(mine), Self::Some(theirs)) => {
                mine.extend(theirs);
                mine.sort_unstable();
                mine.dedup();
            }
        }
    }
}

impl Default for Listeners {
    /// None.
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

impl Index {
    /// Of rules in the order of the file.
    pub(super) fn of<'a>(rules: impl Iterator<Item = (Listeners, &'a Matcher)>) -> Self {
        let mut index = Self::default();
        let mut ranked: Vec<_> = rules.enumerate().collect();
        // Stable, so what ranks alike keeps the order of the file.
        ranked.sort_by_key(|(_, (_, matcher))| rank(matcher));
        for (place, (listeners, matcher)) in ranked {
            let paths = match &matcher.host {
                HostPattern::Exact(host) => index.exact.entry(host.clone()).or_default(),
                HostPattern::Wildcard(suffix, Labels::One) => index.one_label.entry(suffix.clone()).or_default(),
                HostPattern::Wildcard(suffix, Labels::Any) => index.wildcard.entry(suffix.clone()).or_default(),
                HostPattern::Any => &mut index.any,
            };
            paths.add(place, listeners, matcher);
        }
        index
    }

    /// The first rule for `host` and `path` that `takes` the request.
    pub(super) fn find(&self, host: &str, path: &str, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let host = normalise_host(host);
        self.tables(host.as_deref()).find_map(|paths| paths.find(path, &takes))
    }

    /// Whether a rule for `host` on `listener` looks at the path.
    pub(super) fn reads_paths(&self, listener: usize, host: &str) -> bool {
        let host = normalise_host(host);
        self.tables(host.as_deref()).any(|paths| paths.path_readers.contains(listener))
    }

    /// The tables that hold rules for a normalised host, the most specific first.
    fn tables<'a>(&'a self, host: Option<&'a str>) -> impl Iterator<Item = &'a Paths> {
        let exact = host.and_then(|host| self.exact.get(host));
        let one_label = host.filter(|_| !self.one_label.is_empty()).and_then(|host| suffixes(host).next());
        let one_label = one_label.and_then(|suffix| self.one_label.get(suffix));
        let suffixes = host.filter(|_| !self.wildcard.is_empty()).into_iter().flat_map(suffixes);
        let wildcards = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        exact.into_iter().chain(one_label).chain(wildcards).chain([&self.any])
    }
}

impl Paths {
    fn add(&mut self, place: usize, listeners: Listeners, matcher: &Matcher) {
        if !matcher.path.is_any() {
            self.path_readers.extend(listeners);
        }
        match &matcher.path.0 {
            PathKind::Exact(path) => self.exact.entry(path.clone()).or_default().push(place),
            PathKind::Regex(_) => self.regexes.push(place),
            PathKind::GrpcMethod(_) => self.roots.push(place),
            PathKind::Prefix(prefix) if prefix.is_empty() => self.roots.push(place),
            PathKind::Prefix(prefix) => {
                self.longest = self.longest.max(prefix.len());
                self.prefixes.entry(prefix.clone()).or_default().push(place);
            }
        }
    }

    fn find(&self, path: &str, takes: &impl Fn(usize) -> bool) -> Option<usize> {
        let first = |places: &[usize]| places.iter().copied().find(|&place| takes(place));
        let exact = || if self.exact.is_empty() { None } else { self.exact.get(path).and_then(|places| first(places)) };
        let by_prefix = || self.prefixes_of(path).find_map(|places| first(places));
        exact().or_else(|| first(&self.regexes)).or_else(by_prefix).or_else(|| first(&self.roots))
    }

    /// The rules of each prefix of `path`, the longest prefix first.
    ///
    /// A client that sends a path of nothing but slashes gets no more lookups than the longest prefix has bytes.
    fn prefixes_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Vec<usize>> {
        let bytes = path.as_bytes();
        let ends_here = move |&end: &usize| end == bytes.len() || bytes[end] == b'/';
        let ends = (1..=self.longest.min(bytes.len())).rev().filter(ends_here);
        ends.filter_map(move |end| self.prefixes.get(path.get(..end)?))
    }
}

/// Precedence among the rules of one host and one path: the smallest first. Also right for regular expressions, of which the
/// longest comes first.
fn rank(matcher: &Matcher) -> impl Ord + use<> {
    let regex = match &matcher.path.0 {
        PathKind::Regex(regex) | PathKind::GrpcMethod(regex) => regex.as_str().len(),
        PathKind::Exact(_) | PathKind::Prefix(_) => 0,
    };
    (Reverse(regex), matcher.method.is_none(), Reverse(matcher.headers.len()), Reverse(matcher.query.len()))
}

/// What follows each dot of a host that has something before it, the longest first.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.').filter(|&(at, _)| at > 0).map(|(at, _)| &host[at + 1..])
}

/// A host without its port and trailing dot, in lower case; `None` when it is longer than any pattern. Takes memory only when
/// it has capitals.
pub(super) fn normalise_host(host: &str) -> Option<Cow<'_, str>> {
    let name = match memchr::memrchr(b':', host.as_bytes()) {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_HOST {
        return None;
    }
    // All bytes are looked at, which is faster than to stop at the first.
    let has_capitals = name.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
    Some(if has_capitals { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}
