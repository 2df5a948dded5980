//! Which rule matches a request: host, path, method, headers, query, in the precedence of the Gateway API. Pure.
//!
//! Of all rules that a request matches, the one wins that is first by
//! 1. host: exact, then the wildcard with the longest suffix (of two for the same, that for one label), then any host;
//! 2. path: exact, then regular expression with the longest text, then prefix with the most characters; the method of a
//!    gRPC call goes before the prefix `/` and behind all others, which may be its service;
//! 3. a method over no method;
//! 4. the most header matches;
//! 5. the most query parameter matches;
//! 6. the order in the file.
//!
//! That is the [precedence of `HTTPRouteRule`](https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule), which leaves the
//! place of regular expressions to implementations; before prefixes, by length, is where Envoy Gateway and Contour have them,
//! and where one that picks something out of a prefix is of use. A rule for a less specific host takes what no rule for
//! a more specific one takes.
//!
//! Hosts, exact paths and prefixes are found by hash; prefixes from the whole path down, segment by segment, beginning at
//! the longest that any rule of the host has. Only regular expressions of the host, and rules that differ in nothing but
//! method, headers and query, are tried one after the other. A lookup takes no memory, except for a host in capitals, to join
//! a repeated field or to decode a query parameter for a regular expression.

mod hosts;
mod index;
mod matching;
mod path;
mod pattern;

use http::{HeaderMap, Method};

use self::index::{Index, Listeners};

pub use hosts::most_specific;
pub use path::{PathError, normalise_path};
pub use pattern::{HostPattern, Labels, Matcher, PathPattern, PatternError, ValuePattern};

/// A rule: what requests must look like, and what it leads to.
#[derive(Clone, Debug)]
pub struct Rule<T> {
    /// The listeners, by index; `None`: all.
    pub listeners: Option<Vec<usize>>,
    /// What a request must look like.
    pub matching: Matcher,
    /// What it leads to.
    pub target: T,
}

/// What the router sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The host, as the request has it: any case, with or without a port or a trailing dot.
    pub host: &'a str,
    /// The path, from [`normalise_path`].
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// Finds the rule that a request matches; `T` is what the rule leads to.
#[derive(Clone, Debug)]
pub struct Router<T> {
    rules: Vec<Rule<T>>,
    index: Index,
}

impl<T> Router<T> {
    /// Of rules in the order of the file.
    ///
    /// Of several matches of one header or query parameter in a rule only the first counts, as the Gateway API has it.
    pub fn new(mut rules: Vec<Rule<T>>) -> Self {
        for rule in &mut rules {
            rule.matching.drop_repeated_names();
        }
        let index = Index::of(rules.iter().map(|rule| (Listeners::of(rule.listeners.as_deref()), &rule.matching)));
        Self { rules, index }
    }

    /// The target of the rule that takes `request` on listener `listener`; `None` when none does.
    pub fn find(&self, listener: usize, request: &RequestView<'_>) -> Option<&T> {
        let takes = |place: usize| self.rules[place].takes(listener, request);
        let place = self.index.find(request.host, request.path, takes)?;
        Some(&self.rules[place].target)
    }

    /// What all rules lead to, in the order of the file.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.rules.iter().map(|rule| &rule.target)
    }

    /// Whether any rule for `host` on `listener` looks at the path. Where none does, a path that [`normalise_path`] refuses
    /// may pass.
    pub fn reads_paths(&self, listener: usize, host: &str) -> bool {
        self.index.reads_paths(listener, host)
    }
}

impl<T> Rule<T> {
    /// Whether it takes a request whose host fits, and whose path fits unless it is a regular expression.
    fn takes(&self, listener: usize, request: &RequestView<'_>) -> bool {
        let serves = self.listeners.as_ref().is_none_or(|listeners| listeners.contains(&listener));
        serves && self.matching.path.fits_regex(request.path) && self.matching.fits(request)
    }
}

#[cfg(test)]
mod tests;
