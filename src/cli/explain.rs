//! `weir explain`: why a release is where it is.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::change::choose;
use super::history::know;
use super::options::{Global, Target};
use super::{exit, out, render};
use crate::analysis::trace::Reader;
use crate::analysis::{RouteTally, Tick};
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
    if let Some((path, routes)) = known.journal.last().and_then(|last| recorded(args, last)) {
        lines.extend(render::record(&path, &routes, &style));
    }
    out::lines(&lines)?;
    Ok(exit::GOOD.into())
}

/// The trace of the rollout that ended, or stands, with `last`, and the sums of its routes; `None` where it is not on this
/// machine, or not any more.
fn recorded(args: &ExplainArgs, last: &JournalEntry) -> Option<(PathBuf, Vec<RouteTally>)> {
    if args.target.admin.is_some() {
        return None;
    }
    let path = trace_path(&args.target.state_dir.path().ok()?, &last.release, &last.state);
    let mut reader = Reader::new(BufReader::new(File::open(&path).ok()?)).ok()?;
    let (mut tick, mut sums) = (Tick::default(), Vec::<RouteTally>::new());
    while reader.next_tick(&mut tick).unwrap_or(false) {
        for route in tick.routes.iter().filter(|_| tick.t >= 0) {
            let place = sums.iter().position(|sum| sum.route == route.route).unwrap_or_else(|| {
                sums.push(RouteTally { route: route.route.clone(), ..RouteTally::default() });
                sums.len() - 1
            });
            let sum = &mut sums[place];
            sum.stable = (sum.stable.0 + route.stable.0, sum.stable.1 + route.stable.1);
            sum.canary = (sum.canary.0 + route.canary.0, sum.canary.1 + route.canary.1);
        }
    }
    Some((path, sums))
}
