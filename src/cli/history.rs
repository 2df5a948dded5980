//! `weir history`: the decisions so far, from the running weir or straight from its journal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::client::{Client, ClientError, block_on};
use super::options::{Format, Global, Output, Target};
use super::{exit, out, render};
use crate::engine::{JournalEntry, ReleaseStatus};

/// Whose decisions to list.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The release; all when left out
    release: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// What is known of releases.
pub(super) struct Known {
    /// As they are now; empty when weir does not run.
    pub(super) releases: Vec<ReleaseStatus>,
    /// Every decision about those asked for, the oldest first.
    pub(super) journal: Vec<JournalEntry>,
    /// Why the journal was read from the file, where it was.
    pub(super) offline: Option<String>,
}

/// Lists decisions.
pub(super) fn run(args: &HistoryArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let known = know(&args.target, args.release.as_deref())?;
    if let Some(note) = &known.offline {
        eprintln!("weir: {note}");
    }
    match args.output.output {
        Format::Json => out::json(&known.journal)?,
        Format::Text if known.journal.is_empty() => out::lines(&["no decision yet"])?,
        Format::Text => out::lines(&render::history(&known.journal, &global.style()))?,
    }
    Ok(exit::GOOD.into())
}

/// What is known of `named`, or of all releases: from the running weir, else from the journal in the state directory.
pub(super) fn know(target: &Target, named: Option<&str>) -> anyhow::Result<Known> {
    match block_on(async { Ok(ask(target, named).await) })? {
        Err(error) if error.is_not_running() && target.admin.is_none() => {
            let folder = target.state_dir.path()?;
            if !journal_path(&folder).exists() {
                return Err(error.into());
            }
            let journal = read_journal(&folder, named)?;
            let note = format!("weir is not running; this is what its journal in {} says", folder.display());
            Ok(Known { releases: Vec::new(), journal, offline: Some(note) })
        }
        asked => Ok(asked?),
    }
}

async fn ask(target: &Target, named: Option<&str>) -> Result<Known, ClientError> {
    let client = Client::find(target)?;
    let mut releases = client.overview().await?.releases;
    let names = match named {
        Some(name) => vec![name.to_owned()],
        None => releases.iter().map(|release| release.name.to_string()).collect(),
    };
    releases.retain(|release| names.iter().any(|name| name == release.name.as_str()));
    let mut journal: Vec<JournalEntry> = Vec::new();
    for name in names {
        journal.extend(client.get::<Vec<JournalEntry>>(&format!("/releases/{name}/history")).await?);
    }
    journal.sort_by_key(|entry| entry.time);
    Ok(Known { releases, journal, offline: None })
}

/// The decisions in the journal of `folder`, without the lines that a crash has torn.
fn read_journal(folder: &Path, named: Option<&str>) -> anyhow::Result<Vec<JournalEntry>> {
    let path = journal_path(folder);
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut entries: Vec<JournalEntry> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if let Some(name) = named {
        entries.retain(|entry| entry.release.as_str() == name);
        if entries.is_empty() {
            bail!("{} has nothing about release `{name}`", path.display());
        }
    }
    Ok(entries)
}

fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

#[cfg(test)]
mod tests;
