//! `weir crds`: the definitions of weir's own kinds.

use std::process::ExitCode;

use super::{exit, out};
use crate::kubernetes::release::{definitions, yaml};

/// Prints them, one YAML document each.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    for (_, definition) in definitions() {
        out::text(format!("---\n{}", yaml(&definition)?).as_bytes())?;
    }
    Ok(exit::GOOD.into())
}
