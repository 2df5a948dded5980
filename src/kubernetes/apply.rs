//! Writes what a plan says to the API server: statuses, and the Services of Gateways. What cannot be written is tried again
//! until a newer plan takes its place.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::events::EventType;
use kube::{Client, Error};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::gateway::status::StatusWrite;
use super::plan::{Origin, Plan};
use super::world::Key;

/// Writes plans.
pub struct Writer {
    client: Client,
    plans: watch::Receiver<Option<Arc<Plan>>>,
    /// Whether this replica writes what one alone should write.
    leads: watch::Receiver<bool>,
    events: Events,
    said: Said,
}

impl Writer {
    /// Writes what `plans` say; statuses and Services only while this replica `leads`.
    pub fn new(client: Client, plans: watch::Receiver<Option<Arc<Plan>>>, leads: watch::Receiver<bool>) -> Self {
        let events = Events::new(client.clone(), "weir.dev/ingress", None, "Translate");
        Self { client, plans, leads, events, said: Said::default() }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let plan = self.plans.borrow_and_update().clone();
                let written = match plan {
                    Some(plan) => self.write(&plan).await,
                    None => true,
                };
                let again = async {
                    if written {
                        std::future::pending().await
                    } else {
                        tokio::time::sleep(AGAIN).await;
                    }
                };
                tokio::select! {
                    changed = self.plans.changed() => if changed.is_err() { break },
                    changed = self.leads.changed() => if changed.is_err() { std::future::pending().await },
                    () = again => {}
                }
            }
        })
        .await;
    }

    /// Whether everything has been written.
    async fn write(&mut self, plan: &Plan) -> bool {
        let leads = *self.leads.borrow();
        let mut all = true;
        // The pods of weir are the same to all replicas, and a Service must not wait for a leader to lose a dead one.
        for apply in plan.applies().iter().filter(|apply| leads || apply.kind == "EndpointSlice") {
            let done =
                self.api(apply.kind, &apply.key).patch(&apply.key.name, &owner(), &Patch::Apply(&apply.object)).await;
            all &= settled(apply.kind, &apply.key, done.map(drop));
        }
        if !leads {
            return all;
        }
        for key in plan.deletes() {
            let done = self.api("Service", key).delete(&key.name, &DeleteParams::default()).await;
            all &= settled("Service", key, done.map(drop));
        }
        for write in plan.statuses() {
            let done = self.status(write).await;
            all &= settled(write.kind, &write.key, done);
        }
        self.tell(plan);
        all
    }

    /// Says in events what is wrong with objects that have no conditions, once.
    fn tell(&mut self, plan: &Plan) {
        for (origin, problem) in self.said.unsaid(plan.problems()) {
            self.events.tell(reference(&origin), EventType::Warning, "NotServed", &problem);
        }
    }

    async fn status(&self, write: &StatusWrite) -> Result<(), Error> {
        // With the version that it was made for: others write into the same status.
        let patch: Value = json!({ "metadata": { "resourceVersion": write.resource_version }, "status": write.status });
        let parameters = PatchParams::default();
        self.api(write.kind, &write.key).patch_status(&write.key.name, &parameters, &Patch::Merge(&patch)).await?;
        Ok(())
    }

    fn api(&self, kind: &str, key: &Key) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Service" => ("", "v1"),
            "EndpointSlice" => ("discovery.k8s.io", "v1"),
            "Ingress" => ("networking.k8s.io", "v1"),
            _ => (super::gateway::api::GROUP, "v1"),
        };
        let kind = GroupVersionKind::gvk(group, version, kind);
        let resource = match kind.kind.as_str() {
            "BackendTLSPolicy" => ApiResource::from_gvk_with_plural(&kind, "backendtlspolicies"),
            "GatewayClass" => ApiResource::from_gvk_with_plural(&kind, "gatewayclasses"),
            _ => ApiResource::from_gvk(&kind),
        };
        match key.namespace.as_str() {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }
}

/// What has been said of objects that have no conditions, and is still so.
#[derive(Debug, Default)]
struct Said(BTreeSet<(Origin, String)>);

impl Said {
    /// What of `problems` is to be said. What is none of them any more is forgotten: when it comes back it is said again.
    fn unsaid(&mut self, problems: &[(Origin, Vec<String>)]) -> Vec<(Origin, String)> {
        let each = |(origin, problems): &(Origin, Vec<String>)| {
            problems.iter().map(|problem| (origin.clone(), problem.clone())).collect::<Vec<_>>()
        };
        let present: BTreeSet<_> = problems.iter().flat_map(each).collect();
        let before = std::mem::replace(&mut self.0, present);
        self.0.difference(&before).cloned().collect()
    }
}

/// Whether this need not be tried again. Who came first, or took the object away, makes a newer world and a newer plan.
fn settled(kind: &str, key: &Key, done: Result<(), Error>) -> bool {
    match done {
        Ok(()) => true,
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => {
            tracing::debug!(kind, %key, "not written, a newer version is on its way: {}", status.message);
            true
        }
        Err(error) if is_ending(&error) => true,
        Err(error) => {
            tracing::warn!(kind, %key, "cannot be written, tried again: {error}");
            false
        }
    }
}

/// Whether the namespace is being deleted: all that is in it goes by itself.
pub(super) fn is_ending(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    causes.any(|cause| cause.reason == "NamespaceTerminating")
}

/// What an event is about. Only Ingresses and Services have no conditions.
fn reference(origin: &Origin) -> ObjectReference {
    let version = if origin.kind == "Service" { "v1" } else { "networking.k8s.io/v1" };
    ObjectReference {
        api_version: Some(version.to_owned()),
        kind: Some(origin.kind.to_owned()),
        namespace: Some(origin.key.namespace.clone()),
        name: Some(origin.key.name.clone()),
        ..ObjectReference::default()
    }
}

fn owner() -> PatchParams {
    PatchParams::apply("weir").force()
}

/// The time until what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
