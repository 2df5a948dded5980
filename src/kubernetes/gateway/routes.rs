//! Routes and the listeners that they attach to.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::api::{GROUP, HttpRule, ParentRef, RouteStatus};
use super::conditions::Refused;
use super::hostname::intersection;
use super::listeners::{Bound, Front};
use super::rules;
use crate::kubernetes::world::{Key, World};

/// A route of either kind, as one for HTTP.
#[derive(Clone, Debug)]
pub struct AnyRoute<'a> {
    /// `HTTPRoute` or `GRPCRoute`.
    pub kind: &'static str,
    /// Which one.
    pub key: &'a Key,
    /// Its metadata.
    pub metadata: &'a ObjectMeta,
    /// What it attaches to.
    pub parents: &'a [ParentRef],
    /// Its hosts.
    pub hostnames: &'a [String],
    /// Its rules.
    pub rules: Cow<'a, [HttpRule]>,
    /// What has been said of it.
    pub status: Option<&'a RouteStatus>,
}

/// All routes in the order of precedence: the oldest first, then by name.
pub fn all(world: &World) -> Vec<AnyRoute<'_>> {
    let http = world.http_routes.iter().map(|(key, route)| AnyRoute {
        kind: "HTTPRoute",
        key,
        metadata: &route.metadata,
        parents: &route.spec.parent_refs,
        hostnames: &route.spec.hostnames,
        rules: Cow::Borrowed(&route.spec.rules),
        status: route.status.as_ref(),
    });
    let grpc = world.grpc_routes.iter().map(|(key, route)| AnyRoute {
        kind: "GRPCRoute",
        key,
        metadata: &route.metadata,
        parents: &route.spec.parent_refs,
        hostnames: &route.spec.hostnames,
        rules: Cow::Owned(route.spec.rules.iter().map(rules::of_grpc).collect()),
        status: route.status.as_ref(),
    });
    let mut all: Vec<_> = http.chain(grpc).collect();
    all.sort_by_key(|route| (created(route.metadata), route.key, route.kind));
    all
}

/// What was made earlier comes first; what has no time has not been made yet, and comes last.
fn created(metadata: &ObjectMeta) -> (bool, Option<&Time>) {
    let time = metadata.creation_timestamp.as_ref();
    (time.is_none(), time)
}

/// A listener that a route is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The Gateway.
    pub front: usize,
    /// Its listener.
    pub listener: usize,
    /// The hosts that both are for; `None` for every host.
    pub hosts: Vec<Option<String>>,
}

/// The listeners that a route attaches to by one of its parents; `None` when the parent is nothing of weir's.
pub fn attach(
    route: &AnyRoute<'_>,
    parent: &ParentRef,
    fronts: &[Front<'_>],
    world: &World,
) -> Option<Result<Vec<Place>, Refused>> {
    let named = named(route, parent, fronts)?;
    let fits = |bound: &Bound<'_>| {
        parent.section_name.as_deref().is_none_or(|name| name == bound.spec.name)
            && parent.port.is_none_or(|port| port == bound.spec.port)
            && !bound.conflicted
    };
    let chosen: Vec<_> = named.into_iter().filter(|&(f, l)| fits(&fronts[f].listeners[l])).collect();
    if chosen.is_empty() {
        return Some(Err(Refused::new("NoMatchingParent", "the parent has no such listener")));
    }
    let allows = |&(f, l): &(usize, usize)| {
        fronts[f].listeners[l].allows(route.kind, &route.key.namespace, fronts[f].key, world)
    };
    let allowed: Vec<_> = chosen.into_iter().filter(allows).collect();
    if allowed.is_empty() {
        let message = format!("no listener lets a {} of this namespace attach: see its allowedRoutes", route.kind);
        return Some(Err(Refused::new("NotAllowedByListeners", message)));
    }
    let places: Vec<_> = allowed
        .into_iter()
        .map(|(front, listener)| Place {
            front,
            listener,
            hosts: hosts(fronts[front].listeners[listener].hostname(), route.hostnames),
        })
        .filter(|place| !place.hosts.is_empty())
        .collect();
    if places.is_empty() {
        let message = "none of the hostnames is one of a listener";
        return Some(Err(Refused::new("NoMatchingListenerHostname", message)));
    }
    Some(Ok(places))
}

/// The listeners of the Gateway or the ListenerSet that a parent names.
fn named(route: &AnyRoute<'_>, parent: &ParentRef, fronts: &[Front<'_>]) -> Option<Vec<(usize, usize)>> {
    if parent.group.as_deref().unwrap_or(GROUP) != GROUP {
        return None;
    }
    let namespace = parent.namespace.as_deref().unwrap_or(&route.key.namespace);
    let is_parent = |key: &Key| key.namespace == namespace && key.name == parent.name;
    let of = |front: usize, wanted: &dyn Fn(&Bound<'_>) -> bool| {
        let listeners = fronts[front].listeners.iter().enumerate();
        listeners.filter(|(_, bound)| wanted(bound)).map(|(index, _)| (front, index)).collect()
    };
    match parent.kind.as_deref().unwrap_or("Gateway") {
        "Gateway" => {
            let front = fronts.iter().position(|front| is_parent(front.key))?;
            Some(of(front, &|bound| bound.set.is_none()))
        }
        "ListenerSet" => {
            let has = |front: &Front<'_>| front.sets.iter().any(|(key, ..)| is_parent(key));
            let front = fronts.iter().position(has)?;
            Some(of(front, &|bound| bound.set.is_some_and(is_parent)))
        }
        _ => None,
    }
}

fn hosts(listener: Option<&str>, route: &[String]) -> Vec<Option<String>> {
    if route.is_empty() {
        return vec![listener.map(str::to_owned)];
    }
    route.iter().filter_map(|host| intersection(listener, host)).map(Some).collect()
}
