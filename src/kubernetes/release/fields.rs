//! Writes to Deployments: the three held fields, by server-side apply and under weir's own name, and how many pods each revision
//! has meanwhile; nothing else.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::revision::HASH_LABEL;
use super::status::HeldFields;

/// weir's name as the owner of fields.
pub(super) const MANAGER: &str = "weir";

/// Gives the fields these values, and takes them into weir's hands. The Deployment's generation then.
pub(super) async fn hold(
    client: &Client,
    namespace: &str,
    deployment: &str,
    fields: &HeldFields,
) -> Result<Option<i64>, kube::Error> {
    let written = apply(client, namespace, deployment, fields).await?;
    Ok(written.metadata.generation)
}

/// Gives the fields the values that were found, and lets go of them: they are nobody's then, so that whoever applies the
/// Deployment next finds no conflict.
pub(super) async fn restore(
    client: &Client,
    namespace: &str,
    deployment: &str,
    found: &HeldFields,
) -> Result<(), kube::Error> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let mut current = apply(client, namespace, deployment, found).await?;
    loop {
        let let_go = Patch::Merge(without_weir(&current));
        match api.patch(deployment, &PatchParams::default(), &let_go).await {
            // The controllers write there, too, and nobody would come to this again.
            Err(kube::Error::Api(status)) if status.code == 409 => current = api.get(deployment).await?,
            done => return done.map(drop),
        }
    }
}

/// What makes weir no owner of anything in `deployment`, as long as nobody writes to it.
fn without_weir(deployment: &Deployment) -> Value {
    let mut owners = deployment.metadata.managed_fields.clone().unwrap_or_default();
    owners.retain(|entry| entry.manager.as_deref() != Some(MANAGER));
    // An empty list would mean "as before".
    let owners = if owners.is_empty() { json!([{}]) } else { json!(owners) };
    json!({ "metadata": { "resourceVersion": deployment.metadata.resource_version, "managedFields": owners } })
}

/// Gives a revision so many pods.
pub(super) async fn resize(client: &Client, namespace: &str, replica_set: &str, pods: i32) -> Result<(), kube::Error> {
    let api: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let size = json!({ "spec": { "replicas": pods } });
    api.patch_scale(replica_set, &params, &Patch::Merge(size)).await.map(drop)
}

/// Gives the Deployment the template of `stable` again, as `kubectl rollout undo` does it.
pub(super) async fn undo(
    client: &Client,
    namespace: &str,
    deployment: &str,
    stable: &ReplicaSet,
) -> Result<(), kube::Error> {
    let Some(mut template) = stable.spec.as_ref().and_then(|spec| spec.template.clone()) else { return Ok(()) };
    if let Some(labels) = template.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
        labels.remove(HASH_LABEL);
    }
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let mut current = api.get(deployment).await?;
    if let Some(spec) = &mut current.spec {
        spec.template = template;
    }
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    api.replace(deployment, &params, &current).await?;
    Ok(())
}

async fn apply(
    client: &Client,
    namespace: &str,
    deployment: &str,
    fields: &HeldFields,
) -> Result<Deployment, kube::Error> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Apply(document(deployment, fields));
    api.patch(deployment, &PatchParams::apply(MANAGER).force(), &patch).await
}

/// What is applied: the three fields, as far as they have values. One without a value gets its default.
fn document(deployment: &str, fields: &HeldFields) -> Value {
    let mut spec = json!({});
    if let Some(seconds) = fields.min_ready_seconds {
        spec["minReadySeconds"] = seconds.into();
    }
    if let Some(seconds) = fields.progress_deadline_seconds {
        spec["progressDeadlineSeconds"] = seconds.into();
    }
    if let Some(surge) = &fields.max_surge {
        spec["strategy"] = json!({ "rollingUpdate": { "maxSurge": surge } });
    }
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": deployment }, "spec": spec })
}
