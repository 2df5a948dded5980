//! `weir check`: everything that is wrong with a configuration file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::options::{Format, Output};
use super::{exit, out};
use crate::config::{self, Effective, Loaded, Problem, Problems, Resolved};
use crate::snapshot::Leaves;

/// Which file to check.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Print every value that would be in force, and where it comes from
    #[arg(long)]
    print_effective: bool,
    #[command(flatten)]
    output: Output,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    good: bool,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    effective: Option<Effective>,
}

/// Reads and compiles the file, and says what came of it: 0 when it is good, 1 when it is not, 2 when it cannot be read.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    // A file that is not there is no finding about its content.
    std::fs::metadata(&args.config)
        .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", args.config.display()))?;
    let (problems, loaded) = match check(args) {
        Ok((loaded, warnings)) => (warnings, Some(loaded)),
        Err(problems) => (problems, None),
    };
    match args.output.output {
        Format::Json => {
            let effective = loaded.as_ref().filter(|_| args.print_effective).map(config::effective);
            let file = args.config.display().to_string();
            out::json(&Answer { file, good: loaded.is_some(), problems: &problems.list, effective })?;
        }
        Format::Text => report(args, &problems, loaded.as_ref())?,
    }
    Ok(if loaded.is_some() { exit::GOOD } else { exit::FOUND_ERRORS }.into())
}

fn check(args: &CheckArgs) -> Result<(Loaded, Problems), Problems> {
    let loaded = config::load(&args.config)?;
    let compiled = config::compile(&loaded, &Leaves::new(1), &Resolved::new(), 1)?;
    Ok((loaded, compiled.warnings))
}

fn report(args: &CheckArgs, problems: &Problems, loaded: Option<&Loaded>) -> anyhow::Result<()> {
    if !problems.is_empty() {
        eprintln!("{problems}");
    }
    match loaded {
        None => Ok(()),
        Some(loaded) if args.print_effective => out::text(config::effective(loaded).to_string().as_bytes()),
        Some(loaded) => {
            let file = &loaded.file;
            let counted = [
                (file.listeners.len(), "listener"),
                (file.routes.len(), "route"),
                (file.backends.len(), "backend"),
                (file.releases.len(), "release"),
            ];
            let parts = counted.map(|(n, noun)| format!("{n} {noun}{}", if n == 1 { "" } else { "s" }));
            out::lines(&[format!("{} is good: {}", args.config.display(), parts.join(", "))])
        }
    }
}
