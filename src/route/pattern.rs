//! What a rule asks of requests. Everything is checked and brought into its normal form here, so that matching only compares.

use std::collections::HashSet;

use http::{HeaderName, Method};
use regex::Regex;

use super::path::{self, PathError};

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

impl Matcher {
    /// Keeps the first match of each header and of each query parameter.
    pub(super) fn drop_repeated_names(&mut self) {
        let mut seen = HashSet::new();
        self.headers.retain(|(name, _)| seen.insert(name.clone()));
        let mut seen = HashSet::new();
        self.query.retain(|(name, _)| seen.insert(name.clone()));
    }
}

/// Which hosts. Hosts compare without regard to case, port and a trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// All.
    #[default]
    Any,
    /// This one.
    Exact(Box<str>),
    /// All that end with a dot and this: so many labels more.
    Wildcard(Box<str>, Labels),
}

/// How many labels the `*` of a host stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Labels {
    /// Exactly one, as in an Ingress.
    One,
    /// One or more, as in the Gateway API.
    Any,
}

impl Labels {
    /// Whether `labels`, which have been found in place of the `*`, are so many.
    pub(super) fn fit(self, labels: &str) -> bool {
        self == Self::Any || !labels.contains('.')
    }
}

impl HostPattern {
    /// From `shop.example.com`, `*.example.com` or `*`. Names in other scripts are written in their ASCII form (`xn--...`);
    /// an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let wrong = || PatternError::Host(text.to_owned());
        if let Some(suffix) = host.strip_prefix("*.") {
            return if is_name(suffix) { Ok(Self::Wildcard(suffix.into(), Labels::Any)) } else { Err(wrong()) };
        }
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_address = address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        if is_address || is_name(&host) { Ok(Self::Exact(host.into())) } else { Err(wrong()) }
    }

    /// The same, but that a `*` stands for exactly one label.
    pub fn single_label(self) -> Self {
        match self {
            Self::Wildcard(suffix, _) => Self::Wildcard(suffix, Labels::One),
            other => other,
        }
    }
}

/// Whether `host` is made of labels, as in RFC 1123; underscores are let through because they are in use.
fn is_name(host: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(good);
    host.len() <= MAX_HOST && host.split('.').all(is_label)
}

/// Which paths, in the normal form of [`super::normalise_path`]. The default is all.
#[derive(Clone, Debug)]
pub struct PathPattern(pub(super) PathKind);

#[derive(Clone, Debug)]
pub(super) enum PathKind {
    Exact(Box<str>),
    /// Without a trailing slash.
    Prefix(Box<str>),
    Regex(Regex),
    /// The second of two segments.
    GrpcMethod(Regex),
}

impl PathPattern {
    /// This path alone.
    pub fn exact(path: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::Exact(normal(path)?.into())))
    }

    /// Paths that begin with the segments of `path`: `/shop` is a prefix of `/shop` and `/shop/cart`, not of `/shopping`.
    /// A trailing slash says nothing.
    pub fn prefix(path: &str) -> Result<Self, PatternError> {
        let path = normal(path)?;
        Ok(Self(PathKind::Prefix(path.strip_suffix('/').unwrap_or(&path).into())))
    }

    /// Paths that match `regex` as a whole, in the syntax of Rust's regex crate (linear in time, no look-around). Sees paths in
    /// their normal form: unreserved characters decoded, all others encoded with upper-case digits.
    pub fn regex(regex: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::Regex(whole(regex)?)))
    }

    /// Paths of two segments, the second of which matches `regex` as a whole: a method of gRPC, whatever its service. Goes
    /// behind all prefixes but `/`.
    pub fn grpc_method(regex: &str) -> Result<Self, PatternError> {
        Ok(Self(PathKind::GrpcMethod(whole(regex)?)))
    }

    /// For a prefix, its bytes without a trailing slash: 0 for `/`. `None` for the other kinds.
    pub fn prefix_len(&self) -> Option<usize> {
        match &self.0 {
            PathKind::Prefix(prefix) => Some(prefix.len()),
            PathKind::Exact(_) | PathKind::Regex(_) | PathKind::GrpcMethod(_) => None,
        }
    }

    /// Whether it tells paths apart.
    pub(super) fn is_any(&self) -> bool {
        self.prefix_len() == Some(0)
    }

    /// Whether `path` matches the regular expression, if it is one.
    pub(super) fn fits_regex(&self, path: &str) -> bool {
        match &self.0 {
            PathKind::Regex(regex) => regex.is_match(path),
            PathKind::GrpcMethod(regex) => method_of(path).is_some_and(|method| regex.is_match(method)),
            PathKind::Exact(_) | PathKind::Prefix(_) => true,
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
pub struct ValuePattern(pub(super) ValueKind);

#[derive(Clone, Debug)]
pub(super) enum ValueKind {
    Exact(Box<str>),
    Regex(Regex),
}

impl ValuePattern {
    /// This value alone, byte for byte.
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
    #[error("`{0}` is not a host: write it like shop.example.com or *.example.com, without a port")]
    Host(String),
    /// Not a path.
    #[error("`{0}` is not a path: write it like /shop, without a query or fragment")]
    Path(String),
    /// A path that no request can have.
    #[error("no request can have the path `{path}`: it {reason}")]
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

/// The method of a gRPC call: the second of two segments.
fn method_of(path: &str) -> Option<&str> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    (!service.is_empty() && !method.contains('/')).then_some(method)
}

/// A path of the configuration in its normal form.
fn normal(text: &str) -> Result<String, PatternError> {
    if !text.starts_with('/') || text.contains(['?', '#']) {
        return Err(PatternError::Path(text.to_owned()));
    }
    let reason = |reason| PatternError::Unreachable { path: text.to_owned(), reason };
    path::normalise_path(text).map(|path| path.into_owned()).map_err(reason)
}

/// `regex`, to be matched as a whole.
fn whole(regex: &str) -> Result<Regex, PatternError> {
    let wrong = |error: regex::Error| {
        let text = error.to_string();
        let line = text.lines().last().unwrap_or_default();
        let reason = line.strip_prefix("error: ").unwrap_or(line).to_owned();
        PatternError::Regex { regex: regex.to_owned(), reason }
    };
    // By itself first: `a)|(b` would be whole only between the brackets that are added.
    Regex::new(regex).map_err(wrong)?;
    Regex::new(&format!(r"\A(?:{regex})\z")).map_err(wrong)
}

/// The longest name of the DNS, without the trailing dot.
pub(super) const MAX_HOST: usize = 253;
