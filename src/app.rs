//! Wiring.

use std::path::PathBuf;
use std::process::ExitCode;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where state is kept.
    pub state_dir: PathBuf,
}

/// Runs until told to stop.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not wired yet: {}", options.config.display())
}
