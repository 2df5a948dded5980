//! `kubectl weir`: releases of a cluster, by the rights of whoever types. The same binary under the name `kubectl-weir`, or
//! `weir kubectl` where there is no kubectl.

mod cluster;
mod give_back;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, FromArgMatches, Parser, Subcommand};
use futures_util::StreamExt;
use kube::ResourceExt;

use self::cluster::Cluster;
use self::give_back::GiveBackArgs;
use self::wait::WaitArgs;
use super::change::choose;
use super::client::block_on;
use super::options::{Format, Global, Output};
use super::{exit, out, render};
use crate::kubernetes::release::command::Outcome;
use crate::kubernetes::release::{CanaryRelease, CanaryReleaseCommandSpec, CanaryReleaseStatus, Verb};
use crate::types::Ratio;

/// Canary releases of a cluster: where they are, why, and what they are to do
#[derive(Debug, Parser)]
#[command(name = "kubectl-weir", bin_name = "kubectl weir", version, max_term_width = 100)]
struct Plugin {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    args: KubectlArgs,
}

/// What to do, and where.
#[derive(Debug, Args)]
pub(super) struct KubectlArgs {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which cluster, and where in it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Finding the cluster")]
struct Place {
    /// The namespace. Default: that of the context
    #[arg(short, long, global = true, env = "WEIR_NAMESPACE")]
    namespace: Option<String>,
    /// The context of the kubeconfig. Default: the current one
    #[arg(long, global = true)]
    context: Option<String>,
    /// The kubeconfig. Default: $KUBECONFIG, else ~/.kube/config, else the cluster of this pod
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show where releases are: weight, step, evidence
    Status(StatusArgs),
    /// Wait until what is wanted now is promoted (exit code 0) or aborted (1), whatever was decided before
    Wait(WaitArgs),
    /// Give the canary all traffic, now
    Promote(One),
    /// Take all traffic from the canary, now
    Abort(One),
    /// Stay at the present weight; evidence is still weighed and may abort
    Pause(One),
    /// Go on after a pause
    Resume(One),
    /// Start an aborted rollout again from its first step
    Retry(One),
    /// Give the canary this share of the traffic and pause there
    SetWeight(WeightArgs),
    /// List the decisions so far
    History(HistoryArgs),
    /// Tell why a release is where it is
    Explain(One),
    /// Delete weir's Deployment and wait until every other one is left as it was found: before the rest of weir is deleted
    GiveBack(GiveBackArgs),
}

#[derive(Debug, Args)]
struct One {
    /// The release; may be left out when there is only one
    release: Option<String>,
}

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
struct WeightArgs {
    /// The release; may be left out when there is only one
    release: Option<String>,
    /// The canary's share of the traffic, such as 10% or 0.5%
    weight: Ratio,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// The release; all when left out
    release: Option<String>,
    /// Go on showing: a line for every change; Ctrl-C ends it
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct HistoryArgs {
    /// The release; all when left out
    release: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Does what the command line asks for.
pub(super) fn main() -> anyhow::Result<ExitCode> {
    let plugin = Plugin::from_arg_matches(&tree().get_matches()).unwrap_or_else(|error| error.exit());
    plugin.global.set_up_logs("warn")?;
    run(&plugin.args, &plugin.global)
}

/// Does what `args` say.
pub(super) fn run(args: &KubectlArgs, global: &Global) -> anyhow::Result<ExitCode> {
    block_on(async { execute(args, global).await })
}

/// The whole tree of commands.
pub(super) fn tree() -> clap::Command {
    use clap::CommandFactory;
    Plugin::command()
}

async fn execute(args: &KubectlArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let place = &args.place;
    let cluster = Cluster::open(place.kubeconfig.as_deref(), place.context.clone(), place.namespace.clone()).await?;
    match &args.command {
        Command::Status(args) => status(&cluster, args).await,
        Command::Wait(args) => wait::run(&cluster, args).await,
        Command::Promote(one) => ask(&cluster, one.release.as_deref(), Verb::Promote, None).await,
        Command::Abort(one) => ask(&cluster, one.release.as_deref(), Verb::Abort, None).await,
        Command::Pause(one) => ask(&cluster, one.release.as_deref(), Verb::Pause, None).await,
        Command::Resume(one) => ask(&cluster, one.release.as_deref(), Verb::Resume, None).await,
        Command::Retry(one) => ask(&cluster, one.release.as_deref(), Verb::Retry, None).await,
        Command::SetWeight(args) => ask(&cluster, args.release.as_deref(), Verb::SetWeight, Some(args.weight)).await,
        Command::History(args) => history(&cluster, args, global).await,
        Command::Explain(one) => explain(&cluster, one, global).await,
        Command::GiveBack(args) => give_back::run(&cluster, args).await,
    }
}

async fn ask(cluster: &Cluster, named: Option<&str>, verb: Verb, weight: Option<Ratio>) -> anyhow::Result<ExitCode> {
    let release = one(cluster, named).await?.name_any();
    let by = cluster.user().await?;
    let answer = cluster.command(CanaryReleaseCommandSpec { release, verb, weight, by }).await?;
    let message = answer.message.unwrap_or_default();
    if answer.outcome == Some(Outcome::Done) {
        out::lines(&[message])?;
        return Ok(exit::GOOD.into());
    }
    eprintln!("weir: {message}");
    Ok(exit::FOUND_ERRORS.into())
}

async fn status(cluster: &Cluster, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let releases = some(cluster, args.release.as_deref()).await?;
    match args.output.output {
        Format::Json => {
            out::json(&releases.iter().map(|release| (release.name_any(), &release.status)).collect::<Vec<_>>())?
        }
        Format::Text if releases.is_empty() => out::lines(&[cluster.none()])?,
        Format::Text => out::lines(&releases.iter().flat_map(draw).collect::<Vec<_>>())?,
    }
    if args.watch {
        let changes = cluster.follow(args.release.as_deref());
        let mut changes = std::pin::pin!(changes);
        while let Some(change) = changes.next().await {
            match change {
                Ok(release) => out::lines(&draw(&release))?,
                Err(error) => tracing::warn!("asked again: {error:#}"),
            }
        }
    }
    Ok(exit::GOOD.into())
}

async fn history(cluster: &Cluster, args: &HistoryArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let mut releases = some(cluster, args.release.as_deref()).await?;
    if let ([release], Some(_)) = (releases.as_mut_slice(), &args.release) {
        *release = with_decisions(cluster, release.clone()).await?;
    }
    let decisions = releases.into_iter().flat_map(|release| release.status.unwrap_or_default().decisions);
    let mut decisions: Vec<_> = decisions.collect();
    decisions.sort_by_key(|entry| entry.time);
    match args.output.output {
        Format::Json => out::json(&decisions)?,
        Format::Text if decisions.is_empty() => out::lines(&["no decision yet"])?,
        Format::Text => out::lines(&render::history(&decisions, &global.style()))?,
    }
    Ok(exit::GOOD.into())
}

async fn explain(cluster: &Cluster, args: &One, global: &Global) -> anyhow::Result<ExitCode> {
    let release = with_decisions(cluster, one(cluster, args.release.as_deref()).await?).await?;
    let status = release.status.clone().unwrap_or_default();
    let style = global.style();
    match status.last() {
        None => out::lines(&draw(&release))?,
        Some(last) => out::lines(&render::story_of(last, now(&status), &status.decisions, &style))?,
    }
    Ok(exit::GOOD.into())
}

/// What is seen at present, while a rollout is open.
fn now(status: &CanaryReleaseStatus) -> Option<render::Now<'_>> {
    let weight = status.weight.unwrap_or_else(|| status.decided_weight());
    let report = status.report.as_ref()?;
    Some(render::Now {
        weight,
        report,
        failures: &status.failures,
        routes: &status.routes,
        message: status.message.as_deref().unwrap_or_default(),
    })
}

/// The release that is meant: the one named, or the only one.
async fn one(cluster: &Cluster, named: Option<&str>) -> anyhow::Result<CanaryRelease> {
    let all = some(cluster, named).await?;
    let names: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
    if named.is_none() && names.is_empty() {
        bail!("{}", cluster.none());
    }
    let chosen = choose(named, &names)?;
    all.into_iter().find(|release| release.name_any() == chosen).context("it is gone")
}

/// The release, or the one of its group that has the decisions about all of them, which is said.
async fn with_decisions(cluster: &Cluster, release: CanaryRelease) -> anyhow::Result<CanaryRelease> {
    let Some(group) = release.spec.group.clone() else { return Ok(release) };
    let all = cluster.releases().await?.into_iter().filter(|other| other.spec.group.as_ref() == Some(&group));
    let first = all.min_by_key(ResourceExt::name_any).unwrap_or_else(|| release.clone());
    if first.name_any() != release.name_any() {
        eprintln!(
            "{} moves with the group {group}: what is decided stands with {}",
            release.name_any(),
            first.name_any()
        );
    }
    Ok(first)
}

async fn some(cluster: &Cluster, named: Option<&str>) -> anyhow::Result<Vec<CanaryRelease>> {
    match named {
        Some(name) => Ok(vec![cluster.release(name).await?]),
        None => cluster.releases().await,
    }
}

/// A release in some lines.
fn draw(release: &CanaryRelease) -> Vec<String> {
    let status = release.status.clone().unwrap_or_default();
    let eta = status.eta.map_or_else(String::new, |eta| format!(", about {eta} to a decision"));
    let mut lines = vec![format!("{}{eta}", headline(release))];
    let said = status.message;
    lines.extend(said.as_ref().map(|message| format!("  {message}")));
    for (side, seen) in [("stable", status.stable), ("canary", status.canary)] {
        lines.extend(seen.map(|seen| {
            format!(
                "  {side}  {}  {} requests, {} errors, {} ready",
                seen.version, seen.requests, seen.errors, seen.ready
            )
        }));
    }
    let is_new = |message: &str| !message.is_empty() && Some(message) != said.as_deref();
    let ready = status.conditions.iter().filter(|one| one.type_ == "Ready" && is_new(&one.message));
    lines.extend(ready.map(|one| {
        let what = if one.status == "True" { "note" } else { "not ready" };
        format!("  {what}: {}", one.message)
    }));
    lines
}

/// Where a release is, in one line that changes when a step does.
fn headline(release: &CanaryRelease) -> String {
    let status = release.status.clone().unwrap_or_default();
    let word = status.phase.as_deref().unwrap_or("no weir has a route to it (yet)");
    let weight = status.weight.map_or_else(String::new, |weight| format!(", canary at {weight}"));
    let step = status.step.map_or_else(String::new, |step| format!(", step {step}"));
    format!("{}: {word}{weight}{step}", release.name_any())
}

/// Why weir cannot do what is asked of it.
fn unready(release: &CanaryRelease) -> Option<&str> {
    let mut conditions = release.status.as_ref()?.conditions.iter();
    let unready = conditions.find(|one| one.type_ == "Ready" && one.status != "True" && !one.message.is_empty());
    unready.map(|one| one.message.as_str())
}
