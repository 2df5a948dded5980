//! Which endpoints of a Service are stable, and which are the canary.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};

use crate::config::schema::Backend;
use crate::kubernetes::endpoints::{addresses, service_port};
use crate::kubernetes::release::crd::CanaryRelease;
use crate::kubernetes::release::revision::{Decided, Sharing, Workload, hash, plan};
use crate::kubernetes::release::{decided, owned, status::Revisions};
use crate::kubernetes::world::{Key, World};
use crate::types::Timestamp;

/// How a Service's endpoints are shared.
pub(super) struct Sides {
    /// The names of stable and canary; `None` while there is nothing to share by weight.
    pub(super) versions: Option<(String, String)>,
    kind: Kind,
}

enum Kind {
    /// All of the Service is stable, all of the other Service is the canary.
    Services { namespace: String, canary: String },
    /// By the addresses of pods.
    Revisions {
        canary: BTreeSet<String>,
        /// Pods of revisions that are neither in service nor a candidate.
        nobody: BTreeSet<String>,
    },
}

impl Sides {
    /// The Services that belong to the release at `key`, and how it shares their endpoints; `None` when there are none.
    pub(super) fn of(world: &World, key: &Key, release: &CanaryRelease) -> Option<(Vec<Key>, Self)> {
        let spec = &release.spec;
        if let (Some(stable), Some(canary)) = (&spec.stable, &spec.canary) {
            let versions = Some((stable.service.clone(), canary.service.clone()));
            let kind = Kind::Services { namespace: key.namespace.clone(), canary: canary.service.clone() };
            return Some((vec![Key::new(&key.namespace, &stable.service)], Self { versions, kind }));
        }
        let deployment = world.deployments.get(&key.namespace, &spec.target_ref.as_ref()?.name)?;
        let all = world.services.of_namespace(&key.namespace);
        let services: Vec<_> =
            all.filter(|(_, service)| selects(service, deployment)).map(|(key, _)| key.clone()).collect();
        (!services.is_empty()).then(|| (services, Self::of_revisions(world, key, release, deployment)))
    }

    fn of_revisions(world: &World, key: &Key, release: &CanaryRelease, deployment: &Deployment) -> Self {
        let (replica_sets, pods) = owned(world, &key.namespace, deployment);
        let work = Workload { deployment, replica_sets: &replica_sets, pods: &pods };
        let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
        // Weights are the engine's; time matters only to what is written down.
        let decided = Decided { phase: decided(world, key).phase, ..Decided::default() };
        let plan = plan(work, known, decided, Timestamp::default());
        let planned = plan.revisions.unwrap_or_default();
        let candidate = planned.canary.clone();
        let written = known.and_then(|known| known.canary.clone());
        let versions = (plan.sharing == Sharing::ByWeight && candidate == written)
            .then(|| Some((planned.stable.clone(), candidate.clone()?)))
            .flatten();
        let kind = Kind::Revisions {
            canary: of_revision(&pods, |hash| Some(hash) == candidate.as_deref()),
            nobody: of_revision(&pods, |hash| is_nobodys(&planned, &replica_sets, hash)),
        };
        Self { versions, kind }
    }

    /// With what the names of the canary's own backends begin, where it is another Service of `namespace`.
    pub(super) fn other_service(&self, namespace: &str) -> Option<String> {
        match &self.kind {
            Kind::Services { canary, .. } => Some(format!("{namespace}/{canary}/")),
            Kind::Revisions { .. } => None,
        }
    }

    /// The endpoints of stable and of the canary, of those of the whole Service at `port`. Where stable has none at all
    /// everything serves: nobody gets a 503 because of a revision.
    pub(super) fn split(&self, world: &World, whole: &Backend, port: u16) -> (Backend, Backend) {
        let with = |endpoints: Vec<String>| Backend { endpoints, ..whole.clone() };
        match &self.kind {
            Kind::Services { namespace, canary } => {
                let service = world.services.get(namespace, canary);
                let port = service.and_then(|service| service_port(service, port));
                let endpoints = port.map(|port| addresses(world, namespace, canary, port)).unwrap_or_default();
                (whole.clone(), with(endpoints))
            }
            Kind::Revisions { canary, nobody } => {
                let of = |ips: &BTreeSet<String>| -> Vec<String> {
                    whole.endpoints.iter().filter(|endpoint| ips.contains(ip(endpoint))).cloned().collect()
                };
                let (candidates, outsiders) = (of(canary), of(nobody));
                let stable = whole.endpoints.iter();
                let stable = stable.filter(|one| !candidates.contains(one) && !outsiders.contains(one)).cloned();
                let stable: Vec<String> = stable.collect();
                let alone = stable.is_empty() && candidates.is_empty();
                (with(if alone { outsiders } else { stable }), with(candidates))
            }
        }
    }
}

/// Whether a revision of the Deployment is neither in service nor was: a canary that was undone or overtaken.
fn is_nobodys(known: &Revisions, sets: &[Arc<ReplicaSet>], revision: &str) -> bool {
    let in_question = known.canary.as_deref() == Some(revision);
    let in_service = known.stable == revision || known.good.iter().any(|good| good == revision);
    let unknown = known.stable.is_empty();
    !unknown && !in_question && !in_service && sets.iter().any(|set| hash(set) == Some(revision))
}

fn of_revision(pods: &[Arc<Pod>], wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let chosen = pods.iter().filter(|pod| hash(pod).is_some_and(&wanted));
    chosen.filter_map(|pod| pod.status.as_ref()?.pod_ip.clone()).collect()
}

/// Whether `service` sends to the pods of `deployment`.
fn selects(service: &Service, deployment: &Deployment) -> bool {
    let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let labels = template.and_then(|meta| meta.labels.as_ref());
    let label = |name: &String| labels.and_then(|labels| labels.get(name));
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector
        .is_some_and(|selector| !selector.is_empty() && selector.iter().all(|(name, value)| label(name) == Some(value)))
}

/// The address of `ip:port`.
fn ip(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').map_or(endpoint, |(ip, _)| ip.trim_start_matches('[').trim_end_matches(']'))
}
