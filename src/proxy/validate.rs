//! Which requests weir takes: the rules of an intermediary that the wire grammar leaves open.
//!
//! The request has been parsed, and its framing settled. What is settled here is whom it is for (one authority, however the
//! client spelled it) and which path the rules compare. Nothing behind this module looks at `Host`, `:authority` or the raw
//! path again to decide anything.

use std::borrow::Cow;

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use crate::outcome::Fault;
use crate::route::{self, PathError};

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The authority as the client wrote it, for the Host that is forwarded.
    pub(super) authority: HeaderValue,
    /// Bytes of it before its port.
    host: usize,
    /// The path that rules compare where it is another than was written, or why there is none.
    path: Result<Option<Box<str>>, PathError>,
}

impl Target {
    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        std::str::from_utf8(self.authority.as_bytes()).unwrap_or_default()
    }

    /// The path that rules compare, of a request for `uri`, or why there is none. Where no rule compares paths that does not
    /// matter.
    pub(super) fn path<'a>(&'a self, uri: &'a Uri) -> Result<&'a str, PathError> {
        match &self.path {
            Ok(changed) => Ok(changed.as_deref().unwrap_or(uri.path())),
            Err(error) => Err(*error),
        }
    }

    /// Whether the path that rules compare, which is the one that is forwarded, is written otherwise than it came.
    pub(super) fn changes_path(&self) -> bool {
        matches!(self.path, Ok(Some(_)))
    }

    /// Both paths of a request for `uri`. One that has no normal form, and that no rule compares, stays as written.
    pub(super) fn paths<'a>(&'a self, uri: &'a Uri) -> Paths<'a> {
        Paths { uri, normalised: self.path(uri).unwrap_or(uri.path()) }
    }

    /// The host without its port.
    pub(super) fn host(&self) -> &str {
        &self.authority()[..self.host]
    }
}

/// The path of a request as it was written, and as rules compare it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'a> {
    /// As written.
    pub(super) uri: &'a Uri,
    /// As compared, which is as forwarded.
    pub(super) normalised: &'a str,
}

/// Checks a request head.
///
/// # Errors
/// [`Fault::MethodRefused`], [`Fault::HeadersTooLarge`] (for HTTP/2; those of HTTP/1 have been counted),
/// [`Fault::BadRequest`].
pub(super) fn target(head: &Parts, most_fields: usize) -> Result<Target, Fault> {
    check_method(&head.method)?;
    if head.headers.len() > most_fields {
        return Err(Fault::HeadersTooLarge);
    }
    if head.version < Version::HTTP_11 && head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Fault::BadRequest);
    }
    // `GET *` and authority-form have no path that begins with a slash.
    if !head.uri.path().starts_with('/') || !scheme_is_known(head) {
        return Err(Fault::BadRequest);
    }
    let authority = match head.version {
        Version::HTTP_2 => authority_of_h2(head)?,
        _ => authority_of_h1(head)?,
    };
    let path = route::normalise_path(head.uri.path()).map(|path| match path {
        Cow::Borrowed(_) => None,
        Cow::Owned(path) => Some(path.into_boxed_str()),
    });
    let host = std::str::from_utf8(authority.as_bytes()).map_or(0, |text| split_port(text).0.len());
    Ok(Target { authority, host, path })
}

fn check_method(method: &Method) -> Result<(), Fault> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Fault::MethodRefused);
    }
    if method.as_str().len() > LONGEST_METHOD { Err(Fault::BadRequest) } else { Ok(()) }
}

fn scheme_is_known(head: &Parts) -> bool {
    head.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
}

/// HTTP/1: exactly one valid Host; a target in absolute form overrules it.
fn authority_of_h1(head: &Parts) -> Result<HeaderValue, Fault> {
    let host = only_host(&head.headers)?.ok_or(Fault::BadRequest)?;
    check_authority(host)?;
    match head.uri.authority() {
        Some(authority) => valid(authority.as_str()),
        None => Ok(host.clone()),
    }
}

/// HTTP/2: `:authority`, or one Host; both only when they say the same.
fn authority_of_h2(head: &Parts) -> Result<HeaderValue, Fault> {
    let host = only_host(&head.headers)?;
    match (head.uri.authority(), host) {
        (None, None) => Err(Fault::BadRequest),
        (None, Some(host)) => check_authority(host).map(|()| host.clone()),
        (Some(authority), None) => valid(authority.as_str()),
        (Some(authority), Some(host)) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            valid(authority.as_str())
        }
        (Some(_), Some(_)) => Err(Fault::BadRequest),
    }
}

/// The Host field; an error when there are two.
fn only_host(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Fault> {
    let mut all = headers.get_all(header::HOST).iter();
    let first = all.next();
    if all.next().is_some() { Err(Fault::BadRequest) } else { Ok(first) }
}

fn valid(authority: &str) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::from_str(authority).map_err(|_| Fault::BadRequest)?;
    check_authority(&value).map(|()| value)
}

fn check_authority(value: &HeaderValue) -> Result<(), Fault> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| Fault::BadRequest)?;
    let (host, port) = split_port(text);
    let port_is_good = port.is_none_or(|port| {
        port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if port_is_good && host_is_good(host) { Ok(()) } else { Err(Fault::BadRequest) }
}

/// Stricter than RFC 3986, whose registered names may hold sub-delimiters and percent-encoding: no name that resolves has
/// them, and an upstream that decodes them would see another host than the rules did.
fn host_is_good(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| OF_HOSTS[usize::from(byte)]),
    }
}

/// By byte: whether it stands in the names of hosts.
const OF_HOSTS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

/// Host and port of an authority; an IPv6 address keeps its brackets.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.bytes().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if authority.as_bytes()[at] == b':' => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    }
}

/// The longest registered method has 17 letters (UPDATEREDIRECTREF).
const LONGEST_METHOD: usize = 32;

#[cfg(test)]
mod tests;
