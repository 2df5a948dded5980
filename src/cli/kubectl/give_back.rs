//! `kubectl weir give-back`: weir goes, and every Deployment is left as it was found, whether or not weir still can do so.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::time::{Instant, sleep, timeout_at};

use super::cluster::{Cluster, said};
use crate::cli::{exit, out};
use crate::kubernetes::release::{CanaryRelease, hold};
use crate::kubernetes::world::Key;

/// Which weir.
#[derive(Debug, Args)]
pub(super) struct GiveBackArgs {
    /// The namespace of weir's own pods
    #[arg(long, value_name = "NAMESPACE", default_value = "weir-system")]
    pod_namespace: String,
    /// The controller that its GatewayClass names
    #[arg(long, value_name = "NAME", default_value = "weir.dev/gateway-controller")]
    controller_name: String,
}

/// Deletes weir's Deployment, waits until nothing is held any more, and gives back itself what weir does not.
pub(super) async fn run(cluster: &Cluster, args: &GiveBackArgs) -> anyhow::Result<ExitCode> {
    let client = cluster.client();
    let before = held(cluster, args).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &args.pod_namespace);
    let weir = deployments.get_opt(WEIR).await.map_err(said)?;
    if weir.is_some() {
        deployments.delete(WEIR, &DeleteParams::default()).await.map_err(said)?;
    }
    let was_there = weir.is_some();
    let pods = weir.and_then(|weir| weir.status?.replicas).unwrap_or_default();
    let begun = Instant::now();
    let mut left = before.clone();
    while !left.is_empty() {
        if begun.elapsed() >= PATIENCE {
            bail!("{}", unfinished(&left, args, was_there));
        }
        if pods == 0 || begun.elapsed() >= WEIRS_TURN {
            for key in &left {
                let given = timeout_at(begun + PATIENCE, hold::give_back(client, key)).await;
                given.unwrap_or(Ok(None)).map_err(said).with_context(|| key.to_string())?;
            }
        }
        sleep(BETWEEN_LOOKS).await;
        left = held(cluster, args).await?;
    }
    // weir has told so, too, where it could.
    hold::tell(client, &args.pod_namespace, &left).await.map_err(said)?;
    out::lines(&story(&before, args, was_there))?;
    Ok(exit::GOOD.into())
}

/// The releases whose Deployments are held by the weir that is meant.
async fn held(cluster: &Cluster, args: &GiveBackArgs) -> anyhow::Result<BTreeSet<Key>> {
    let all: Api<CanaryRelease> = Api::all(cluster.client().clone());
    let all = match all.list(&ListParams::default()).await {
        // Without the kind there is no release.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(BTreeSet::new()),
        all => all.map_err(said)?,
    };
    let is_meant = |release: &CanaryRelease| {
        let controller = release.status.as_ref().and_then(|status| status.controller.as_deref());
        hold::is_held(release) && controller.is_none_or(|controller| controller == args.controller_name)
    };
    Ok(all.items.iter().filter(|release| is_meant(release)).map(Key::of).collect())
}

fn story(before: &BTreeSet<Key>, args: &GiveBackArgs, was_there: bool) -> Vec<String> {
    let weir = format!("{}/{WEIR}", args.pod_namespace);
    let gone = if was_there { "deleted" } else { "not there" };
    let mut lines = vec![format!("weir's Deployment {weir}: {gone}")];
    lines.extend(before.iter().map(|key| format!("the Deployment of the release {key}: as it was found")));
    if before.is_empty() {
        lines.push("nothing was held".to_owned());
    }
    lines
}

fn unfinished(left: &BTreeSet<Key>, args: &GiveBackArgs, was_there: bool) -> String {
    let names: Vec<_> = left.iter().map(Key::to_string).collect();
    let (namespace, names) = (&args.pod_namespace, names.join(", "));
    let hint = if was_there { "" } else { "; there was no Deployment: name its namespace with --pod-namespace" };
    format!(
        "after {PATIENCE:?} the Deployments of these releases are still held by the weir in {namespace}: {names}{hint}"
    )
}

/// The Deployment's name, as `deploy/` has it.
const WEIR: &str = "weir";

/// The time that weir has to give back by itself.
const WEIRS_TURN: Duration = Duration::from_secs(10);

/// The longest time until nothing is held.
const PATIENCE: Duration = Duration::from_secs(60);

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
