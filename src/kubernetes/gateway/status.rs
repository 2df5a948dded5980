//! What weir says of the objects of the Gateway API, and what of that has to be written.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::api::{
    Address, GROUP, GatewayClassStatus, GatewayStatus, ListenerSetStatus, ListenerStatus, ParentRef,
    PolicyAncestorStatus, PolicyStatus, RouteParentStatus, RouteStatus, SupportedFeature,
};
use super::clients;
use super::conditions::{Refused, Wanted, conditions};
use super::emit::Emitted;
use super::features::SUPPORTED;
use super::listeners::{Bound, Front, no_parameters};
use super::policies::Verdict;
use super::routes::AnyRoute;
use crate::kubernetes::services;
use crate::kubernetes::world::{Key, World};

/// A status to write.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWrite {
    /// The kind of the object.
    pub kind: &'static str,
    /// Which one.
    pub key: Key,
    /// The version that it was made for: a status made for another one is not written.
    pub resource_version: Option<String>,
    /// The whole status.
    pub status: Value,
}

/// Collects statuses that are not yet as they should be.
#[derive(Debug)]
pub struct Statuses<'a> {
    world: &'a World,
    controller: &'a str,
    now: Timestamp,
    /// What is to be written.
    pub writes: Vec<StatusWrite>,
}

/// What became of a route at one of its parents.
#[derive(Debug)]
pub struct ParentVerdict<'a> {
    /// As the route names it.
    pub parent: &'a ParentRef,
    /// Why it is not attached there.
    pub refused: Option<Refused>,
}

impl<'a> Statuses<'a> {
    /// None yet.
    pub fn new(world: &'a World, controller: &'a str, now: Timestamp) -> Self {
        Self { world, controller, now, writes: Vec::new() }
    }

    /// A class is accepted, with everything that weir can do.
    pub fn class(&mut self, key: &Key) {
        let Some(class) = self.world.gateway_classes.at(key) else { return };
        let old = class.status.as_ref();
        let parameters = class.spec.parameters_ref.as_ref().map(|_| no_parameters());
        let wanted = [Wanted::unless("Accepted", "Accepted", parameters.as_ref())];
        let status = GatewayClassStatus {
            conditions: self.merged(old.map(|old| old.conditions.as_slice()), &wanted, &class.metadata),
            supported_features: SUPPORTED.iter().map(|name| SupportedFeature { name: (*name).to_owned() }).collect(),
        };
        self.write("GatewayClass", key, &class.metadata, old, &status);
    }

    /// A Gateway, its listeners, and the ListenerSets that name it.
    pub fn front(&mut self, front: &Front<'_>, rejected: Option<&Refused>) {
        let old = front.gateway.status.as_ref();
        let addresses = services::addresses(self.world, front.key);
        let own: Vec<&Bound<'_>> = front.listeners.iter().filter(|bound| bound.set.is_none()).collect();
        let accepted = front.refused.as_ref().map_or_else(|| accepted(&own), |why| Wanted::no("Accepted", why));
        let programmed = programmed(&accepted, rejected, front, &addresses);
        let mut wanted = vec![accepted, programmed.clone()];
        wanted.extend(
            front
                .identity
                .as_ref()
                .map(|identity| Wanted::unless("ResolvedRefs", "ResolvedRefs", identity.as_ref().err())),
        );
        if clients::is_insecure(front.gateway) {
            let why = Refused::new("ConfigurationChanged", "clients without a good certificate are let in");
            wanted.push(Wanted::yes_but("InsecureFrontendValidationMode", &why));
        }
        let whole = front.refused.as_ref().or(rejected);
        let listeners = |old: Option<&[ListenerStatus]>, bounds: &[&Bound<'_>], metadata: &ObjectMeta| {
            bounds.iter().map(|bound| self.listener(old, bound, whole, metadata)).collect::<Vec<_>>()
        };
        let valid = |set: &Key| front.listeners.iter().any(|bound| bound.set == Some(set) && bound.is_served());
        let attached = front.sets.iter().filter(|(key, ..)| valid(key)).count();
        let status = GatewayStatus {
            addresses,
            conditions: self.merged(old.map(|old| old.conditions.as_slice()), &wanted, &front.gateway.metadata),
            listeners: listeners(old.map(|old| old.listeners.as_slice()), &own, &front.gateway.metadata),
            attached_listener_sets: i32::try_from(attached).ok(),
        };
        let sets: Vec<_> = front
            .sets
            .iter()
            .map(|(key, set, refused)| {
                let old = set.status.as_ref();
                let own: Vec<_> = front.listeners.iter().filter(|bound| bound.set == Some(*key)).collect();
                let wanted = set_conditions(&own, refused.as_ref(), &programmed);
                let status = ListenerSetStatus {
                    conditions: self.merged(old.map(|old| old.conditions.as_slice()), &wanted, &set.metadata),
                    listeners: listeners(old.map(|old| old.listeners.as_slice()), &own, &set.metadata),
                };
                (*key, *set, status)
            })
            .collect();
        self.write("Gateway", front.key, &front.gateway.metadata, old, &status);
        for (key, set, status) in sets {
            self.write("ListenerSet", key, &set.metadata, set.status.as_ref(), &status);
        }
    }

    /// `whole`: why its Gateway is not served.
    fn listener(
        &self,
        old: Option<&[ListenerStatus]>,
        bound: &Bound<'_>,
        whole: Option<&Refused>,
        metadata: &ObjectMeta,
    ) -> ListenerStatus {
        let old = old.and_then(|old| old.iter().find(|old| old.name == bound.spec.name));
        let refused = bound.refused.as_ref();
        let conflict = refused.filter(|_| bound.conflicted);
        let invalid = || match (conflict, refused, &bound.unresolved) {
            (Some(conflict), ..) => conflict.clone(),
            (None, Some(why), _) | (None, None, Some(why)) => Refused::new("Invalid", why.message.clone()),
            (None, None, None) => Refused::new("Invalid", "it cannot be served"),
        };
        let gateway =
            || whole.map(|why| Refused::new("Invalid", format!("the Gateway is not served: {}", why.message)));
        let unprogrammed = (!bound.is_served()).then(invalid).or_else(gateway);
        let wanted = [
            Wanted::unless("Accepted", "Accepted", refused),
            Wanted::unless("Programmed", "Programmed", unprogrammed.as_ref()),
            Wanted::unless("ResolvedRefs", "ResolvedRefs", bound.unresolved.as_ref()),
            conflict.map_or_else(
                || Wanted::no("Conflicted", &Refused::new("NoConflicts", "")),
                |conflict| Wanted::yes_but("Conflicted", conflict),
            ),
        ];
        ListenerStatus {
            name: bound.spec.name.clone(),
            supported_kinds: bound.kinds.clone(),
            attached_routes: i32::try_from(bound.attached.len()).unwrap_or(i32::MAX),
            conditions: self.merged(old.map(|old| old.conditions.as_slice()), &wanted, metadata),
        }
    }

    /// A route, at each of its parents that is weir's. What others say of it stays.
    pub fn route(&mut self, route: &AnyRoute<'_>, verdicts: &[ParentVerdict<'_>], emitted: &Emitted) {
        let old: &[RouteParentStatus] = route.status.map_or(&[], |status| &status.parents);
        let mut parents: Vec<RouteParentStatus> =
            old.iter().filter(|parent| parent.controller_name != self.controller).cloned().collect();
        if verdicts.is_empty() && parents.len() == old.len() {
            return;
        }
        for verdict in verdicts {
            let is_same =
                |old: &&RouteParentStatus| old.controller_name == self.controller && old.parent_ref == *verdict.parent;
            let before = old.iter().find(is_same).map(|old| old.conditions.as_slice());
            parents.push(RouteParentStatus {
                parent_ref: verdict.parent.clone(),
                controller_name: self.controller.to_owned(),
                conditions: self.merged(before, &route_conditions(route, verdict, emitted), route.metadata),
            });
        }
        self.write(route.kind, route.key, route.metadata, route.status, &RouteStatus { parents });
    }

    /// A policy, at each Gateway that it matters to.
    pub fn policy(&mut self, key: &Key, verdict: &Verdict, gateways: impl Iterator<Item = Key>) {
        let Some(policy) = self.world.backend_tls_policies.at(key) else { return };
        let old: &[PolicyAncestorStatus] = policy.status.as_ref().map_or(&[], |status| &status.ancestors);
        let mut ancestors: Vec<PolicyAncestorStatus> =
            old.iter().filter(|ancestor| ancestor.controller_name != self.controller).cloned().collect();
        for gateway in gateways.take(MAX_ANCESTORS.saturating_sub(ancestors.len())) {
            let ancestor_ref = ParentRef {
                group: Some(GROUP.to_owned()),
                kind: Some("Gateway".to_owned()),
                namespace: Some(gateway.namespace),
                name: gateway.name,
                ..ParentRef::default()
            };
            let before =
                old.iter().find(|old| old.controller_name == self.controller && old.ancestor_ref == ancestor_ref);
            let wanted = [
                Wanted::unless("Accepted", "Accepted", verdict.refused.as_ref()),
                Wanted::unless("ResolvedRefs", "ResolvedRefs", verdict.unresolved.as_ref()),
            ];
            let conditions = self.merged(before.map(|old| old.conditions.as_slice()), &wanted, &policy.metadata);
            ancestors.push(PolicyAncestorStatus {
                ancestor_ref,
                controller_name: self.controller.to_owned(),
                conditions,
            });
        }
        if policy.status.is_some() || !ancestors.is_empty() {
            self.write("BackendTLSPolicy", key, &policy.metadata, policy.status.as_ref(), &PolicyStatus { ancestors });
        }
    }

    fn merged(&self, old: Option<&[Condition]>, wanted: &[Wanted], metadata: &ObjectMeta) -> Vec<Condition> {
        conditions(old.unwrap_or_default(), wanted, metadata.generation, self.now)
    }

    fn write<S: Serialize + PartialEq>(
        &mut self,
        kind: &'static str,
        key: &Key,
        metadata: &ObjectMeta,
        old: Option<&S>,
        new: &S,
    ) {
        if old == Some(new) {
            return;
        }
        let resource_version = metadata.resource_version.clone();
        // Plain structures of texts and numbers always are JSON.
        let status = serde_json::to_value(new).unwrap_or_default();
        self.writes.push(StatusWrite { kind, key: key.clone(), resource_version, status });
    }
}

/// A Gateway is accepted when any of its listeners is.
fn accepted(own: &[&Bound<'_>]) -> Wanted {
    let Some(refused) = own.iter().find_map(|bound| bound.refused.as_ref()) else {
        return Wanted::yes("Accepted", "Accepted");
    };
    let why = Refused::new("ListenersNotValid", refused.message.clone());
    let any = own.iter().any(|bound| bound.refused.is_none());
    if any { Wanted::yes_but("Accepted", &why) } else { Wanted::no("Accepted", &why) }
}

fn programmed(accepted: &Wanted, rejected: Option<&Refused>, front: &Front<'_>, addresses: &[Address]) -> Wanted {
    if !accepted.holds() {
        return Wanted::no("Programmed", &Refused::new("Invalid", "it is not accepted"));
    }
    if let Some(rejected) = rejected {
        return Wanted::no("Programmed", rejected);
    }
    let given = |value: &String| addresses.iter().any(|address| address.value.as_ref() == Some(value));
    let asked = front.gateway.spec.addresses.iter().filter_map(|address| address.value.as_ref());
    let missing = asked.into_iter().find(|value| !given(value)).map(|value| {
        let message = format!("its Service has not been given {value}: who gives addresses to Services decides that");
        Refused::new("AddressNotUsable", message)
    });
    let unassigned =
        || addresses.is_empty().then(|| Refused::new("AddressNotAssigned", "its Service has no address yet"));
    Wanted::unless("Programmed", "Programmed", missing.or_else(unassigned).as_ref())
}

fn set_conditions(own: &[&Bound<'_>], refused: Option<&Refused>, gateway: &Wanted) -> [Wanted; 2] {
    if let Some(refused) = refused {
        return [Wanted::no("Accepted", refused), Wanted::no("Programmed", refused)];
    }
    if !own.iter().any(|bound| bound.is_served()) {
        let why = Refused::new("ListenersNotValid", "none of its listeners can be served");
        return [Wanted::no("Accepted", &why), Wanted::no("Programmed", &why)];
    }
    let accepted = accepted(own);
    let programmed = if gateway.holds() {
        Wanted::yes("Programmed", "Programmed")
    } else {
        Wanted::no("Programmed", &Refused::new("Pending", "the Gateway is not programmed"))
    };
    [accepted, programmed]
}

fn route_conditions(route: &AnyRoute<'_>, verdict: &ParentVerdict<'_>, emitted: &Emitted) -> Vec<Wanted> {
    let all_refused = !route.rules.is_empty() && emitted.refused.len() == route.rules.len();
    let refused = verdict.refused.as_ref().or(emitted.refused.first().filter(|_| all_refused));
    let mut wanted = vec![
        Wanted::unless("Accepted", "Accepted", refused),
        Wanted::unless("ResolvedRefs", "ResolvedRefs", emitted.unresolved.first()),
    ];
    if let Some(first) = emitted.refused.first().filter(|_| refused.is_none()) {
        let message = format!("a rule cannot be served and answers 500: {}", first.message);
        wanted.push(Wanted::yes_but("PartiallyInvalid", &Refused::new("UnsupportedValue", message)));
    }
    wanted
}

/// The most ancestors that the API takes.
const MAX_ANCESTORS: usize = 16;
