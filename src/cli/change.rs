//! `weir promote`, `abort`, `pause`, `resume`, `retry` and `set-weight`: one wish, one sentence about what became of it.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::client::{Client, ClientError, block_on};
use super::options::Target;
use super::{exit, out};
use crate::admin::Changed;
use crate::types::Ratio;

/// A release of the running weir.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The release; may be left out when there is only one
    release: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// A release of the running weir, and a weight for its canary.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(super) struct WeightArgs {
    /// The release; may be left out when there is only one
    release: Option<String>,
    /// The canary's share of the traffic, such as 10% or 0.5%
    weight: Ratio,
    #[command(flatten)]
    target: Target,
}

/// Asks for `action`.
pub(super) fn run(args: &ReleaseArgs, action: &str) -> anyhow::Result<ExitCode> {
    ask(&args.target, args.release.as_deref(), action, None)
}

/// Asks for another weight.
pub(super) fn set_weight(args: &WeightArgs) -> anyhow::Result<ExitCode> {
    ask(&args.target, args.release.as_deref(), "weight", Some(json!({ "weight": args.weight })))
}

/// The release that is meant: the one named, or the only one.
pub(super) fn choose(named: Option<&str>, all: &[String]) -> anyhow::Result<String> {
    match (named, all) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => bail!("the running weir has no release: add one under `releases` in its configuration"),
        (None, several) => bail!("which release? There is {}", several.join(", ")),
    }
}

fn ask(
    target: &Target,
    named: Option<&str>,
    action: &str,
    body: Option<serde_json::Value>,
) -> anyhow::Result<ExitCode> {
    let client = Client::find(target)?;
    let answer = block_on(async {
        let release = match named {
            Some(name) => name.to_owned(),
            None => choose(None, &names(&client).await?)?,
        };
        match client.post::<Changed>(&format!("/releases/{release}/{action}"), body).await {
            Err(ClientError::Refused { error, hint, .. }) => Ok(Err(format!("{error} ({hint})"))),
            other => Ok(Ok(other?)),
        }
    })?;
    match answer {
        Ok(changed) => {
            out::lines(&[changed.message])?;
            Ok(exit::GOOD.into())
        }
        Err(refusal) => {
            eprintln!("weir: {refusal}");
            Ok(exit::FOUND_ERRORS.into())
        }
    }
}

async fn names(client: &Client) -> Result<Vec<String>, ClientError> {
    Ok(client.overview().await?.releases.iter().map(|release| release.name.to_string()).collect())
}
