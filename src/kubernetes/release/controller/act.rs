//! Writes to the API server.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::super::crd::OnAbort;
use super::super::fields;
use super::super::report::camel;
use super::super::revision::{Fields, hash, release as released};
use super::*;

impl Controller {
    /// Keeps the release until its Deployment is as it was found: to be called before anything of that is held.
    pub(super) async fn sign(
        &mut self,
        world: &mut World,
        key: &Key,
        release: Arc<CanaryRelease>,
    ) -> Result<Arc<CanaryRelease>, kube::Error> {
        if is_signed(&release) {
            return Ok(release);
        }
        let signed = self.finalize(key, &release, true).await?;
        world.canary_releases.put(signed.clone());
        self.written.insert(key.clone(), signed.clone());
        Ok(Arc::new(signed))
    }

    /// Nothing is held any more: the release may be deleted at any time, with or without a weir.
    async fn unsign(&mut self, world: &World, key: &Key) -> Result<(), kube::Error> {
        let Some(release) = world.canary_releases.at(key).filter(|release| is_signed(release)) else { return Ok(()) };
        let unsigned = self.finalize(key, release, false).await?;
        self.written.insert(key.clone(), unsigned);
        Ok(())
    }

    /// The release is deleted: the fields are as they were found, then it may go.
    pub(super) async fn let_go(&self, world: &World, key: &Key, release: &CanaryRelease) -> Result<(), kube::Error> {
        if !is_signed(release) {
            return Ok(());
        }
        let target = release.spec.target_ref.as_ref();
        let deployment = target.and_then(|target| world.deployments.get(&key.namespace, &target.name));
        self.restore(release, deployment.map(Arc::as_ref)).await?;
        self.finalize(key, release, false).await.map(drop)
    }

    /// Gives the Deployment of a release its fields back as they were found, if weir holds them.
    pub(super) async fn restore(
        &self,
        release: &CanaryRelease,
        deployment: Option<&Deployment>,
    ) -> Result<(), kube::Error> {
        let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
        if let (Some(deployment), Some(known)) = (deployment, known)
            && let Fields::Restore(found) = released(deployment, known)
        {
            let namespace = deployment.namespace().unwrap_or_default();
            fields::restore(&self.client, &namespace, &deployment.name_any(), &found).await?;
        }
        Ok(())
    }

    /// Adds weir's finalizer, or takes it away. The release then.
    pub(super) async fn finalize(
        &self,
        key: &Key,
        release: &CanaryRelease,
        sign: bool,
    ) -> Result<CanaryRelease, kube::Error> {
        let mut finalizers = release.finalizers().to_vec();
        finalizers.retain(|one| one != FINALIZER);
        finalizers.extend(sign.then(|| FINALIZER.to_owned()));
        let version = release.resource_version();
        let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        let params = PatchParams { field_manager: Some(fields::MANAGER.to_owned()), ..PatchParams::default() };
        self.releases(key).patch(&key.name, &params, &Patch::Merge(patch)).await
    }

    /// Replaces the status; fails when somebody else wrote since it was read.
    pub(super) async fn write(
        &self,
        key: &Key,
        release: &CanaryRelease,
        status: CanaryReleaseStatus,
    ) -> Result<CanaryRelease, kube::Error> {
        let wanted = CanaryRelease { status: Some(status), ..release.clone() };
        let params = PostParams { field_manager: Some(fields::MANAGER.to_owned()), ..PostParams::default() };
        self.releases(key).replace_status(&key.name, &params, &wanted).await
    }

    /// An event for each new decision, and for each new reason not to be ready.
    pub(super) async fn announce(&self, before: &CanaryRelease, after: &CanaryRelease) {
        let (Some(after_status), before_status) = (&after.status, before.status.clone().unwrap_or_default()) else {
            return;
        };
        // Not by all that they have: what failed is kept with the last one only.
        let is_new = |entry: &&JournalEntry| {
            let same = |before: &JournalEntry| (before.time, &before.state) == (entry.time, &entry.state);
            !before_status.decisions.iter().any(same)
        };
        for entry in after_status.decisions.iter().filter(is_new) {
            let bad = entry.state.phase == Phase::Aborted;
            self.event(after, bad, &camel(&entry.reason), &entry.message).await;
        }
        let ready = |status: &CanaryReleaseStatus| {
            status
                .conditions
                .iter()
                .find(|one| one.type_ == "Ready")
                .map(|one| (one.reason.clone(), one.message.clone()))
        };
        let now = ready(after_status);
        if let Some((reason, message)) = now.filter(|(reason, _)| {
            reason != "Ready" && ready(&before_status).is_none_or(|(before, _)| before != *reason)
        }) {
            self.event(after, true, &reason, &message).await;
        }
    }

    async fn event(&self, release: &CanaryRelease, bad: bool, reason: &str, note: &str) {
        let event = Event {
            type_: if bad { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note.chars().take(MOST_OF_A_NOTE).collect()),
            action: "Release".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &release.object_ref(&())).await {
            tracing::warn!("an event is not written: {error}");
        }
    }

    /// Does with the Deployment what is planned, as far as it is not so already.
    pub(super) async fn act(
        &mut self,
        world: &mut World,
        key: &Key,
        plan: &Plan,
        deployment: &Deployment,
        sets: &[Arc<ReplicaSet>],
    ) -> Result<(), kube::Error> {
        let (namespace, name) = (&key.namespace, deployment.name_any());
        let Some(release) = world.canary_releases.at(key).cloned() else { return Ok(()) };
        // It may have taken a while to come here.
        if !self.leadership.leads() {
            return Ok(());
        }
        match &plan.fields {
            Fields::Leave => {
                let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
                if known.is_none_or(|known| released(deployment, known) == Fields::Leave) {
                    self.unsign(world, key).await?;
                }
            }
            Fields::Hold(wanted) => {
                let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
                if super::super::revision::fields(deployment) != *wanted
                    || known.is_some_and(|known| known.held.is_none())
                {
                    let generation = fields::hold(&self.client, namespace, &name, wanted).await?;
                    self.remember(world, key, |revisions| revisions.held = generation).await?;
                }
            }
            Fields::Restore(found) => {
                fields::restore(&self.client, namespace, &name, found).await?;
                self.remember(world, key, |revisions| {
                    (revisions.found, revisions.surge, revisions.held) = (None, None, None)
                })
                .await?;
                self.unsign(world, key).await?;
            }
        }
        let aborted = decided(world, key).phase == Some(Phase::Aborted);
        let in_question = plan.revisions.as_ref().filter(|revisions| revisions.canary.is_some());
        let stable = sets.iter().find(|set| in_question.is_some_and(|known| hash(*set) == Some(&known.stable)));
        if let Some(stable) = stable.filter(|_| aborted && release.spec.on_abort == Some(OnAbort::Undo)) {
            fields::undo(&self.client, namespace, &name, stable).await?;
        }
        Ok(())
    }

    /// Notes in the status what was done with the Deployment.
    async fn remember(
        &mut self,
        world: &mut World,
        key: &Key,
        change: impl FnOnce(&mut super::super::status::Revisions),
    ) -> Result<(), kube::Error> {
        let Some(release) = world.canary_releases.at(key).cloned() else { return Ok(()) };
        let mut status = release.status.clone().unwrap_or_default();
        change(status.revisions.get_or_insert_default());
        let written = self.write(key, &release, status).await?;
        world.canary_releases.put(written.clone());
        self.written.insert(key.clone(), written);
        Ok(())
    }

    pub(super) fn releases(&self, key: &Key) -> Api<CanaryRelease> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }
}

/// Whether the release is kept until its Deployment is as it was found.
pub(super) fn is_signed(release: &CanaryRelease) -> bool {
    release.finalizers().iter().any(|one| one == FINALIZER)
}

/// Keeps a release until its Deployment is as it was found.
const FINALIZER: &str = "weir.dev/held-fields";

/// What an event can hold.
const MOST_OF_A_NOTE: usize = 1000;
