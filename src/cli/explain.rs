//! `weir explain`: why a release is where it is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::change::choose;
use super::history::know;
use super::options::{Global, Target};
use super::{exit, out, render};
use crate::engine::{JournalEntry, trace_path};

/// Which release to explain.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The release; may be left out when there is only one
    release: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Tells the story of the last decision.
pub(super) fn run(args: &ExplainArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let mut known = know(&args.target, args.release.as_deref())?;
    if let Some(note) = &known.offline {
        eprintln!("weir: {note}");
    }
    let mut names: Vec<_> = known.journal.iter().map(|entry| entry.release.to_string()).collect();
    names.extend(known.releases.iter().map(|release| release.name.to_string()));
    names.sort();
    names.dedup();
    let release = choose(args.release.as_deref(), &names)?;
    known.journal.retain(|entry| entry.release.as_str() == release);
    let status = known.releases.iter().find(|status| status.name.as_str() == release);
    let style = global.style();
    let mut lines = render::explain(status, &known.journal, &style);
    if let Some(path) = known.journal.last().and_then(|last| recorded(args, last)) {
        lines.extend(render::record(&path, &style));
    }
    out::lines(&lines)?;
    Ok(exit::GOOD.into())
}

/// The trace of the rollout that ended, or stands, with `last`; `None` where it is not on this machine, or not any more.
fn recorded(args: &ExplainArgs, last: &JournalEntry) -> Option<PathBuf> {
    if args.target.admin.is_some() {
        return None;
    }
    let path = trace_path(&args.target.state_dir.path().ok()?, &last.release, &last.state);
    path.exists().then_some(path)
}
