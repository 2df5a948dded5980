//! weir itself is deleted: every Deployment is left as it was found, since nobody comes who would do so later.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};

use super::*;

impl Controller {
    /// Whether weir itself is being deleted, and not only replaced: so it is once it has been gone for a moment.
    pub(super) fn is_given_up(&mut self, world: &World) -> bool {
        if !self.home.is_given_up(world, &self.settings) {
            self.given_up = None;
            return false;
        }
        self.given_up.get_or_insert_with(Instant::now).elapsed() >= MOMENT
    }

    /// Lets go of the Deployments of all `known` releases. Each replica does so: none may be left that leads.
    pub(super) async fn leave(&mut self, world: &World, known: &BTreeSet<Key>) {
        for key in held(world, known) {
            tracing::info!(release = %key, "weir is being deleted: the Deployment is left as it was found");
            match timeout(PATIENCE, self.give_back(&key)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(release = %key, "the Deployment is not left as it was found: {error}")
                }
                Err(_) => tracing::error!(release = %key, "the Deployment is not left as it was found: no answer"),
            }
        }
    }

    /// This replica ends. While something is held it asks whether another one comes after it.
    pub(super) async fn end(&mut self, mut view: View) {
        self.overlay(&mut view.world);
        let known = self.known(&view);
        let mut world = view.world;
        let Some(home) = self.home.deployment().filter(|_| !held(&world, &known).is_empty()).cloned() else { return };
        let namespace = Key::new("", &home.namespace);
        match timeout(PATIENCE, self.ask(&home)).await {
            Ok(Ok((deployment, surroundings))) => {
                world.deployments.replace_one(&home, deployment);
                world.namespaces.replace_one(&namespace, surroundings);
                if self.home.is_given_up(&world, &self.settings) {
                    self.leave(&world, &known).await;
                }
            }
            failed => tracing::warn!(
                "it cannot be asked whether weir is being deleted, so what is held stays held for the next one: {failed:?}"
            ),
        }
    }

    async fn ask(&self, home: &Key) -> Result<(Option<Deployment>, Option<Namespace>), kube::Error> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &home.namespace);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = namespaces.list(&named(&home.namespace)).await?.items.pop();
        Ok((deployments.get_opt(&home.name).await?, namespace))
    }

    /// Gives the fields back as they were found, and forgets what was begun: a weir that comes later begins anew.
    async fn give_back(&mut self, key: &Key) -> Result<(), kube::Error> {
        loop {
            let releases = self.releases(key).list(&named(&key.name)).await?;
            let Some(release) = releases.items.into_iter().find(is_signed) else { return Ok(()) };
            match self.give_up(key, &release).await {
                // Another replica is at it, too.
                Err(error) if is_conflict(&error) => {}
                done => return done,
            }
        }
    }

    async fn give_up(&mut self, key: &Key, release: &CanaryRelease) -> Result<(), kube::Error> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &key.namespace);
        if let Some(target) = &release.spec.target_ref {
            let deployment = deployments.get_opt(&target.name).await?;
            self.restore(release, deployment.as_ref()).await?;
        }
        let status =
            CanaryReleaseStatus { controller: None, revisions: None, ..release.status.clone().unwrap_or_default() };
        let written = self.write(key, release, status).await?;
        let unsigned = self.finalize(key, &written, false).await?;
        self.written.insert(key.clone(), unsigned);
        Ok(())
    }
}

/// Those of `known` whose Deployments are held.
fn held(world: &World, known: &BTreeSet<Key>) -> Vec<Key> {
    let is_held = |key: &&Key| world.canary_releases.at(key).is_some_and(|release| is_signed(release));
    known.iter().filter(is_held).cloned().collect()
}

/// The one with this name, for those who may list and not get.
fn named(name: &str) -> ListParams {
    ListParams::default().fields(&format!("metadata.name={name}"))
}

/// How long weir's Deployment may be gone: who replaces it by force deletes it first.
const MOMENT: Duration = Duration::from_secs(1);
