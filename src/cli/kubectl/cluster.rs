//! Asks the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, bail};
use futures_util::{Stream, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, ResourceExt};
use tokio::time::{Instant, sleep};

use crate::kubernetes::release::command::CommandStatus;
use crate::kubernetes::release::{CanaryRelease, CanaryReleaseCommand, CanaryReleaseCommandSpec};
use crate::kubernetes::world::World;

/// One namespace of a cluster.
pub(super) struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// As kubectl finds it.
    pub(super) async fn open(
        kubeconfig: Option<&Path>,
        context: Option<String>,
        namespace: Option<String>,
    ) -> anyhow::Result<Self> {
        let whose = |context| KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = match (kubeconfig, context) {
            (Some(path), context) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &whose(context)).await.map_err(Error::from)
            }
            (None, Some(context)) => Config::from_kubeconfig(&whose(Some(context))).await.map_err(Error::from),
            (None, None) => Config::infer().await.map_err(Error::from),
        };
        let config = config.context("no cluster is configured")?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { client: Client::try_from(config)?, namespace })
    }

    /// That there is no release here.
    pub(super) fn none(&self) -> String {
        format!("there is no CanaryRelease in the namespace {}: look elsewhere with -n", self.namespace)
    }

    pub(super) async fn releases(&self) -> anyhow::Result<Vec<CanaryRelease>> {
        Ok(self.api().list(&ListParams::default()).await.map_err(said)?.items)
    }

    pub(super) async fn release(&self, name: &str) -> anyhow::Result<CanaryRelease> {
        self.api().get(name).await.map_err(said)
    }

    /// What it takes to know where `release` stands: the releases beside it, its Deployment and that one's revisions.
    pub(super) async fn world_of(&self, release: &CanaryRelease) -> anyhow::Result<World> {
        let mut world = World::default();
        // First: what is said of a Deployment is never newer than the Deployment.
        world.canary_releases.replace(self.releases().await?);
        if let Some(target) = &release.spec.target_ref {
            let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
            world.deployments.replace(deployments.get_opt(&target.name).await.map_err(said)?);
            let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &self.namespace);
            world.replica_sets.replace(sets.list(&ListParams::default()).await.map_err(said)?.items);
        }
        Ok(world)
    }

    /// Every change from now on.
    pub(super) fn follow(&self, name: Option<&str>) -> impl Stream<Item = anyhow::Result<CanaryRelease>> + use<> {
        let config = watcher::Config::default();
        let config = match name {
            Some(name) => config.fields(&format!("metadata.name={name}")),
            None => config,
        };
        watcher(self.api(), config).default_backoff().applied_objects().map_err(anyhow::Error::from)
    }

    /// Who asks, as the API server knows them.
    pub(super) async fn user(&self) -> anyhow::Result<String> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.map_err(said)?;
        let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        user.context("the API server does not say who you are")
    }

    /// Hands in a command and waits for the answer.
    pub(super) async fn command(&self, spec: CanaryReleaseCommandSpec) -> anyhow::Result<CommandStatus> {
        let commands: Api<CanaryReleaseCommand> = Api::namespaced(self.client.clone(), &self.namespace);
        let generate_name = Some(format!("{}-", spec.release));
        let metadata = ObjectMeta { generate_name, ..ObjectMeta::default() };
        let command = CanaryReleaseCommand { metadata, spec, status: None };
        let made = commands.create(&PostParams::default(), &command).await.map_err(said)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status = commands.get(&made.name_any()).await.map_err(said)?.status.unwrap_or_default();
            if status.outcome.is_some() {
                return Ok(status);
            }
            sleep(BETWEEN_LOOKS).await;
        }
        bail!("no weir has answered yet: the command {} waits to be carried out", made.name_any())
    }

    /// Asks by itself.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn api(&self) -> Api<CanaryRelease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// The API server's own words, which say what is wrong.
pub(super) fn said(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{}", status.message),
        other => other.into(),
    }
}

/// A new leader may have to be found first.
const PATIENCE: Duration = Duration::from_secs(30);

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
