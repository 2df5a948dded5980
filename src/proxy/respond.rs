//! Responses: those of backends on their way to the client, and those that weir makes itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use super::date::Dates;
use super::download::{self, Download, Payload};
use super::exchange::Ticket;
use super::forwarded::X_REQUEST_ID;
use super::seen::Seen;
use super::{hop, rewrite};
use crate::outcome::{Fault, Semantics};
use crate::snapshot::Route;

/// What of a request its response depends on, whoever makes it.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    method: Method,
    language: Language,
}

impl Asker {
    /// Who asks by `request`.
    pub(super) fn of<B>(request: &Request<B>, seen: Seen) -> Self {
        Self { method: request.method().clone(), language: Language::of(request.headers(), seen) }
    }
}

/// How the client likes to be told of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// One line of text.
    Text,
    /// A JSON object.
    Json,
    /// gRPC: in the head, with status 200.
    Grpc,
}

impl Language {
    /// What the request's fields ask for.
    fn of(headers: &HeaderMap, seen: Seen) -> Self {
        if super::forward::semantics_of(headers, seen) == Semantics::Grpc {
            return Self::Grpc;
        }
        if !seen.accept {
            return Self::Text;
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.contains("application/json") { Self::Json } else { Self::Text }
    }
}

/// The answer to a request that ended by `fault`.
pub(super) fn refusal(fault: Fault, asker: &Asker, id: Option<&HeaderValue>) -> Response<Payload> {
    let status = fault.status();
    let (kind, text) = match asker.language {
        Language::Grpc => return grpc_refusal(fault),
        Language::Text => ("text/plain; charset=utf-8", format!("{}: {}\n", status.as_u16(), fault.message())),
        Language::Json => {
            let (status, flag, message) = (status.as_u16(), fault.flag(), fault.message());
            let object = serde_json::json!({"status": status, "flag": flag, "message": message});
            ("application/json", format!("{object}\n"))
        }
    };
    let mut response = Response::new(Payload::Local(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if fault == Fault::MethodRefused {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if let Some(seconds) = fault.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id.clone());
    }
    response
}

/// The answer to what is no request: nobody to count, no fields to heed.
pub(super) fn to_nobody(fault: Fault, dates: &Dates) -> Response<Download> {
    let asker = Asker { method: Method::GET, language: Language::Text };
    let mut response = refusal(fault, &asker, None).map(Download::text);
    dates.complete(response.headers_mut());
    response
}

/// The answer to a browser's question about another origin: `headers` say it all.
pub(super) fn preflight(headers: HeaderMap) -> Response<Payload> {
    let mut response = Response::new(Payload::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// A response of trailers only.
fn grpc_refusal(fault: Fault) -> Response<Payload> {
    let mut response = Response::new(Payload::Local(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(grpc_code(fault)));
    headers.insert("grpc-message", HeaderValue::from_static(fault.message()));
    response
}

/// gRPC's own mapping of HTTP statuses, and "resource exhausted" for what is too large. A route that leads nowhere is
/// "unavailable", as the Gateway API has it.
fn grpc_code(fault: Fault) -> u16 {
    match fault.status().as_u16() {
        _ if matches!(fault, Fault::NoBackend | Fault::Unresolved) => 14,
        400 | 500 => 13,
        404 | 405 => 12,
        408 => 1,
        413 | 414 | 431 => 8,
        502..=504 => 14,
        _ => 2,
    }
}

/// Makes a backend's response head one that the client may see.
pub(super) fn pass_on(
    headers: &mut HeaderMap,
    status: StatusCode,
    (route, slot): (&Route, usize),
    cookie: Option<HeaderValue>,
) {
    let switch = if status == StatusCode::SWITCHING_PROTOCOLS { headers.remove(header::UPGRADE) } else { None };
    hop::strip_response(headers, status);
    if let Some(protocol) = switch {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
    if let Some(edits) = route.backend_edits(slot) {
        rewrite::edit(headers, &edits.response);
    }
    rewrite::edit(headers, &route.response_headers);
    if let Some(cookie) = cookie {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// Sends `response` off: from here on, its body is responsible for the exchange.
pub(super) fn deliver(
    ticket: Ticket,
    mut response: Response<Payload>,
    fault: Option<Fault>,
    asker: &Asker,
) -> Response<Download> {
    ticket.connection.worker.dates.complete(response.headers_mut());
    let status = response.status();
    ticket.answers(status, fault, response.headers());
    response.map(|payload| Download::new(ticket, payload, download::is_bodiless(&asker.method, status)))
}
