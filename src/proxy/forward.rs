//! The head of a request as the backend gets it.

use std::rc::Rc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};

use super::exchange::Exchange;
use super::forwarded::{self, Client, Origin};
use super::rewrite::{self, Paths};
use super::validate::Target;
use super::{cookies, hop};
use crate::outcome::{Fault, Semantics};
use crate::snapshot::{self, Affinity, OverrideKey, Route};
use crate::upstream::RequestBody;

/// A request head that can be sent as often as it takes.
pub(super) struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// What the client wants to switch to.
    pub(super) upgrade: Option<HeaderValue>,
    /// How its response says what became of it.
    pub(super) semantics: Semantics,
}

impl Outgoing {
    /// What the backend gets of `head`.
    ///
    /// # Errors
    /// [`Fault::Internal`] when a rewrite makes a path that is none.
    pub(super) fn new(
        exchange: &Rc<Exchange>,
        route: &Route,
        head: Parts,
        target: &Target,
        client: &Client,
    ) -> Result<Self, Fault> {
        let upgrade = hop::upgrade_of(head.version, &head.method, &head.headers);
        let semantics = semantics_of(&head.headers);
        let mut headers = head.headers;
        hop::strip_request(&mut headers);
        // hyper has answered it, or will, when the body is first read.
        headers.remove(header::EXPECT);
        hide(&mut headers, &route.target);
        let origin = Origin {
            peer: exchange.connection.peer,
            scheme: exchange.connection.scheme(),
            authority: &target.authority,
        };
        forwarded::apply(&mut headers, client.trust, &origin);
        let id = forwarded::request_id(&mut headers, client.trust, &mut exchange.connection.worker.rng.borrow_mut());
        exchange.identified(&id);
        headers.insert(header::HOST, route.rewrite_host.clone().unwrap_or_else(|| target.authority.clone()));
        rewrite::edit(&mut headers, &route.request_headers);
        if let Some(protocol) = &upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol.clone());
        }
        let paths = Paths { uri: &head.uri, normalised: target.path.as_deref().unwrap_or(head.uri.path()) };
        let path = rewrite::path_and_query(paths, route.rewrite_path.as_ref());
        let uri = origin_form(path).ok_or(Fault::Internal)?;
        Ok(Self { method: head.method, uri, headers, upgrade, semantics })
    }

    /// The method.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The request with `body`.
    pub(super) fn request(&self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Whether a request speaks gRPC.
pub(super) fn semantics_of(headers: &HeaderMap) -> Semantics {
    let grpc = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc { Semantics::Grpc } else { Semantics::Http }
}

/// Takes out what is between the client and weir: the affinity cookie and testers' keys. Joins the cookies' crumbs.
fn hide(headers: &mut HeaderMap, target: &snapshot::Target) {
    let snapshot::Target::Release(release) = target else { return cookies::join_without(headers, &[]) };
    let mut unwanted = Vec::new();
    if let Some(Affinity::Cookie { name, .. }) = &release.affinity {
        unwanted.push(name.as_str());
    }
    for wanted in &release.overrides {
        match &wanted.key {
            OverrideKey::Header(name) => drop(headers.remove(name)),
            OverrideKey::Cookie(name) => unwanted.push(name),
        }
    }
    cookies::join_without(headers, &unwanted);
}

fn origin_form(path: Option<PathAndQuery>) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = path;
    Uri::from_parts(parts).ok()
}
