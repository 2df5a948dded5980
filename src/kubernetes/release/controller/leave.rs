//! weir itself is deleted: every Deployment is left as it was found, since nobody comes who would do so later.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;

use super::super::hold::named;
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
        let mut left = BTreeSet::new();
        for key in held(world, known) {
            tracing::info!(release = %key, "weir is being deleted: the Deployment is left as it was found");
            match timeout(PATIENCE, hold::give_back(&self.client, &key)).await {
                Ok(Ok(given)) => self.written.extend(given.map(|release| (key, release))),
                failed => {
                    tracing::error!(release = %key, "the Deployment is not left as it was found: {failed:?}");
                    left.insert(key);
                }
            }
        }
        self.tell_held(|held| *held = left).await;
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
}

/// Those of `known` whose Deployments are held.
pub(super) fn held(world: &World, known: &BTreeSet<Key>) -> BTreeSet<Key> {
    let is_one = |key: &&Key| world.canary_releases.at(key).is_some_and(|release| is_held(release));
    known.iter().filter(is_one).cloned().collect()
}

/// How long weir's Deployment may be gone: who replaces it by force deletes it first.
const MOMENT: Duration = Duration::from_secs(1);
