//! Objects that are followed one by one, because another object names them: ConfigMaps and Secrets hold much that is not
//! weir's business. Pure.

use std::collections::BTreeSet;

use super::gateway::api::{Gateway, ObjectRef};
use super::gateway::clients;
use super::gateway::grants::Referrer;
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
    let is_weirs = |gateway: &Gateway| {
        let class = world.gateway_classes.get("", &gateway.spec.gateway_class_name);
        class.is_some_and(|class| class.spec.controller_name == controller)
    };
    let gateways = world.gateways.iter().filter(|(_, gateway)| is_weirs(gateway));
    let of_gateways = gateways.flat_map(|(key, gateway)| {
        let from = Referrer { kind: "Gateway", namespace: &key.namespace };
        clients::references(gateway).filter_map(move |object| authority(world, from, object))
    });
    let of_policies = world.backend_tls_policies.iter().flat_map(|(key, policy)| {
        let from = Referrer { kind: "BackendTLSPolicy", namespace: &key.namespace };
        policy.spec.validation.ca_certificate_refs.iter().filter_map(move |object| authority(world, from, object))
    });
    let of_releases = world.canary_releases.iter().flat_map(|(key, release)| {
        let secrets = release.spec.overrides.iter().filter_map(|one| one.value_from.as_ref());
        secrets.map(|secret| Named::Secret(Key::new(&key.namespace, &secret.name)))
    });
    of_gateways.chain(of_policies).chain(of_releases).collect()
}

fn authority(world: &World, from: Referrer<'_>, object: &ObjectRef) -> Option<Named> {
    let to = from.refers(object, "ConfigMap");
    let good = to.group.is_empty() && to.kind == "ConfigMap" && from.may_refer(to, world);
    good.then(|| Named::ConfigMap(Key::new(to.namespace, to.name)))
}

#[cfg(test)]
mod tests;
