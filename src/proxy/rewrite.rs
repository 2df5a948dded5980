//! Changes that routes make: fields, the path, and where a redirect leads.

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue};

use super::validate::{self, Paths};
use crate::snapshot::{HeaderEdits, PathRewrite, Redirect};

/// Changes fields: set, then add, then remove.
pub(super) fn edit(headers: &mut HeaderMap, edits: &HeaderEdits) {
    for (name, value) in &edits.set {
        headers.insert(name, value.clone());
    }
    for (name, value) in &edits.add {
        headers.append(name, value.clone());
    }
    for name in &edits.remove {
        headers.remove(name);
    }
}

/// The target of a request in origin form: the path as rules compare it, or what it is rewritten to, and the query as written.
/// Without a path (`http://host?query`) it is `/` (RFC 9112, section 3.2.1).
pub(super) fn path_and_query(paths: Paths<'_>, rewrite: Option<&PathRewrite>) -> Option<PathAndQuery> {
    let as_written = paths.uri.path_and_query().filter(|all| !all.as_str().starts_with('?'));
    if let (Some(as_written), None) = (as_written, rewrite)
        && as_written.path() == paths.normalised
    {
        return Some(as_written.clone());
    }
    let mut text = match rewrite {
        Some(rewrite) => rewrite_path(paths.normalised, rewrite),
        None => paths.normalised.to_owned(),
    };
    if let Some(query) = paths.uri.query() {
        text.push('?');
        text.push_str(query);
    }
    text.parse().ok()
}

fn rewrite_path(path: &str, rewrite: &PathRewrite) -> String {
    let text = match rewrite {
        PathRewrite::Full(full) => full.clone(),
        PathRewrite::Prefix { matched, replacement } => {
            let rest = path.get(*matched..).unwrap_or_default();
            match (replacement.trim_end_matches('/'), rest.trim_start_matches('/')) {
                (start, "") if rest.is_empty() && !start.is_empty() => replacement.clone(),
                (start, rest) => format!("{start}/{rest}"),
            }
        }
    };
    if text.starts_with('/') { text } else { format!("/{text}") }
}

/// What a redirect keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here<'a> {
    /// The scheme that the client used.
    pub(super) scheme: &'a str,
    /// The authority that it asked for.
    pub(super) authority: &'a str,
    /// The listener's port.
    pub(super) port: u16,
    /// The port that clients connect to, where that is said.
    pub(super) public_port: Option<u16>,
}

/// The `Location` of a redirect, by the rules of the Gateway API: a port that is not written is the well-known one of a
/// scheme that is written, else the listener's; a well-known port is left out.
pub(super) fn location(redirect: &Redirect, here: Here<'_>, paths: Paths<'_>) -> Option<HeaderValue> {
    let scheme = redirect.scheme.as_ref().map_or(here.scheme, Scheme::as_str);
    let (asked_host, asked_port) = validate::split_port(here.authority);
    let host = redirect.host.as_deref().unwrap_or(asked_host);
    let well_known = if scheme == "https" { 443 } else { 80 };
    let port = match (redirect.port, &redirect.scheme, &redirect.host) {
        (Some(port), _, _) => port,
        (None, Some(_), _) => well_known,
        (None, None, Some(_)) => here.public_port.unwrap_or(here.port),
        // Nothing of the authority is written: it stays as the client knows it, which may differ behind a port mapping.
        (None, None, None) => {
            let asked = || asked_port.and_then(|port| port.parse().ok());
            here.public_port.or_else(asked).unwrap_or(well_known)
        }
    };
    let path = path_and_query(paths, redirect.path.as_ref())?;
    let text =
        if port == well_known { format!("{scheme}://{host}{path}") } else { format!("{scheme}://{host}:{port}{path}") };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests;
