//! From a request to its answer: which path, which method, who may.

use std::sync::Arc;

use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::answer::{Body, Refusal, json, stream, whole};
use super::feed::{Feed, Framing};
use super::guard::{self, Ends, Needs};
use super::{AdminState, Version, change, views};
use crate::clock::uptime;
use crate::config;
use crate::telemetry::metrics;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Livez,
    Readyz,
    Metrics,
    Version,
    Config,
    Listeners,
    Routes,
    Backends,
    Releases,
    Release(&'a str),
    History(&'a str),
    Action(&'a str, change::Action),
    Reload,
}

/// Answers one request. Every answer has the request's id.
pub(super) async fn answer(
    state: AdminState,
    ends: Ends,
    cancel: CancellationToken,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let id = request_id(&head);
    let mut response = match route(&state, &ends, &cancel, &head, body, &id).await {
        Ok(response) => response,
        Err(refusal) => {
            let (status, path) = (refusal.status.as_u16(), head.uri.path());
            tracing::debug!(status, peer = %ends.peer, path, request_id = &*id, "refused");
            refusal.into_response()
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn route(
    state: &AdminState,
    ends: &Ends,
    cancel: &CancellationToken,
    head: &Parts,
    body: Incoming,
    id: &str,
) -> Result<Response<Body>, Refusal> {
    let resource = resource(head.uri.path());
    let needs = resource.as_ref().map_or(Needs::Token, Resource::needs);
    if needs != Needs::Nothing {
        guard::check_origin(head, ends, &state.access)?;
    }
    guard::check_token(head, ends, needs, &state.access, uptime())?;
    let resource = resource.ok_or_else(|| Refusal::not_found("no such path", "see `weir --help`, or GET /releases"))?;
    let allow = resource.allow();
    if !allow.split(", ").any(|method| method == head.method.as_str()) {
        return Err(Refusal::method(allow));
    }
    if head.method != Method::POST {
        return read(state, cancel, head, &resource);
    }
    guard::check_body(&head.headers)?;
    let caller = change::Caller::new(head, ends, id);
    match resource {
        Resource::Action(release, action) => change::release(state, release, action, body, &caller).await,
        _ => change::reload(state, body, &caller).await,
    }
}

/// Reads, and changes nothing.
fn read(
    state: &AdminState,
    cancel: &CancellationToken,
    head: &Parts,
    resource: &Resource<'_>,
) -> Result<Response<Body>, Refusal> {
    let good = StatusCode::OK;
    Ok(match *resource {
        Resource::Livez => whole(good, TEXT, "ok\n"),
        Resource::Readyz => match state.readiness.check() {
            Ok(()) => whole(good, TEXT, "ok\n"),
            Err(why) => whole(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
        },
        Resource::Metrics => whole(good, metrics::CONTENT_TYPE, state.metrics.scrape()),
        Resource::Version => json(good, &Version::own()),
        Resource::Config => json(good, &effective(state)),
        Resource::Routes => json(good, &effective(state)["routes"]),
        Resource::Listeners => json(good, &state.shown.load().listeners),
        Resource::Backends => json(good, &views::backends(&state.current.load(), uptime())),
        Resource::Releases if head.method == Method::GET && watches(head)? => {
            stream(Feed::new(state.clone(), Framing::asked_for(&head.headers), cancel.clone()))
        }
        Resource::Releases => json(good, &state.overview()),
        Resource::Release(name) => json(good, &change::find(state, name)?),
        Resource::History(name) => {
            change::find(state, name)?;
            json(good, &state.control.history(Some(name)))
        }
        Resource::Action(..) | Resource::Reload => return Err(Refusal::method(resource.allow())),
    })
}

/// The configuration with every value in force. What may still be a secret is taken out before it is sent.
fn effective(state: &AdminState) -> serde_json::Value {
    config::in_force(&state.shown.load().loaded.file)
}

impl Resource<'_> {
    /// What a caller must show.
    fn needs(&self) -> Needs {
        match self {
            Self::Livez | Self::Readyz => Needs::Nothing,
            Self::Metrics | Self::Version => Needs::TokenFromAfar,
            _ => Needs::Token,
        }
    }

    /// The methods, as in `Allow`.
    fn allow(&self) -> &'static str {
        match self {
            Self::Action(..) | Self::Reload => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// The last part of `/releases/NAME/ACTION` is an action or `history` whenever it can be one: names may hold slashes.
fn resource(path: &str) -> Option<Resource<'_>> {
    Some(match path {
        "/livez" => Resource::Livez,
        "/readyz" => Resource::Readyz,
        "/metrics" => Resource::Metrics,
        "/version" => Resource::Version,
        "/config" => Resource::Config,
        "/listeners" => Resource::Listeners,
        "/routes" => Resource::Routes,
        "/backends" => Resource::Backends,
        "/releases" => Resource::Releases,
        "/reload" => Resource::Reload,
        _ => release(path.strip_prefix("/releases/")?),
    })
}

fn release(rest: &str) -> Resource<'_> {
    let Some((name, last)) = rest.rsplit_once('/') else { return Resource::Release(rest) };
    match (last, change::Action::parse(last)) {
        ("history", _) => Resource::History(name),
        (_, Some(action)) => Resource::Action(name, action),
        _ => Resource::Release(rest),
    }
}

/// Whether the query asks for a stream. Nothing else may be asked for.
fn watches(head: &Parts) -> Result<bool, Refusal> {
    match head.uri.query() {
        None | Some("" | "watch=0" | "watch=false") => Ok(false),
        Some("watch" | "watch=1" | "watch=true") => Ok(true),
        Some(other) => {
            let error = format!("`{other}` is not understood");
            Err(Refusal::new(StatusCode::BAD_REQUEST, error, "the only question is ?watch=1"))
        }
    }
}

/// The caller's `x-request-id` where it is short and plain, else a new one.
fn request_id(head: &Parts) -> Arc<str> {
    let given = head.headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let usable = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given.filter(usable).map_or_else(|| format!("{:016x}", fastrand::u64(..)).into(), Into::into)
}

const TEXT: &str = "text/plain; charset=utf-8";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
