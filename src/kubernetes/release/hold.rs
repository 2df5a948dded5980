//! What is held of a Deployment while its release has a canary, and how it is given back: the release is kept by a finalizer as
//! long as that, and the cluster is told which releases are, so that weir is not deleted from under them.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::crd::CanaryRelease;
use super::fields::{self, MANAGER};
use super::revision::{Fields, release as released};
use super::status::CanaryReleaseStatus;
use crate::kubernetes::world::Key;

/// Whether the release is kept until its Deployment is as it was found.
pub fn is_held(release: &CanaryRelease) -> bool {
    release.finalizers().iter().any(|one| one == FINALIZER)
}

/// Gives the Deployment of the release at `key` its fields back as they were found, and forgets what was begun: a weir that
/// comes later begins anew. The release then; `None` when nothing was held.
///
/// # Errors
/// What the API server said. Whoever writes at the same time is no error.
pub async fn give_back(client: &Client, key: &Key) -> Result<Option<CanaryRelease>, kube::Error> {
    loop {
        let found = releases(client, key).list(&named(&key.name)).await?;
        let Some(release) = found.items.into_iter().find(is_held) else { return Ok(None) };
        match give_up(client, key, &release).await {
            Err(error) if is_conflict(&error) => {}
            done => return done.map(Some),
        }
    }
}

async fn give_up(client: &Client, key: &Key, release: &CanaryRelease) -> Result<CanaryRelease, kube::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &key.namespace);
    if let Some(target) = &release.spec.target_ref {
        let deployment = deployments.get_opt(&target.name).await?;
        restore(client, release, deployment.as_ref()).await?;
    }
    let status =
        CanaryReleaseStatus { controller: None, revisions: None, ..release.status.clone().unwrap_or_default() };
    let written = write(client, key, release, status).await?;
    finalize(client, key, &written, false).await
}

/// Gives the Deployment of a release its fields back as they were found, if weir holds them.
pub(super) async fn restore(
    client: &Client,
    release: &CanaryRelease,
    deployment: Option<&Deployment>,
) -> Result<(), kube::Error> {
    let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
    if let (Some(deployment), Some(known)) = (deployment, known)
        && let Fields::Restore(found) = released(deployment, known)
    {
        let namespace = deployment.namespace().unwrap_or_default();
        fields::restore(client, &namespace, &deployment.name_any(), &found).await?;
    }
    Ok(())
}

/// Adds weir's finalizer, or takes it away. The release then.
pub(super) async fn finalize(
    client: &Client,
    key: &Key,
    release: &CanaryRelease,
    hold: bool,
) -> Result<CanaryRelease, kube::Error> {
    let mut finalizers = release.finalizers().to_vec();
    finalizers.retain(|one| one != FINALIZER);
    finalizers.extend(hold.then(|| FINALIZER.to_owned()));
    let version = release.resource_version();
    let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    releases(client, key).patch(&key.name, &params, &Patch::Merge(patch)).await
}

/// Replaces the status; fails when somebody else wrote since it was read.
pub(super) async fn write(
    client: &Client,
    key: &Key,
    release: &CanaryRelease,
    status: CanaryReleaseStatus,
) -> Result<CanaryRelease, kube::Error> {
    let wanted = CanaryRelease { status: Some(status), ..release.clone() };
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    releases(client, key).replace_status(&key.name, &params, &wanted).await
}

/// Tells the cluster which releases are held by the weir in `namespace`, in an annotation of its ServiceAccount: as long as there
/// are any, the admission policy `weir-gives-back` keeps what it takes to give back.
///
/// # Errors
/// What the API server said.
pub async fn tell(client: &Client, namespace: &str, held: &BTreeSet<Key>) -> Result<(), kube::Error> {
    let names = (!held.is_empty()).then(|| enumerated(held));
    let patch = json!({ "metadata": { "annotations": { ANNOTATION: names } } });
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    match accounts.patch(ACCOUNT, &params, &Patch::Merge(patch)).await {
        // weir runs as somebody else, whom the policy does not know either.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        told => told.map(drop),
    }
}

/// For a message, and never long.
fn enumerated(held: &BTreeSet<Key>) -> String {
    let names: Vec<_> = held.iter().take(MOST_NAMES).map(Key::to_string).collect();
    let more = held.len() - names.len();
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

fn releases(client: &Client, key: &Key) -> Api<CanaryRelease> {
    Api::namespaced(client.clone(), &key.namespace)
}

/// The one with this name, for those who may list and not get.
pub(super) fn named(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

/// Somebody else wrote, or took it away.
pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

/// Keeps a release until its Deployment is as it was found.
const FINALIZER: &str = "weir.dev/held-fields";

/// The ServiceAccount of weir's pods, as `deploy/` has it.
const ACCOUNT: &str = "weir";

/// Says there what is held.
const ANNOTATION: &str = "weir.dev/held";

/// The names that a message has room for.
const MOST_NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_named_and_a_long_list_is_cut_short() {
        let keys = |count: usize| (0..count).map(|at| Key::new("shop", format!("app-{at:02}"))).collect();
        assert_eq!(enumerated(&keys(2)), "shop/app-00, shop/app-01");
        let many = enumerated(&keys(13));
        assert!(many.ends_with("shop/app-09 and 3 more"), "{many}");
    }
}
