//! `weir schema`: the JSON schema of the configuration file.

use std::process::ExitCode;

use super::{exit, out};
use crate::config;

/// Prints the schema.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    out::json(&config::json_schema())?;
    Ok(exit::GOOD.into())
}
