//! Fields that concern one connection only, and so end here: in requests and in responses.
//!
//! Runs before weir adds fields of its own.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

/// What a request asked to switch to, if it may: HTTP/1.1, one protocol, and not HTTP/2 by `h2c`.
///
/// Reads what [`strip_request`] removes.
pub(super) fn upgrade_of(version: Version, method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    if version != Version::HTTP_11 || *method != Method::GET || !headers.contains_key(header::UPGRADE) {
        return None;
    }
    // Only a request without a body may switch: where the body ends and the new protocol begins is not for us to guess.
    let bodiless = !headers.contains_key(header::TRANSFER_ENCODING)
        && headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if !bodiless || !connection_lists(headers, "upgrade") {
        return None;
    }
    let mut asked = headers.get_all(header::UPGRADE).iter();
    let (Some(protocol), None) = (asked.next(), asked.next()) else { return None };
    let text = protocol.to_str().ok()?.trim();
    let refused = text.is_empty() || text.contains(',') || text.eq_ignore_ascii_case("h2c");
    (!refused).then(|| protocol.clone())
}

/// Removes what concerned the client's connection, but keeps `TE: trailers`, which gRPC asks servers by.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    let trailers = headers
        .get_all(header::TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case("trailers")));
    strip(headers);
    headers.remove("http2-settings");
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes what concerned the upstream's connection.
///
/// A Content-Length beside a Transfer-Encoding goes first: the message was framed by the latter, and once that is stripped
/// the stale length would cut the body (RFC 9112 section 6.3). What never has a body has no length either (RFC 9110, 8.6).
pub(super) fn strip_response(headers: &mut HeaderMap, status: StatusCode) {
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        headers.remove(header::CONTENT_LENGTH);
    }
    if !headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        return;
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
    headers.remove(header::PROXY_AUTHENTICATE);
}

/// Removes from `trailers` what concerned the upstream's connection. Hardly any have such a field.
pub(super) fn strip_trailers(trailers: &mut HeaderMap) {
    if trailers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        strip(trailers);
    }
}

/// Whether `Connection` lists `token`.
pub(super) fn connection_lists(headers: &HeaderMap, token: &str) -> bool {
    tokens(headers).any(|listed| listed.eq_ignore_ascii_case(token))
}

/// Whether a field of this name may have to go.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "http2-settings" | "proxy-authenticate") || HOP_BY_HOP.contains(&name)
}

fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> =
            tokens(headers).filter_map(|token| token.parse().ok()).filter(|name| !is_protected(name)).collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Fields that no Connection token removes: a client could otherwise hide from the backend what proxies say about it.
fn is_protected(name: &HeaderName) -> bool {
    const ALWAYS: [HeaderName; 6] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
    ];
    let text = name.as_str();
    ALWAYS.contains(name)
        || text.starts_with("x-forwarded-")
        || text.starts_with("x-weir-")
        || ["forwarded", "x-real-ip", "x-request-id", "traceparent", "tracestate"].contains(&text)
}

/// RFC 9110 section 7.6.1, and Proxy-Connection, which old clients send.
const HOP_BY_HOP: [&str; 6] =
    ["keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "proxy-authorization"];

#[cfg(test)]
mod tests;
