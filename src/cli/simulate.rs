//! `weir simulate`: how a policy would have done, in typical situations and on recorded traffic.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::options::{Format, Global, Output};
use super::{exit, out, render};
use crate::analysis::Policy;
use crate::analysis::trace::{Routing, parse};
use crate::config::schema::Preset;
use crate::simulate::peers::{Argo, Flagger, Kayenta};
use crate::simulate::{
    OfBad, Outcome, Pilot, Recording, Scenario, Summary, Traffic, Truth, Weir, chart, play, scenario,
};
use crate::stats::Bounds;
use crate::types::Span;

mod policy;

use policy::Rules;

/// Which policy, which situations, how often.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SimulateArgs {
    /// The policy: a configuration file, or a file with nothing but `analysis`, `steps` and `startByTraffic`. Default: everything as by default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A preset's policy: careful, standard or fast
    #[arg(long, value_name = "NAME", conflicts_with = "policy", value_parser = policy::preset)]
    preset: Option<Preset>,
    /// Which release of the configuration file, where it has several
    #[arg(long, value_name = "NAME", requires = "policy")]
    release: Option<String>,
    /// Only this situation; may be given several times. `--list` names them
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// List the situations
    #[arg(long)]
    list: bool,
    /// Play on this traffic, a trace of weir, instead of imagined situations: with a canary that does as stable did, and with
    /// worse ones
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Rollouts of each situation
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// The same seed gives the same rollouts
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long weir may take in each rollout
    #[arg(long, value_name = "TIME", default_value = "30m")]
    within: Span,
    /// Also play by the documented rules of Flagger, Argo Rollouts and Kayenta, on the same traffic
    #[arg(long)]
    compare: bool,
    /// Exit with 1 when weir was wrong more often than the policy allows, by more than chance
    #[arg(long)]
    exit_code: bool,
    /// Draw the result as a picture (SVG)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    seed: u64,
    policy: &'a Policy,
    summaries: &'a [Summary],
    bad: Vec<OfBad>,
}

/// Plays and reports.
pub(super) fn run(args: &SimulateArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if args.list {
        let known: Vec<&str> = scenario::ALL.iter().map(|scenario| &*scenario.name).collect();
        out::lines(&known)?;
        return Ok(exit::GOOD.into());
    }
    let rules = match args.preset {
        Some(preset) => Rules::of_preset(preset)?,
        None => Rules::load(args.policy.as_deref(), args.release.as_deref())?,
    };
    let scenarios = chosen(args)?;
    let mut jobs = Vec::new();
    for scenario in &scenarios {
        jobs.extend(Judge::ALL.iter().filter(|judge| args.compare || **judge == Judge::Weir).map(|judge| Job {
            scenario,
            judge: *judge,
            rules: &rules,
            args,
        }));
    }
    let summaries = play_all(&jobs);
    if let Some(path) = &args.plot {
        let title = format!("{} rollouts of each situation", args.runs);
        std::fs::write(path, chart::svg(&summaries, &title))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    match args.output.output {
        Format::Json => {
            let bad = OfBad::all(&summaries);
            out::json(&Answer { seed: args.seed, policy: &rules.policy, summaries: &summaries, bad })?;
        }
        Format::Text => out::lines(&render::simulation(&summaries, &global.style()))?,
    }
    let broken = args.exit_code && summaries.iter().any(|summary| breaks(&rules.policy, summary));
    Ok(if broken { exit::FOUND_ERRORS } else { exit::GOOD }.into())
}

/// Whether weir was wrong more often than `policy` allows, by more than chance.
fn breaks(policy: &Policy, summary: &Summary) -> bool {
    let allowed = match summary.truth {
        Truth::Good => policy.alpha,
        Truth::Bad => policy.beta,
        Truth::Undecidable => policy.alpha.max(policy.beta),
    };
    summary.judge == Judge::Weir.name() && summary.wrong.low > allowed
}

/// The situations asked for.
fn chosen(args: &SimulateArgs) -> anyhow::Result<Vec<Scenario>> {
    let known = match &args.trace {
        None => scenario::ALL.to_vec(),
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
            let trace = parse(&text).with_context(|| name.to_string())?;
            let recording = Recording::of_trace(&trace.ticks, trace.header.meta.le_ms)
                .with_context(|| format!("{name} has no requests to stable: there is nothing to play"))?;
            Scenario::of_recording(&Arc::new(recording))
        }
    };
    if args.scenario.is_empty() {
        return Ok(known);
    }
    let names = || known.iter().map(|scenario| &*scenario.name);
    if let Some(wrong) = args.scenario.iter().find(|name| !names().any(|known| known == name.as_str())) {
        bail!("no situation `{wrong}`; there are {}", names().collect::<Vec<_>>().join(", "));
    }
    Ok(known.iter().filter(|scenario| args.scenario.iter().any(|name| *name == scenario.name)).cloned().collect())
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    Weir,
    Flagger,
    Argo,
    Kayenta,
}

impl Judge {
    const ALL: [Self; 4] = [Self::Weir, Self::Flagger, Self::Argo, Self::Kayenta];

    const fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Flagger => "Flagger",
            Self::Argo => "Argo",
            Self::Kayenta => "Kayenta",
        }
    }
}

/// All rollouts of one situation by one judge.
struct Job<'a> {
    scenario: &'a Scenario,
    judge: Judge,
    rules: &'a Rules,
    args: &'a SimulateArgs,
}

impl Job<'_> {
    fn play(&self, run: u64) -> Outcome {
        let Self { scenario, rules, .. } = self;
        let default = Bounds::default();
        let bounds = match &scenario.traffic {
            Traffic::Recorded(recording, _) => recording.bounds(),
            Traffic::Imagined(_) | Traffic::Drawn(_) => &default,
        };
        let mut pilot: Box<dyn Pilot> = match self.judge {
            Judge::Weir => {
                let sticky = rules.routing == Routing::Sticky;
                let routing = if sticky { Routing::Sticky } else { scenario.routing };
                Box::new(Weir::new(&rules.policy, bounds, routing, rules.judge_latency, &rules.spec))
            }
            Judge::Flagger => Box::new(Flagger::new(bounds.clone())),
            Judge::Argo => Box::new(Argo::default()),
            Judge::Kayenta => Box::new(Kayenta::new(bounds.clone())),
        };
        let within = i64::try_from(self.args.within.0.as_secs()).unwrap_or(i64::MAX);
        // The others end by themselves, in their own time.
        let seconds = if self.judge == Judge::Weir { within } else { LONGEST_S };
        let seed = self.args.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(run);
        play(scenario, &rules.policy, &mut *pilot, (HISTORY_S, seconds), seed)
    }

    fn sum_up(&self, outcomes: &[Outcome]) -> Summary {
        Summary::of(&self.scenario.name, self.scenario.truth, self.judge.name(), outcomes)
    }
}

/// Plays all jobs on all cores, and tells how far it is where somebody watches.
fn play_all(jobs: &[Job<'_>]) -> Vec<Summary> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut summed = Vec::new();
        while let Some((index, job)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            let outcomes: Vec<Outcome> = (0..job.args.runs).map(|run| job.play(run)).collect();
            summed.push((index, job.sum_up(&outcomes)));
            done.fetch_add(1, Ordering::Relaxed);
        }
        summed
    };
    let workers = thread::available_parallelism().map_or(1, |n| n.get().min(jobs.len()));
    let mut summaries = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        watch(|| (done.load(Ordering::Relaxed), jobs.len()), || workers.iter().all(|worker| worker.is_finished()));
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    summaries.sort_by_key(|(index, _)| *index);
    summaries.into_iter().map(|(_, summary)| summary).collect()
}

/// Shows the progress on a terminal until `is_over`.
fn watch(progress: impl Fn() -> (usize, usize), is_over: impl Fn() -> bool) {
    let shown = std::io::stderr().is_terminal();
    let began = Instant::now();
    while !is_over() {
        thread::sleep(Duration::from_millis(50));
        if shown && began.elapsed() > Duration::from_secs(1) {
            let (done, all) = progress();
            eprint!("\r{done} of {all} situations played, {}s ", began.elapsed().as_secs());
        }
    }
    if shown {
        eprint!("\r{:60}\r", "");
    }
}

/// Stable alone, before the canary comes: what weir has seen of it when a release starts.
const HISTORY_S: i64 = 60;

/// Kayenta takes three hours.
const LONGEST_S: i64 = 3 * 3600 + 1;

const EXAMPLES: &str = "\
Examples:
  weir simulate                                           the default policy in all situations
  weir simulate --policy weir.yaml --release shop         that of a release
  weir simulate --preset careful                          that of a preset
  weir simulate --scenario clean --scenario late-onset    two situations only
  weir simulate --trace shop.csv                          on traffic that weir recorded (see `weir explain`)
  weir simulate --compare --plot comparison.svg           side by side with the rules of other tools";

#[cfg(test)]
mod tests;
