//! Releases in a cluster: the kind `CanaryRelease`.
//!
//! [`attach()`] puts them into the configuration that every replica serves by, and the engine drives them as it drives those of
//! a file. What the engines decide is kept in the status ([`book`]); the replica that leads writes it there, and does
//! with Deployments what [`revision`] plans ([`controller`]). Its one invariant: a weight that rises is in the status first.

mod attach;
pub mod book;
pub mod command;
pub mod controller;
pub mod crd;
mod fields;
pub mod hold;
mod report;
pub mod revision;
pub mod status;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub use attach::{alone, attach};
pub use book::Book;
pub use command::{CanaryReleaseCommand, CanaryReleaseCommandSpec, Verb};
pub use controller::Controller;
pub use crd::{CanaryRelease, CanaryReleaseSpec, definitions, yaml};
pub use status::CanaryReleaseStatus;

use self::revision::{Decided, Workload};
use super::world::{Key, World};
use crate::config::defaults::MIRROR_FIRST_SHARE;
use crate::engine::JournalEntry;
use crate::types::{Name, Ratio};

/// The name that the release at `key` has in the configuration and in the journal; `None` when it is too long for one.
pub fn name_of(key: &Key) -> Option<Name> {
    key.to_string().parse().ok()
}

/// The release whose rules and decisions hold for the one at `key`: itself, or the first of its group by name.
pub fn leader(world: &World, key: &Key) -> Key {
    members(world, key).first().map_or_else(|| key.clone(), |(leader, _)| Key::clone(leader))
}

/// The releases that move with the one at `key`, in the order of their names; itself alone without a group.
fn members<'a>(world: &'a World, key: &'a Key) -> Vec<(&'a Key, &'a Arc<CanaryRelease>)> {
    let Some(own) = world.canary_releases.at(key) else { return Vec::new() };
    let Some(group) = &own.spec.group else { return vec![(key, own)] };
    let all = world.canary_releases.of_namespace(&key.namespace);
    all.filter(|(_, release)| release.spec.group.as_ref() == Some(group)).collect()
}

/// The older release of what the one at `key` releases, too: that one is carried out, this one is not.
fn rival<'a>(world: &'a World, key: &'a Key) -> Option<&'a Key> {
    let claim = claim(world.canary_releases.at(key)?)?;
    let all = world.canary_releases.of_namespace(&key.namespace);
    let same = all.filter(|(_, other)| self::claim(other) == Some(claim));
    let oldest =
        same.min_by_key(|(key, release)| (release.metadata.creation_timestamp.clone(), *key)).map(|(key, _)| key);
    oldest.filter(|oldest| *oldest != key)
}

/// What one release alone can share the requests of: a Deployment, or a stable Service.
fn claim(release: &CanaryRelease) -> Option<(&'static str, &str)> {
    let spec = &release.spec;
    let deployment = spec.target_ref.as_ref().map(|target| ("Deployment", target.name.as_str()));
    deployment.or_else(|| Some(("Service", spec.stable.as_ref()?.service.as_str())))
}

/// What one release adds to the name of its rollout: another text is another rollout. It stays when the rollout is over: in a
/// group one member may be done with a promotion before another has begun with it.
fn part(release: &CanaryRelease) -> String {
    if release.spec.target_ref.is_none() {
        return release.spec.revision.clone().unwrap_or_default().replace('+', "-");
    }
    let revisions = release.status.as_ref().and_then(|status| status.revisions.as_ref());
    let since = revisions.and_then(|revisions| revisions.since);
    since.map_or(String::new(), |since| since.as_millis().to_string())
}

/// The last decision about the present rollout of the release at `key`; `None` before the first one.
pub fn last_decision<'a>(world: &'a World, key: &Key) -> Option<&'a JournalEntry> {
    let last = world.canary_releases.at(&leader(world, key))?.status.as_ref()?.last()?;
    is_present(world, key, last).then_some(last)
}

/// Whether `entry` is about the present rollout of the release at `key`.
fn is_present(world: &World, key: &Key, entry: &JournalEntry) -> bool {
    let members = members(world, key);
    let own = members.iter().enumerate().find(|(_, (member, _))| *member == key);
    let rollout = entry.state.rollout.split_once('#').map(|(_, parts)| parts);
    own.zip(rollout).is_some_and(|((index, (_, release)), parts)| parts.split('+').nth(index) == Some(&part(release)))
}

/// The same, as the planner wants it.
fn decided(world: &World, key: &Key) -> Decided {
    let Some(last) = last_decision(world, key) else { return Decided::default() };
    let share = if last.state.is_mirrored() { mirrored(world, key) } else { last.state.weight };
    Decided { phase: Some(last.state.phase), share }
}

/// The share of the requests that the canary of the release at `key` gets as copies before its first user.
fn mirrored(world: &World, key: &Key) -> Ratio {
    let release = world.canary_releases.at(&leader(world, key));
    let written = release.and_then(|release| release.spec.mirror_first.as_ref()?.share);
    MIRROR_FIRST_SHARE.or(written)
}

/// The hash of the revision that the Deployment of the release at `key` wants now; `None` until its ReplicaSet is there, and
/// where there is no Deployment.
pub fn wanted(world: &World, key: &Key) -> Option<String> {
    let target = world.canary_releases.at(key)?.spec.target_ref.as_ref()?;
    let deployment = world.deployments.get(&key.namespace, &target.name)?;
    let (replica_sets, pods) = owned(world, &key.namespace, deployment);
    Workload { deployment, replica_sets: &replica_sets, pods: &pods }.current().map(str::to_owned)
}

/// The ReplicaSets of `deployment`, and their pods.
fn owned(world: &World, namespace: &str, deployment: &Deployment) -> (Vec<Arc<ReplicaSet>>, Vec<Arc<Pod>>) {
    let uid = |meta: &ObjectMeta| meta.uid.clone().unwrap_or_default();
    let sets = world.replica_sets.of_owner(namespace, &uid(&deployment.metadata));
    let pods = sets.iter().flat_map(|set| world.pods.of_owner(namespace, &uid(&set.metadata)));
    (sets.to_vec(), pods.cloned().collect())
}

#[cfg(test)]
mod tests;
