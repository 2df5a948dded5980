//! `weir run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::options::StateDir;
use crate::app::{self, Source};

/// What to serve.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The configuration file; read again when it changes, and on SIGHUP
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    state_dir: StateDir,
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    app::run(app::Options { source: Source::File(args.config.clone()), state_dir: args.state_dir.path()? })
}
