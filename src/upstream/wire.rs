//! A request as its connection wants it: target, authority and framing. Other fields are not touched.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use super::body::RequestBody;
use crate::outcome::Fault;

/// Whether it is a gRPC request.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let Some(rest) = value.as_bytes().strip_prefix(b"application/grpc") else { return false };
    matches!(rest.first(), None | Some(b'+' | b';'))
}

/// For HTTP/1.1: origin form and a Host. The framing is [`super::http1`]'s.
///
/// # Errors
/// [`Fault::BadRequest`] where that cannot be written.
pub(super) fn for_http1(request: &mut Request<RequestBody>, authority: &str) -> Result<(), Fault> {
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(HOST) {
        let host = request.uri().authority().map_or(authority, Authority::as_str);
        let host = HeaderValue::from_str(host).map_err(|_| Fault::BadRequest)?;
        request.headers_mut().insert(HOST, host);
    }
    if request.uri().scheme().is_some() || request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    Ok(())
}

/// For HTTP/2: absolute form with the Host as authority.
///
/// # Errors
/// [`Fault::BadRequest`] where the Host is none.
pub(super) fn for_http2(request: &mut Request<RequestBody>, authority: &str, scheme: Scheme) -> Result<(), Fault> {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.authority = Some(match (host, parts.authority) {
        (Some(host), _) => Authority::try_from(host.as_bytes()).map_err(|_| Fault::BadRequest)?,
        (None, Some(authority)) => authority,
        (None, None) => Authority::try_from(authority).map_err(|_| Fault::BadRequest)?,
    });
    parts.scheme = Some(scheme);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Fault::BadRequest)?;
    request.headers_mut().remove(TRANSFER_ENCODING);
    measure(request);
    Ok(())
}

/// Content-Length says how long the body is, if that is known.
fn measure(request: &mut Request<RequestBody>) {
    let Some(length) = request.body().size_hint().exact() else { return };
    // Elsewhere no length means none.
    let expected = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if length > 0 || expected {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    } else if request.headers().contains_key(CONTENT_LENGTH) {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
}

#[cfg(test)]
mod tests;
