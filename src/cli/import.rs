//! `weir import`: the canaries of other tools as manifests of weir's.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{exit, out};
use crate::import::import;

/// What to translate.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// YAML or JSON of an ingress-nginx canary (both Ingresses), a Flagger Canary or an Argo Rollout, with the templates of
    /// their metrics; `-` reads standard input
    file: PathBuf,
}

/// Prints the manifests: 0 when there are some, 1 when there is no canary or it cannot be read, 2 when there is no such file.
pub(super) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let text = read(args)?;
    match import(&text).and_then(|import| import.to_yaml()) {
        Ok(yaml) => out::text(yaml.as_bytes()).map(|()| exit::GOOD.into()),
        Err(error) => {
            eprintln!("weir: {}: {error}", args.file.display());
            Ok(exit::FOUND_ERRORS.into())
        }
    }
}

fn read(args: &ImportArgs) -> anyhow::Result<String> {
    if args.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read_to_string(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))
}
