//! Objects that are followed one by one, because another object names them: ConfigMaps and Secrets hold much that is not
//! weir's business. Pure.

use std::collections::BTreeSet;

use super::gateway::api::{BackendTLSPolicy, Gateway, ObjectRef};
use super::gateway::clients;
use super::gateway::grants::Referrer;
use super::release::CanaryRelease;
use super::world::{Key, World};

/// An object that another one names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Certificates of authorities.
    ConfigMap(Key),
    /// What a tester has to know.
    Secret(Key),
}

impl Named {
    /// Which one.
    pub fn key(&self) -> &Key {
        match self {
            Self::ConfigMap(key) | Self::Secret(key) => key,
        }
    }
}

/// What the objects of `world` name, and may name; of Gateways those of `controller`.
pub fn named(world: &World, controller: &str) -> BTreeSet<Named> {
    let gateways = world.gateways.iter().flat_map(|(key, gateway)| of_gateway(world, controller, key, gateway));
    let policies = world.backend_tls_policies.iter().flat_map(|(key, policy)| of_policy(world, key, policy));
    let releases = world.canary_releases.iter().flat_map(|(key, release)| of_release(key, release));
    gateways.chain(policies).chain(releases).collect()
}

/// The `world` with what names something `unheard` of as it was `before`; where it was not there, it still is not.
pub fn held_back(world: &World, before: &World, controller: &str, unheard: &BTreeSet<Named>) -> World {
    let mut held = world.clone();
    let waits = |one: Named| unheard.contains(&one);
    for (key, gateway) in world.gateways.iter() {
        if of_gateway(world, controller, key, gateway).any(waits) {
            held.gateways.put_back(key, &before.gateways);
        }
    }
    for (key, policy) in world.backend_tls_policies.iter() {
        if of_policy(world, key, policy).any(waits) {
            held.backend_tls_policies.put_back(key, &before.backend_tls_policies);
        }
    }
    for (key, release) in world.canary_releases.iter() {
        if of_release(key, release).any(waits) {
            held.canary_releases.put_back(key, &before.canary_releases);
        }
    }
    held
}

fn of_gateway(world: &World, controller: &str, key: &Key, gateway: &Gateway) -> impl Iterator<Item = Named> {
    let class = world.gateway_classes.get("", &gateway.spec.gateway_class_name);
    let is_weirs = class.is_some_and(|class| class.spec.controller_name == controller);
    let from = Referrer { kind: "Gateway", namespace: &key.namespace };
    let references = is_weirs.then(|| clients::references(gateway)).into_iter().flatten();
    references.filter_map(move |object| authority(world, from, object))
}

fn of_policy(world: &World, key: &Key, policy: &BackendTLSPolicy) -> impl Iterator<Item = Named> {
    let from = Referrer { kind: "BackendTLSPolicy", namespace: &key.namespace };
    policy.spec.validation.ca_certificate_refs.iter().filter_map(move |object| authority(world, from, object))
}

fn of_release(key: &Key, release: &CanaryRelease) -> impl Iterator<Item = Named> {
    let secrets = release.spec.overrides.iter().filter_map(|one| one.value_from.as_ref());
    secrets.map(|secret| Named::Secret(Key::new(&key.namespace, &secret.name)))
}

fn authority(world: &World, from: Referrer<'_>, object: &ObjectRef) -> Option<Named> {
    let to = from.refers(object, "ConfigMap");
    let good = to.group.is_empty() && to.kind == "ConfigMap" && from.may_refer(to, world);
    good.then(|| Named::ConfigMap(Key::new(to.namespace, to.name)))
}

#[cfg(test)]
mod tests;
