//! Cookies: finding one, removing some, and the one that weir sets.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::split::ClientKey;

/// The value of the first cookie called `name`.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let crumbs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    crumbs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// Joins the crumbs of HTTP/2 into the one field that HTTP/1 knows (RFC 9113 section 8.2.3), without the cookies `unwanted`.
///
/// A field that is no text stays as it is: it holds no cookie of ours.
pub(super) fn join_without(headers: &mut HeaderMap, unwanted: &[&str]) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    let Some(first) = fields.next() else { return };
    let single = fields.next().is_none();
    let is_unwanted = |pair: &str| unwanted.contains(&pair.split('=').next().unwrap_or_default().trim());
    if single && (unwanted.is_empty() || !first.to_str().is_ok_and(|text| text.split(';').any(is_unwanted))) {
        return;
    }
    let mut joined = Vec::new();
    for field in headers.get_all(header::COOKIE) {
        let kept: Vec<&[u8]> = match field.to_str() {
            Ok(text) => text.split(';').filter(|pair| !is_unwanted(pair)).map(|pair| pair.trim().as_bytes()).collect(),
            Err(_) => vec![field.as_bytes()],
        };
        for pair in kept.into_iter().filter(|pair| !pair.is_empty()) {
            if !joined.is_empty() {
                joined.extend_from_slice(b"; ");
            }
            joined.extend_from_slice(pair);
        }
    }
    match HeaderValue::from_bytes(&joined) {
        Ok(value) if !joined.is_empty() => drop(headers.insert(header::COOKIE, value)),
        _ => drop(headers.remove(header::COOKIE)),
    }
}

/// Whether a cookie may travel in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// The client came over TLS.
    Secure,
    /// It did not, and would not send back a cookie marked `Secure`.
    Plain,
}

/// The affinity cookie. It names no backend and no side, and its number means nothing to another release.
pub(super) fn affinity(name: &str, key: ClientKey, max_age: Duration, transport: Transport) -> Option<HeaderValue> {
    let secure = match transport {
        Transport::Secure => "; Secure",
        Transport::Plain => "",
    };
    let age = max_age.as_secs();
    HeaderValue::from_str(&format!("{name}={key}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{secure}")).ok()
}

#[cfg(test)]
mod tests;
