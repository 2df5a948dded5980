//! `kubectl weir wait`: until what is wanted now is promoted or aborted, whatever was decided before.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::cluster::Cluster;
use super::{draw, headline, one, unready};
use crate::cli::{exit, out};
use crate::kubernetes::release::{CanaryRelease, last_decision, leader, wanted};
use crate::kubernetes::world::{Key, World};
use crate::rollout::Phase;
use crate::types::Span;

/// What to wait for.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// The release; may be left out when there is only one
    release: Option<String>,
    /// The longest time to wait; the exit code is 3 then
    #[arg(long, value_name = "TIME", default_value = "1h")]
    timeout: Span,
}

/// Where what is wanted now stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing was decided about it: weir has not seen it, it has no traffic, or it cannot be carried out.
    NotBegun,
    /// It is in question.
    Open,
    /// It is in service, by this sentence.
    Good(String),
    /// It is not going to be in service, by this sentence.
    Bad(String),
}

/// Waits until it is decided, and tells how.
pub(super) async fn run(cluster: &Cluster, args: &WaitArgs) -> anyhow::Result<ExitCode> {
    let now = Instant::now();
    let deadline = now.checked_add(args.timeout.0).with_context(|| format!("{} is too long", args.timeout))?;
    let mut release = one(cluster, args.release.as_deref()).await?;
    let key = Key::of(&release);
    let mut changes = std::pin::pin!(cluster.follow(Some(&key.name)));
    let (mut asked, mut shown) = (None, String::new());
    let mut seen = cluster.world_of(&release).await;
    loop {
        match seen {
            Ok(world) => {
                release = world.canary_releases.at(&key).context("the release is gone")?.as_ref().clone();
                let line = match stands(&world, &key, asked.as_deref()) {
                    Standing::Good(sentence) => return ended(&key, &sentence, exit::GOOD),
                    Standing::Bad(sentence) => return ended(&key, &sentence, exit::FOUND_ERRORS),
                    Standing::Open => headline(&release),
                    Standing::NotBegun => not_begun(&release),
                };
                asked = contender(&world, &key).or(asked);
                if line != shown {
                    eprintln!("{line}");
                    shown = line;
                }
            }
            // What can be read once can be read again.
            Err(error) if !shown.is_empty() => tracing::warn!("asked again: {error:#}"),
            Err(error) => return Err(error),
        }
        // A change of the release is seen at once; after a while it is looked at anyhow.
        let _ = timeout_at(deadline.min(Instant::now() + BETWEEN_LOOKS), changes.next()).await;
        let Ok(next) = timeout_at(deadline, cluster.world_of(&release)).await else { break };
        seen = next;
    }
    eprintln!("weir: {} was not decided within {}", key.name, args.timeout);
    out::lines(&draw(&release))?;
    Ok(exit::INCONCLUSIVE.into())
}

fn ended(key: &Key, sentence: &str, code: u8) -> anyhow::Result<ExitCode> {
    out::lines(&[format!("{}: {sentence}", key.name)])?;
    Ok(code.into())
}

fn not_begun(release: &CanaryRelease) -> String {
    let why = unready(release).map_or_else(String::new, |why| format!(": {why}"));
    format!("{}: what is wanted now has not begun yet{why}", release.metadata.name.as_deref().unwrap_or_default())
}

/// The revision that is wanted and not in service, as far as weir knows.
fn contender(world: &World, key: &Key) -> Option<String> {
    let status = world.canary_releases.at(key)?.status.as_ref();
    let stable = status.and_then(|status| status.revisions.as_ref()).map(|known| &known.stable);
    wanted(world, key).filter(|wanted| Some(wanted) != stable)
}

/// Where that stands which the release at `key` is to bring into service; `asked` is the last [`contender`] that was seen
/// while this command waits.
fn stands(world: &World, key: &Key, asked: Option<&str>) -> Standing {
    let Some(release) = world.canary_releases.at(key) else { return Standing::NotBegun };
    match release.spec.target_ref {
        Some(_) => revision_stands(world, key, release, asked),
        None => service_stands(world, key, release),
    }
}

fn revision_stands(world: &World, key: &Key, release: &CanaryRelease, asked: Option<&str>) -> Standing {
    let target = release.spec.target_ref.as_ref();
    let deployment = target.and_then(|target| world.deployments.get(&key.namespace, &target.name));
    let known = release.status.as_ref().and_then(|status| status.revisions.as_ref());
    let known = known.zip(deployment).filter(|(known, deployment)| known.is_of(deployment)).map(|(known, _)| known);
    let Some((known, wanted)) = known.zip(wanted(world, key)) else { return Standing::NotBegun };
    if known.canary.as_ref() == Some(&wanted) {
        return decided(world, key);
    }
    if known.stable != wanted {
        return Standing::NotBegun;
    }
    match (asked, decided(world, key)) {
        (Some(asked), bad @ Standing::Bad(_)) if asked != wanted => bad,
        // weir has yet to see that it is taken back.
        (Some(asked), _) if asked != wanted && known.canary.is_some() => Standing::Open,
        (Some(asked), _) if asked != wanted => Standing::Bad(format!("the revision {asked} was taken back")),
        (_, good @ Standing::Good(_)) if is_about(world, key, &wanted) => good,
        _ => Standing::Good(format!("the revision {wanted} is in service, and no other one is wanted")),
    }
}

fn service_stands(world: &World, key: &Key, release: &CanaryRelease) -> Standing {
    let observed = release.status.as_ref().and_then(|status| status.observed_generation);
    let canary = release.spec.canary.as_ref().map_or("", |canary| &canary.service);
    if observed.is_none() || observed != release.metadata.generation {
        return Standing::NotBegun;
    }
    if leader(world, key) == *key && !is_about(world, key, canary) { Standing::NotBegun } else { decided(world, key) }
}

/// What was decided in the present rollout.
fn decided(world: &World, key: &Key) -> Standing {
    match last_decision(world, key) {
        Some(last) if last.state.phase == Phase::Promoted => Standing::Good(last.message.clone()),
        Some(last) if last.state.phase == Phase::Aborted => Standing::Bad(last.message.clone()),
        Some(_) => Standing::Open,
        None => Standing::NotBegun,
    }
}

/// Whether the last decision is about this canary, a revision or a Service.
fn is_about(world: &World, key: &Key, canary: &str) -> bool {
    last_decision(world, key).is_some_and(|last| last.canary.as_str().rsplit('/').next() == Some(canary))
}

/// While the release does not change.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
