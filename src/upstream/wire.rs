//! A request's head as its connection wants it: target, authority and framing. Other fields are not touched.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use http_body::Body;

use super::body::RequestBody;
use crate::outcome::Fault;

/// Whether it is a gRPC request.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let Some(rest) = value.as_bytes().strip_prefix(b"application/grpc") else { return false };
    matches!(rest.first(), None | Some(b'+' | b';'))
}

/// For HTTP/1.1: `head` with a Host, where it has none itself. Target and framing are [`super::http1`]'s.
///
/// # Errors
/// [`Fault::BadRequest`] where that cannot be written.
pub(super) fn with_host(head: &Parts, authority: &str) -> Result<Option<Box<Parts>>, Fault> {
    if head.headers.contains_key(HOST) {
        return Ok(None);
    }
    let host = head.uri.authority().map_or(authority, Authority::as_str);
    let host = HeaderValue::from_str(host).map_err(|_| Fault::BadRequest)?;
    let mut head = Box::new(head.clone());
    head.headers.insert(HOST, host);
    Ok(Some(head))
}

/// For HTTP/2: absolute form with the Host as authority.
///
/// # Errors
/// [`Fault::BadRequest`] where the Host is none.
pub(super) fn for_http2(head: &Parts, body: &RequestBody, authority: &str, scheme: Scheme) -> Result<Parts, Fault> {
    let mut head = head.clone();
    head.version = Version::HTTP_2;
    let host = head.headers.remove(HOST);
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    parts.authority = Some(match (host, parts.authority) {
        (Some(host), _) => Authority::try_from(host.as_bytes()).map_err(|_| Fault::BadRequest)?,
        (None, Some(authority)) => authority,
        (None, None) => Authority::try_from(authority).map_err(|_| Fault::BadRequest)?,
    });
    parts.scheme = Some(scheme);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    head.uri = Uri::from_parts(parts).map_err(|_| Fault::BadRequest)?;
    strip(&mut head.headers);
    measure(&mut head, body);
    Ok(head)
}

/// Takes out what HTTP/2 does not have (RFC 9113, section 8.2.2).
fn strip(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION] {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Content-Length says how long the body is, if that is known.
fn measure(head: &mut Parts, body: &RequestBody) {
    let Some(length) = body.size_hint().exact() else { return };
    // Elsewhere no length means none.
    let expected = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    if length > 0 || expected || head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests;
