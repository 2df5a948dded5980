//! Writes to the API server.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};

use super::super::crd::OnAbort;
use super::super::report::camel;
use super::super::revision::{Fields, hash, release as released};
use super::super::{fields, hold};
use super::*;

impl Controller {
    /// Keeps the release until its Deployment is as it was found: to be called before anything of that is held.
    pub(super) async fn sign(
        &mut self,
        world: &mut World,
        key: &Key,
        release: Arc<CanaryRelease>,
    ) -> Result<Arc<CanaryRelease>, kube::Error> {
        self.tell_held(|held| held.insert(key.clone())).await;
        if is_held(&release) {
            return Ok(release);
        }
        let signed = hold::finalize(&self.client, key, &release, true).await?;
        world.canary_releases.put(signed.clone());
        self.written.insert(key.clone(), signed.clone());
        Ok(Arc::new(signed))
    }

    /// Nothing is held any more: the release may be deleted at any time, with or without a weir.
    async fn unsign(&mut self, world: &World, key: &Key) -> Result<(), kube::Error> {
        let Some(release) = world.canary_releases.at(key).filter(|release| is_held(release)) else { return Ok(()) };
        // Before the release may go: who waits for that may delete weir at once.
        self.tell_held(|held| held.remove(key)).await;
        let unsigned = hold::finalize(&self.client, key, release, false).await?;
        self.written.insert(key.clone(), unsigned);
        Ok(())
    }

    /// The release is deleted: the fields are as they were found, then it may go.
    pub(super) async fn let_go(
        &mut self,
        world: &World,
        key: &Key,
        release: &CanaryRelease,
    ) -> Result<(), kube::Error> {
        if !is_held(release) {
            return Ok(());
        }
        let target = release.spec.target_ref.as_ref();
        let deployment = target.and_then(|target| world.deployments.get(&key.namespace, &target.name));
        hold::restore(&self.client, release, deployment.map(Arc::as_ref)).await?;
        self.unsign(world, key).await
    }

    /// Tells the cluster what is held, where `change` makes that something else. It must not keep anything from being done.
    pub(super) async fn tell_held<T>(&mut self, change: impl FnOnce(&mut BTreeSet<Key>) -> T) {
        let mut held = self.told.clone().unwrap_or_default();
        change(&mut held);
        if self.told.as_ref() == Some(&held) {
            return;
        }
        match timeout(PATIENCE, hold::tell(&self.client, &self.settings.namespace, &held)).await {
            Ok(Ok(())) => self.told = Some(held),
            failed => tracing::warn!("nothing keeps weir from being deleted before it has given back: {failed:?}"),
        }
    }

    /// Replaces the status; fails when somebody else wrote since it was read.
    pub(super) async fn write(
        &self,
        key: &Key,
        release: &CanaryRelease,
        status: CanaryReleaseStatus,
    ) -> Result<CanaryRelease, kube::Error> {
        hold::write(&self.client, key, release, status).await
    }

    /// An event for each new decision, and for each new reason not to be ready.
    pub(super) fn announce(&self, before: &CanaryRelease, after: &CanaryRelease) {
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
            self.event(after, bad, &camel(&entry.reason), &entry.message);
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
            self.event(after, true, &reason, &message);
        }
    }

    /// An event for a member of a group, whose decisions stand where the group's are, when it has moved by one.
    pub(super) fn announce_with_group(&self, before: &CanaryRelease, after: &CanaryRelease, decided: &JournalEntry) {
        let place =
            |release: &CanaryRelease| release.status.as_ref().map(|status| (status.phase.clone(), status.weight));
        if place(before) != place(after) {
            let bad = decided.state.phase == Phase::Aborted;
            self.event(after, bad, &camel(&decided.reason), &decided.message);
        }
    }

    fn event(&self, release: &CanaryRelease, bad: bool, reason: &str, note: &str) {
        let type_ = if bad { EventType::Warning } else { EventType::Normal };
        self.events.tell(release.object_ref(&()), type_, reason, note);
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
                for (replica_set, pods) in &plan.resize {
                    fields::resize(&self.client, namespace, replica_set, *pods).await?;
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
}
