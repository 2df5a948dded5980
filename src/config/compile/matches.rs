//! What requests must look like.

use http::Method;

use super::Compiler;
use super::values::is_token;
use crate::config::schema::{Match, PathMatch, PathMatchKind, ValueMatch, ValueMatchKind};
use crate::config::tree::At;
use crate::route::{HostPattern, Matcher, PathPattern, PatternError, ValuePattern};

impl Compiler<'_> {
    /// The matcher of `written`; what is wrong in it matches everything, after it has been reported.
    pub(super) fn matcher(&mut self, written: &Match, at: &At<'_>) -> Matcher {
        let host = self.pattern(written.host.as_deref().map(HostPattern::parse), &at.key("host")).unwrap_or_default();
        if written.single_label && !matches!(host, HostPattern::Wildcard(..)) && !at.lost("host") {
            self.error(&at.key_itself("singleLabel"), "there is no `*` that could stand for one label")
                .help("write `host: \"*.example.com\"`, or remove it");
        }
        let path = written.path.as_ref().map(path_pattern);
        let headers = at.key("headers");
        let query = at.key("query");
        Matcher {
            host: if written.single_label { host.single_label() } else { host },
            path: self.pattern(path, &at.key("path")).unwrap_or_default(),
            method: written.method.as_deref().and_then(|method| self.method(method, &at.key("method"))),
            headers: written
                .headers
                .iter()
                .filter_map(|(name, value)| {
                    let value = self.pattern(Some(value_pattern(value)), &headers.key(name));
                    Some((self.header_name(&headers.key_itself(name), name)?, value?))
                })
                .collect(),
            query: written
                .query
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.clone(), self.pattern(Some(value_pattern(value)), &query.key(name))?))
                })
                .collect(),
        }
    }

    pub(super) fn pattern<T>(&mut self, pattern: Option<Result<T, PatternError>>, at: &At<'_>) -> Option<T> {
        match pattern? {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let (message, help) = explain(&error);
                self.error(at, message).maybe_help(help);
                None
            }
        }
    }

    pub(super) fn method(&mut self, method: &str, at: &At<'_>) -> Option<Method> {
        if !is_token(method) {
            self.error(at, format!("`{method}` is not a method")).help("write it like GET");
            return None;
        }
        let upper = method.to_ascii_uppercase();
        if upper != method && COMMON.contains(&upper.as_str()) {
            self.error(at, format!("`{method}` is not `{upper}`: methods are compared letter by letter"))
                .help(format!("write {upper}"));
        }
        Method::from_bytes(method.as_bytes()).ok()
    }
}

fn path_pattern(path: &PathMatch) -> Result<PathPattern, PatternError> {
    match path {
        PathMatch::Prefix(prefix) | PathMatch::Kind(PathMatchKind::Prefix(prefix)) => PathPattern::prefix(prefix),
        PathMatch::Kind(PathMatchKind::Exact(path)) => PathPattern::exact(path),
        PathMatch::Kind(PathMatchKind::Regex(regex)) => PathPattern::regex(regex),
        PathMatch::Kind(PathMatchKind::GrpcMethod(regex)) => PathPattern::grpc_method(regex),
    }
}

fn value_pattern(value: &ValueMatch) -> Result<ValuePattern, PatternError> {
    match value {
        ValueMatch::Exact(value) | ValueMatch::Kind(ValueMatchKind::Exact(value)) => Ok(ValuePattern::exact(value)),
        ValueMatch::Kind(ValueMatchKind::Regex(regex)) => ValuePattern::regex(regex),
    }
}

fn explain(error: &PatternError) -> (String, Option<String>) {
    let text = error.to_string();
    match (error, text.rsplit_once(": ")) {
        (PatternError::Host(_) | PatternError::Path(_), Some((message, help))) => {
            (message.to_owned(), Some(help.to_owned()))
        }
        _ => (text, None),
    }
}

/// Methods that somebody may write in small letters.
const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
