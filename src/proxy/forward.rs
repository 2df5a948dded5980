//! The head of a request as the backend gets it.

use std::rc::Rc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use super::exchange::Exchange;
use super::forwarded::{self, Client, Origin};
use super::rewrite;
use super::seen::Seen;
use super::validate::Target;
use super::{cookies, hop};
use crate::outcome::{Fault, Semantics};
use crate::snapshot::{self, Affinity, OverrideKey, Release, Route};

/// A request head that can be sent as often as it takes.
pub(super) struct Outgoing {
    head: Parts,
    /// What the client wants to switch to.
    pub(super) upgrade: Option<HeaderValue>,
    /// How its response says what became of it.
    pub(super) semantics: Semantics,
}

impl Outgoing {
    /// What the backend in `slot` of the route's target gets of `head`.
    ///
    /// # Errors
    /// [`Fault::Internal`] when a rewrite makes a path that is none.
    pub(super) fn new(
        exchange: &Rc<Exchange>,
        (route, slot): (&Route, usize),
        (mut head, seen): (Parts, Seen),
        target: &Target,
        client: &Client,
    ) -> Result<Self, Fault> {
        let upgrade = if seen.upgrade { hop::upgrade_of(head.version, &head.method, &head.headers) } else { None };
        let semantics = semantics_of(&head.headers, seen);
        let headers = &mut head.headers;
        if seen.hop_by_hop {
            hop::strip_request(headers);
        }
        if seen.expect {
            // It has been answered, or will be, when the body is first read.
            headers.remove(header::EXPECT);
        }
        hide(headers, seen, &route.target);
        let origin = Origin {
            peer: exchange.connection.peer_value(),
            scheme: exchange.connection.scheme(),
            authority: &target.authority,
        };
        forwarded::apply(headers, seen, client.trust, &origin);
        let id = forwarded::request_id(headers, client.trust, &mut exchange.connection.worker.rng.borrow_mut());
        exchange.identified(&id);
        let host = route.rewrite_host.as_ref().unwrap_or(&target.authority);
        if headers.get(header::HOST) != Some(host) {
            headers.insert(header::HOST, host.clone());
        }
        rewrite::edit(headers, &route.request_headers);
        if let Some(edits) = route.backend_edits(slot) {
            rewrite::edit(headers, &edits.request);
        }
        if let Some(protocol) = &upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol.clone());
        }
        if route.rewrite_path.is_some() || head.uri.authority().is_some() || target.changes_path() {
            let paths = target.paths(&head.uri);
            let path = rewrite::path_and_query(paths, route.rewrite_path.as_ref());
            head.uri = origin_form(path).ok_or(Fault::Internal)?;
        }
        head.version = Version::HTTP_11;
        Ok(Self { head, upgrade, semantics })
    }

    /// The method.
    pub(super) fn method(&self) -> &Method {
        &self.head.method
    }

    /// The head itself.
    pub(super) fn head(&self) -> &Parts {
        &self.head
    }
}

/// Whether a request speaks gRPC.
pub(super) fn semantics_of(headers: &HeaderMap, seen: Seen) -> Semantics {
    if !seen.content_type {
        return Semantics::Http;
    }
    let grpc = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc { Semantics::Grpc } else { Semantics::Http }
}

/// Takes out what is between the client and weir: the affinity cookie and testers' keys. Joins the cookies' crumbs.
fn hide(headers: &mut HeaderMap, seen: Seen, target: &snapshot::Target) {
    let mut unwanted = Vec::new();
    match target {
        snapshot::Target::Release(release) => hide_keys(headers, release, &mut unwanted),
        // Those of all: a client does not know who serves it.
        snapshot::Target::Split(split) => {
            for branch in &split.branches {
                if let snapshot::Target::Release(release) = &branch.target {
                    hide_keys(headers, release, &mut unwanted);
                }
            }
        }
        snapshot::Target::Backend(_) | snapshot::Target::Redirect(_) => {}
    }
    if seen.cookie {
        cookies::join_without(headers, &unwanted);
    }
}

/// Takes out the testers' fields of `release`, and names the cookies that must go.
fn hide_keys<'a>(headers: &mut HeaderMap, release: &'a Release, unwanted: &mut Vec<&'a str>) {
    if let Some(Affinity::Cookie { name, .. }) = &release.affinity {
        unwanted.push(name.as_str());
    }
    for wanted in &release.overrides {
        match &wanted.key {
            OverrideKey::Header(name) => drop(headers.remove(name)),
            OverrideKey::Cookie(name) => unwanted.push(name),
        }
    }
}

fn origin_form(path: Option<PathAndQuery>) -> Option<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = path;
    Uri::from_parts(parts).ok()
}
