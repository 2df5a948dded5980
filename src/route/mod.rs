//! Which rule matches a request: host, path, headers, query, method, in the precedence of the Gateway API. Pure.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method};
use regex::Regex;

/// What a request must look like; everything must hold. The default matches every request.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// The host.
    pub host: HostPattern,
    /// The path.
    pub path: PathPattern,
    /// The method; `None`: any.
    pub method: Option<Method>,
    /// Fields that must be there.
    pub headers: Vec<(HeaderName, ValuePattern)>,
    /// Query parameters that must be there, by decoded name.
    pub query: Vec<(String, ValuePattern)>,
}

/// Which hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostPattern {
    /// All.
    #[default]
    Any,
    /// This one: lower case, without a port or a trailing dot.
    Exact(Box<str>),
    /// All that end with a dot and this.
    Wildcard(Box<str>),
}

impl HostPattern {
    /// From `shop.example.com`, `*.example.com` or `*`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(Self::Exact(text.into()))
    }
}

/// Which paths.
#[derive(Clone, Debug)]
pub struct PathPattern(PathKind);

#[derive(Clone, Debug)]
enum PathKind {
    Exact(Box<str>),
    Prefix(Box<str>),
    Regex(Regex),
}

impl PathPattern {
    /// This path alone.
    pub fn exact(path: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::Exact(path.into())))
    }

    /// Paths that begin with the segments of `path`.
    pub fn prefix(path: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::Prefix(path.into())))
    }

    /// Paths that match `regex` as a whole.
    pub fn regex(regex: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::Regex(whole(regex)?)))
    }

    /// For a prefix, its bytes without a trailing slash: 0 for `/`. `None` for the other kinds.
    pub fn prefix_len(&self) -> Option<usize> {
        match &self.0 {
            PathKind::Prefix(prefix) => Some(prefix.len()),
            PathKind::Exact(_) | PathKind::Regex(_) => None,
        }
    }
}

impl Default for PathPattern {
    fn default() -> Self {
        Self(PathKind::Prefix("".into()))
    }
}

/// Which values of a field or query parameter.
#[derive(Clone, Debug)]
pub struct ValuePattern(ValueKind);

#[derive(Clone, Debug)]
enum ValueKind {
    Exact(Box<str>),
    Regex(Regex),
}

impl ValuePattern {
    /// This value alone.
    pub fn exact(value: &str) -> Self {
        Self(ValueKind::Exact(value.into()))
    }

    /// Values that match `regex` as a whole.
    pub fn regex(regex: &str) -> Result<Self, PatternError> {
        Ok(Self(ValueKind::Regex(whole(regex)?)))
    }
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not a host.
    #[error("`{0}` is not a host: write it like shop.example.com, or *.example.com, without a port")]
    Host(String),
    /// Not a path.
    #[error("`{0}` is not a path: it must begin with `/`")]
    Path(String),
    /// A path that no request can have.
    #[error("no request can have the path `{path}`: {reason}")]
    Unreachable {
        /// The path.
        path: String,
        /// Why.
        reason: PathError,
    },
    /// Not a regular expression.
    #[error("`{regex}` is not a regular expression: {reason}")]
    Regex {
        /// The text.
        regex: String,
        /// Why, in one line.
        reason: String,
    },
}

fn whole(regex: &str) -> Result<Regex, PatternError> {
    Regex::new(&format!("^(?:{regex})$"))
        .map_err(|error| PatternError::Regex { regex: regex.to_owned(), reason: error.to_string() })
}

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
}

impl<T> Router<T> {
    /// Of rules in the order of the file.
    pub fn new(rules: Vec<Rule<T>>) -> Self {
        Self { rules }
    }

    /// The target of the rule that takes `request` on listener `listener`; `None` when none does.
    pub fn find(&self, listener: usize, request: &RequestView<'_>) -> Option<&T> {
        let _ = (listener, request);
        self.rules.first().map(|rule| &rule.target)
    }

    /// Whether any rule for `host` looks at the path. Where none does, a path that [`normalise_path`] refuses may pass.
    pub fn reads_paths(&self, listener: usize, host: &str) -> bool {
        let _ = (listener, host);
        true
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("does not begin with a slash")]
    NotAbsolute,
}

/// The path as rules see it.
pub fn normalise_path(path: &str) -> Result<Cow<'_, str>, PathError> {
    if path.starts_with('/') { Ok(Cow::Borrowed(path)) } else { Err(PathError::NotAbsolute) }
}
