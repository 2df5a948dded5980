//! Judging whole traces.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, anyhow};
use serde::Serialize;

use super::{HEALTHY, PolicyArgs, decision, finite};
use crate::analysis::trace::Reader;
use crate::analysis::{Hold, Judge, Report, Tick, Verdict};
use crate::types::Ratio;

/// One line of the answer.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    file: String,
    pub(super) decision: &'static str,
    pub(super) t: i64,
    pub(super) reason: String,
    pub(super) log_e: Option<f64>,
}

/// Judges each file and prints a line for it, in the order given; `None` when one could not be judged, else the worst of
/// the verdicts.
pub(super) fn run(files: &[PathBuf], overrides: &PolicyArgs) -> Option<Verdict> {
    let workers = thread::available_parallelism().map_or(1, |n| n.get().min(files.len()));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut worst = Some(Verdict::Pass);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, file)) = take(files, next) {
                    // The receiver is gone only when printing failed: then nobody waits for more.
                    if sender.send((index, judge_file(file, overrides))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        print_in_order(files, &receiver, &mut worst);
    });
    worst
}

fn take<'a>(files: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    files.get(index).map(|file| (index, file))
}

type Answer = (usize, anyhow::Result<(Verdict, Line)>);

fn print_in_order(files: &[PathBuf], answers: &mpsc::Receiver<Answer>, worst: &mut Option<Verdict>) {
    let mut waiting: Vec<Option<anyhow::Result<(Verdict, Line)>>> = files.iter().map(|_| None).collect();
    let mut printed = 0;
    let mut out = std::io::stdout().lock();
    for (index, answer) in answers {
        waiting[index] = Some(answer);
        while let Some(answer) = waiting.get_mut(printed).and_then(Option::take) {
            printed += 1;
            match answer.and_then(|(verdict, line)| Ok((verdict, serde_json::to_string(&line)?))) {
                Ok((verdict, line)) => {
                    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                        return;
                    }
                    *worst = worst.map(|worst| worse(worst, verdict));
                }
                Err(error) => {
                    eprintln!("weir: {error:#}");
                    *worst = None;
                }
            }
        }
    }
}

fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Fail, _) | (_, Verdict::Fail) => Verdict::Fail,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        (Verdict::Pass, Verdict::Pass) => Verdict::Pass,
    }
}

fn judge_file(path: &Path, overrides: &PolicyArgs) -> anyhow::Result<(Verdict, Line)> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    judge(BufReader::with_capacity(BUFFER, file), overrides, &name).with_context(|| name.clone())
}

/// Judges one trace.
pub(super) fn judge(input: impl BufRead, overrides: &PolicyArgs, name: &str) -> anyhow::Result<(Verdict, Line)> {
    let mut reader = Reader::new(input)?;
    let mut header = reader.header().clone();
    overrides.override_in(&mut header.policy);
    header.policy.check().map_err(|what| anyhow!("policy: {what}"))?;
    let stages: Vec<Ratio> = header.meta.stages.iter().map(|&weight| Ratio::from_fraction(weight)).collect();
    let mut judge = Judge::of_trace(&header);
    let hold_back = header.meta.hold_back.and_then(|kept| i64::try_from(kept.s).ok());
    let mut outcome = Outcome { hold_back, ..Outcome::default() };
    let mut tick = Tick::default();
    while reader.next_tick(&mut tick)? {
        outcome.highest = outcome.highest.max(tick.weight);
        if outcome.is_settled() {
            continue;
        }
        let next = stages.iter().copied().find(|&stage| stage > tick.weight);
        if outcome.take(&tick, judge.observe(&tick, next), next, &stages) == Reading::Done {
            break;
        }
    }
    let held_back = outcome.is_held_back();
    let (verdict, t, report) = outcome.decide();
    let reason = match (verdict, &report.culprit, report.hold) {
        (Verdict::Inconclusive, ..) if held_back => HELD_BACK.to_owned(),
        (Verdict::Fail, Some(culprit), _) => culprit.to_string(),
        (Verdict::Inconclusive, _, Some(hold)) => hold.to_string(),
        (Verdict::Pass, ..) => HEALTHY.to_owned(),
        _ => "no-canary-traffic".to_owned(),
    };
    Ok((verdict, Line { file: name.to_owned(), decision: decision(verdict), t, reason, log_e: finite(report.log_e) }))
}

/// What was decided so far.
///
/// A promotion holds only at the last weight. Where the trace does not say which that is, it is the highest of all rows: a
/// promotion at a weight waits until no higher one came.
#[derive(Debug, Default)]
struct Outcome {
    highest: Ratio,
    promotion: Option<(Ratio, i64, Report)>,
    abort: Option<(i64, Report)>,
    last: Option<(i64, Report)>,
    /// For how long stable keeps a share after a promotion; what comes to light until then still aborts.
    hold_back: Option<i64>,
}

#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Done,
    On,
}

impl Outcome {
    /// Whether nothing but a higher weight could still change the decision.
    fn is_settled(&self) -> bool {
        self.abort.is_some()
    }

    /// Whether the canary has won, and stable keeps a share yet.
    fn is_held_back(&self) -> bool {
        self.hold_back.is_some() && self.promotion.is_some()
    }

    fn take(&mut self, tick: &Tick, report: Report, next: Option<Ratio>, stages: &[Ratio]) -> Reading {
        if let (Some(seconds), Some((_, won, _))) = (self.hold_back, &self.promotion) {
            // From the end of the second in which it won, to the end of this one.
            return self.watch(tick, report, tick.t - won >= seconds);
        }
        let pending = self.promotion.as_ref().is_some_and(|(weight, ..)| *weight >= tick.weight);
        match report.verdict {
            Verdict::Fail => {
                self.abort = Some((tick.t, report));
                return if self.promotion.is_some() { Reading::On } else { Reading::Done };
            }
            Verdict::Pass if next.is_none() && !pending => {
                self.promotion = Some((tick.weight, tick.t, report));
                let done = !stages.is_empty() && self.hold_back.is_none();
                return if done { Reading::Done } else { Reading::On };
            }
            Verdict::Pass | Verdict::Inconclusive => self.last = Some((tick.t, report)),
        }
        Reading::On
    }

    /// A tick of the hold-back, the last one if it `is_over`.
    fn watch(&mut self, tick: &Tick, report: Report, is_over: bool) -> Reading {
        if report.verdict == Verdict::Fail {
            self.promotion = None;
            self.abort = Some((tick.t, report));
            return Reading::Done;
        }
        if is_over && report.hold != Some(Hold::Suspicious) {
            self.hold_back = None;
            self.promotion = Some((self.highest, tick.t, report));
            return Reading::Done;
        }
        self.last = Some((tick.t, report));
        Reading::On
    }

    fn decide(self) -> (Verdict, i64, Report) {
        if let Some((_, t, report)) =
            self.promotion.filter(|(weight, ..)| self.hold_back.is_none() && *weight >= self.highest)
        {
            return (Verdict::Pass, t, report);
        }
        if let Some((t, report)) = self.abort {
            return (Verdict::Fail, t, report);
        }
        let (t, report) = self.last.unwrap_or_default();
        (Verdict::Inconclusive, t, report)
    }
}

/// The canary has won, and stable keeps a share yet.
const HELD_BACK: &str = "hold-back";

/// Large enough that reading is a copy and not a system call.
const BUFFER: usize = 256 * 1024;
