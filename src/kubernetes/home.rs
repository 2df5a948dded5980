//! Whether weir itself is being deleted, and not only this pod of it. Pure.

use kube::Resource;

use super::settings::Settings;
use super::world::{Key, World};

/// The Deployment that this replica belongs to, once it was seen.
#[derive(Clone, Debug, Default)]
pub struct Home {
    deployment: Option<Key>,
}

impl Home {
    /// Which one it is.
    pub fn deployment(&self) -> Option<&Key> {
        self.deployment.as_ref()
    }

    /// Looks at `world`: whether the Deployment of weir's own pods, or their namespace, is on its way out, so that no other
    /// replica comes after this one.
    ///
    /// A Deployment that was never seen is no evidence: weir may run without one, or not be allowed to read it yet.
    pub fn is_given_up(&mut self, world: &World, settings: &Settings) -> bool {
        let namespace = world.namespaces.get("", &settings.namespace);
        if namespace.is_some_and(|namespace| is_leaving(namespace.as_ref())) {
            return true;
        }
        let there = |key: &Key| world.deployments.at(key);
        if let Some(found) = deployment(world, settings).filter(|key| there(key).is_some()) {
            self.deployment = Some(found);
        }
        self.deployment.as_ref().is_some_and(|home| there(home).is_none_or(|home| is_leaving(home.as_ref())))
    }
}

/// What controls the ReplicaSet that controls this replica's pod.
fn deployment(world: &World, settings: &Settings) -> Option<Key> {
    let namespace = &settings.namespace;
    let set = owner(world.pods.get(namespace, &settings.pod)?.as_ref(), "ReplicaSet")?;
    let deployment = owner(world.replica_sets.get(namespace, set)?.as_ref(), "Deployment")?;
    Some(Key::new(namespace, deployment))
}

fn owner<'a>(object: &'a impl Resource, kind: &str) -> Option<&'a str> {
    let mut owners = object.meta().owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true) && owner.kind == kind).map(|owner| owner.name.as_str())
}

fn is_leaving(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests;
