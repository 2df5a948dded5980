//! Whether a request has the method, the headers and the query parameters of a rule.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};

use super::RequestView;
use super::pattern::{Matcher, ValueKind, ValuePattern};

impl Matcher {
    /// Whether method, headers and query fit; host and path are the index's business.
    pub(super) fn fits(&self, request: &RequestView<'_>) -> bool {
        self.method.as_ref().is_none_or(|method| method == request.method)
            && self.headers.iter().all(|(name, pattern)| has_header(request.headers, name, pattern))
            && self.query.iter().all(|(name, pattern)| has_parameter(request.query.unwrap_or_default(), name, pattern))
    }
}

impl ValuePattern {
    fn fits(&self, value: &[u8]) -> bool {
        match &self.0 {
            ValueKind::Exact(expected) => expected.as_bytes() == value,
            ValueKind::Regex(regex) => std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value)),
        }
    }
}

/// Whether a field is there with a value that fits.
///
/// A repeated field is one field with its values joined by a comma and a space, as the Gateway API asks for and RFC 9110
/// section 5.3 defines; Cookie, which HTTP/2 may cut in pieces, by a semicolon and a space (RFC 9113 section 8.2.3). Any single
/// value would do less: what a rule sees must be what the backend sees.
fn has_header(headers: &HeaderMap, name: &HeaderName, pattern: &ValuePattern) -> bool {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return false };
    let Some(second) = values.next() else { return pattern.fits(first.as_bytes()) };
    let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
    let mut joined = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        joined.extend_from_slice(separator);
        joined.extend_from_slice(value.as_bytes());
    }
    pattern.fits(&joined)
}

/// Whether a query parameter is there whose first value fits. The first, as the Gateway API recommends. Names and values are
/// decoded as forms are (`+` is a space); a parameter without `=` has the empty value.
fn has_parameter(query: &str, name: &str, pattern: &ValuePattern) -> bool {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(key, _)| decoded(key).eq(name.bytes())).map(|(_, value)| value);
    values.next().is_some_and(|value| match &pattern.0 {
        ValueKind::Exact(expected) => decoded(value).eq(expected.bytes()),
        ValueKind::Regex(_) => pattern.fits(&decoded_whole(value)),
    })
}

/// The bytes of a part of a form. A `%` without two hexadecimal digits stands for itself.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let &byte = bytes.get(at)?;
        let escaped = if byte == b'%' { bytes.get(at + 1..at + 3).and_then(hex) } else { None };
        at += if escaped.is_some() { 3 } else { 1 };
        Some(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }))
    })
}

fn decoded_whole(text: &str) -> Cow<'_, [u8]> {
    if text.contains(['%', '+']) { Cow::Owned(decoded(text).collect()) } else { Cow::Borrowed(text.as_bytes()) }
}

/// The byte of two hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
