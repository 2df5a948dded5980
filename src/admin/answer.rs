//! What goes back: JSON, text or a stream, and errors that say what to do.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;

use super::feed::Feed;
use super::throttle;

/// The body of an answer: whole, or a stream.
pub(super) type Body = Either<Full<Bytes>, Feed>;

/// Why a request is refused, as the caller reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// What is wrong: lower case, no full stop.
    error: String,
    /// What to do.
    hint: String,
    #[serde(skip)]
    allow: Option<&'static str>,
}

impl Refusal {
    /// With a status, what is wrong and what to do.
    pub(super) fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into(), allow: None }
    }

    /// No such thing.
    pub(super) fn not_found(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, hint)
    }

    /// Another method is needed: one of `allow`.
    pub(super) fn method(allow: &'static str) -> Self {
        let hint = format!("this path takes {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", hint) }
    }

    /// The answer. After some refusals the connection ends, so that guesses and floods cost one each.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, &self);
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(throttle::RETRY_AFTER));
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// `content` as JSON.
pub(super) fn json(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(content) {
        Ok(mut text) => {
            text.push(b'\n');
            whole(status, "application/json", text)
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            whole(
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                "{\"error\":\"internal error\",\"hint\":\"see weir's log\"}\n",
            )
        }
    }
}

/// A whole body.
pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, content_type, Either::Left(Full::new(body.into())))
}

/// A stream.
pub(super) fn stream(feed: Feed) -> Response<Body> {
    respond(StatusCode::OK, feed.content_type(), Either::Right(feed))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
