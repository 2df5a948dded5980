//! Releases and decisions as lines of text: pure, so that `weir status`, `weir explain` and the live view of `weir demo` say
//! the same in the same words, and tests can read it.

mod explain;
pub mod format;
mod record;
mod simulation;
mod style;
mod table;
mod words;

pub use explain::{Now, explain, story_of};
pub use record::record;
pub use simulation::simulation;
pub use style::{Charset, Colour, Style, Tone, allows_colour};

use self::table::Align;
use crate::analysis::Report;
use crate::engine::{JournalEntry, ReleaseStatus, SideStatus};
use crate::rollout::Phase;
use crate::telemetry::Reload;
use crate::types::{Ratio, Side, Span};

/// One release at length: where it is, both versions side by side, the evidence, and the sentence.
pub fn release(status: &ReleaseStatus, style: &Style) -> Vec<String> {
    let mut lines = vec![headline(status, style), format!("  {}", trail(status, style)), String::new()];
    lines.extend(versions(status, style));
    let evidence = evidence(status, style);
    if !evidence.is_empty() {
        lines.push(String::new());
        lines.extend(evidence);
    }
    if !status.checks.is_empty() {
        lines.push(String::new());
        lines.extend(checks(status, style));
    }
    if !status.message.is_empty() {
        lines.push(String::new());
        lines.extend(style.wrap(2, &status.message));
    }
    lines
}

/// Several releases, one line each, with the sentence of each below.
pub fn overview(releases: &[ReleaseStatus], style: &Style) -> Vec<String> {
    let heading = ["RELEASE", "PHASE", "CANARY", "STEP", "REQUESTS", "ERRORS STABLE", "ERRORS CANARY", "AGE"];
    let mut rows = vec![heading.map(|word| style.paint(Tone::Faint, word)).to_vec()];
    for status in releases {
        let (phase, tone) = words::phase(status.phase);
        rows.push(vec![
            style.paint(Tone::Strong, status.name.as_str()),
            style.paint(tone, phase),
            status.weight.to_string(),
            step(status),
            format::count(status.canary.requests),
            format::share(status.stable.errors, status.stable.requests),
            format::share(status.canary.errors, status.canary.requests),
            format::span(style.now.since(status.started)),
        ]);
    }
    let numbers = [Align::Left, Align::Left].into_iter().chain([Align::Right; 6]).collect::<Vec<_>>();
    let mut lines = table::lines(0, &numbers, &rows);
    lines.push(String::new());
    for status in releases.iter().filter(|status| !status.message.is_empty()) {
        lines.extend(style.wrap(0, &format!("{}: {}", status.name, status.message)));
    }
    lines
}

/// What somebody must know about the configuration: nothing, unless a file was refused.
pub fn config(reload: &Reload, style: &Style) -> Vec<String> {
    let (Some(failed), Some(problems)) = (reload.failed, &reload.problems) else { return Vec::new() };
    let age = format::span(style.now.since(failed));
    let text = format!("The configuration file was refused {age} ago; weir goes on with the one before:");
    let mut lines = vec![style.paint(Tone::Bad, &text)];
    lines.extend(problems.trim_end().lines().map(|line| format!("  {line}").trim_end().to_owned()));
    lines.push(String::new());
    lines
}

/// One release in one line, for output that is not a terminal.
pub fn one_line(status: &ReleaseStatus, style: &Style) -> String {
    let side = |side: Side, of: &SideStatus| {
        let errors = format::share(of.errors, of.requests);
        format!("{side} {} req, {errors} err, p99 {}", format::count(of.requests), format::latency(of.p99))
    };
    let (phase, tone) = words::phase(status.phase);
    format!(
        "{}  {}  {} at {} ({})  {}  {}  promote {:.0}%, abort {:.0}%",
        format::clock(style.now),
        style.paint(Tone::Strong, status.name.as_str()),
        style.paint(tone, phase),
        status.weight,
        step(status),
        side(Side::Stable, &status.stable),
        side(Side::Canary, &status.canary),
        floor(towards_promote(status).1),
        floor(towards_abort(&status.report)),
    )
}

/// One decision in one line: time of day (UTC), the change of weight, the sentence.
pub fn entry(entry: &JournalEntry, style: &Style) -> String {
    let (_, phase) = words::phase(entry.state.phase);
    let tone = if entry.state.phase == Phase::Progressing { Tone::Strong } else { phase };
    let change = change(entry.from, entry.state.weight, style);
    let time = style.paint(Tone::Faint, &format::clock(entry.time));
    format!("{time}  {}  {}", style.paint(tone, &format!("{change:<12}")), entry.message)
}

/// Decisions, the oldest first, under a line for each day (UTC); with the release's name when there are several.
pub fn history(entries: &[JournalEntry], style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last_day = String::new();
    let several = entries.iter().any(|entry| entry.release != entries[0].release);
    for decision in entries {
        let day = format::day(decision.time);
        if day != last_day {
            lines.push(style.paint(Tone::Faint, &format!("{day} (UTC)")));
            last_day = day;
        }
        let line = entry(decision, style);
        lines.push(if several {
            format!("{}  {line}", style.paint(Tone::Strong, decision.release.as_str()))
        } else {
            line
        });
    }
    lines
}

/// `1% -> 5%`, or `at 5%` when the weight stays.
fn change(from: Ratio, to: Ratio, style: &Style) -> String {
    if from == to { format!("at {to}") } else { format!("{from} {} {to}", style.arrow()) }
}

/// `shop  progressing  canary shop-v2 at 5%, step 2 of 4, for 1m12s`.
fn headline(status: &ReleaseStatus, style: &Style) -> String {
    let (phase, tone) = words::phase(status.phase);
    let name = style.paint(Tone::Strong, status.name.as_str());
    let weight = style.paint(Tone::Strong, &status.weight.to_string());
    let whole = format::span(style.now.since(status.started));
    let rest = match status.phase {
        Phase::Progressing | Phase::Paused => {
            let step_age = format::span(style.now.since(status.step_started));
            format!("canary at {weight}, step {} for {step_age}, {whole} in all", step(status))
        }
        Phase::Mirroring | Phase::HoldingBack => {
            let age = format::span(style.now.since(status.step_started));
            format!("canary at {weight} for {age}, {whole} in all")
        }
        Phase::Promoted | Phase::Aborted => {
            let ended = status.last.as_ref().map(|last| format::span(style.now.since(last.time)));
            format!("canary at {weight}{}", ended.map_or_else(String::new, |ago| format!(", since {ago}")))
        }
    };
    format!("{name}  {}  {rest}", style.paint(tone, phase))
}

/// `2 of 4`.
fn step(status: &ReleaseStatus) -> String {
    format!("{} of {}", (status.step + 1).min(status.steps.len()), status.steps.len())
}

/// The weights of all steps and the whole at the end, the present one in brackets.
fn trail(status: &ReleaseStatus, style: &Style) -> String {
    let open = status.phase.is_open() && !matches!(status.phase, Phase::Mirroring | Phase::HoldingBack);
    let mark = |i: usize, weight: &Ratio| match i {
        _ if open && i == status.step => style.paint(Tone::Active, &format!("[{weight}]")),
        _ if i < status.step || matches!(status.phase, Phase::HoldingBack | Phase::Promoted) => {
            style.paint(Tone::Plain, &weight.to_string())
        }
        _ => style.paint(Tone::Faint, &weight.to_string()),
    };
    let mut stages: Vec<String> = status.steps.iter().enumerate().map(|(i, weight)| mark(i, weight)).collect();
    if status.phase == Phase::Mirroring {
        stages.insert(0, style.paint(Tone::Active, "[copies]"));
    }
    if status.phase == Phase::HoldingBack {
        stages.push(style.paint(Tone::Active, &format!("[{}]", status.weight)));
    }
    stages.push(match status.phase {
        Phase::Promoted => style.paint(Tone::Good, "[100%]"),
        Phase::Mirroring | Phase::Progressing | Phase::Paused | Phase::HoldingBack | Phase::Aborted => {
            style.paint(Tone::Faint, "100%")
        }
    });
    if status.phase == Phase::Aborted {
        stages.push(style.paint(Tone::Bad, "[aborted: 0%]"));
    }
    stages.join(&format!(" {} ", style.arrow()))
}

/// Both versions side by side.
fn versions(status: &ReleaseStatus, style: &Style) -> Vec<String> {
    let heading = ["", "backend", "share", "requests", "per second", "errors", "error rate", "p50", "p99", "endpoints"];
    let mut rows = vec![heading.map(|word| style.paint(Tone::Faint, word)).to_vec()];
    rows.push(version(Side::Stable, &status.stable, status.weight.complement(), style));
    rows.push(version(Side::Canary, &status.canary, status.weight, style));
    let aligns = [Align::Left, Align::Left].into_iter().chain([Align::Right; 8]).collect::<Vec<_>>();
    let mut lines = table::lines(2, &aligns, &rows);
    let copies = (status.canary.copies, status.canary.failed_copies);
    lines.extend(words::copies(copies).map(|text| style.paint(Tone::Faint, &format!("  {text}"))));
    lines
}

fn version(side: Side, of: &SideStatus, share: Ratio, style: &Style) -> Vec<String> {
    let tone = if of.available == 0 { Tone::Bad } else { Tone::Plain };
    vec![
        side.to_string(),
        style.paint(Tone::Strong, of.backend.as_str()),
        share.to_string(),
        format::count(of.requests),
        format::per_second(of.rate),
        format::count(of.errors),
        format::share(of.errors, of.requests),
        format::latency(of.p50),
        format::latency(of.p99),
        style.paint(tone, &format!("{}/{} up", of.available, of.endpoints)),
    ]
}

/// Bars towards the next stage and towards abort, while the rollout is open.
fn evidence(status: &ReleaseStatus, style: &Style) -> Vec<String> {
    if matches!(status.phase, Phase::Promoted | Phase::Aborted) {
        return Vec::new();
    }
    let (goal, progress) = towards_promote(status);
    let abort = towards_abort(&status.report);
    let alarm = if abort >= 0.5 { Tone::Bad } else { Tone::Warn };
    let bar = |tone, fraction: f64| style.bar(tone, fraction, BAR);
    let row = |label: String, bar, fraction: f64, note| vec![label, bar, format!("{:>3.0}%", floor(fraction)), note];
    let mut rows = vec![row("towards abort".to_owned(), bar(alarm, abort), abort, suspicion(&status.report))];
    // What has won needs no further proof.
    if status.phase != Phase::HoldingBack {
        rows.insert(0, row(goal, bar(Tone::Good, progress), progress, outlook(&status.report, status.eta)));
    }
    let mut lines = table::lines(2, &[Align::Left, Align::Left, Align::Right], &rows);
    lines.extend(excess(&status.report).map(|text| format!("  {text}")));
    lines
}

/// What the evidence works towards, and how much of it is there: the next weight, or promotion on the last step.
fn towards_promote(status: &ReleaseStatus) -> (String, f64) {
    let report = &status.report;
    match status.steps.get(status.step + 1) {
        Some(next) => (format!("towards {next}"), part(report.next_progress, 1.0)),
        None => ("towards promotion".to_owned(), part(report.log_promote, report.log_promote_limit)),
    }
}

fn towards_abort(report: &Report) -> f64 {
    part(report.log_e, report.log_e_limit)
}

/// `value` as a part of `limit`, 0 to 1; a limit that is not positive and what is not a number count as nothing.
fn part(value: f64, limit: f64) -> f64 {
    if limit > 0.0 && value.is_finite() { (value / limit).clamp(0.0, 1.0) } else { 0.0 }
}

/// Whole percents, rounded down: 100 only when it is all there.
fn floor(fraction: f64) -> f64 {
    (fraction * 100.0).floor()
}

/// How much longer, as far as the judge can tell: `~380 more canary requests, ~38s`.
fn outlook(report: &Report, eta: Option<Span>) -> String {
    let needed = report.needed.filter(|&needed| needed > 0);
    let needed = needed.map(|needed| format!("~{} more canary requests", format::count(needed)));
    let eta = eta.filter(|eta| !eta.0.is_zero()).map(|eta| format!("~{}", format::span(eta.0)));
    needed.into_iter().chain(eta).collect::<Vec<_>>().join(", ")
}

fn suspicion(report: &Report) -> String {
    match &report.culprit {
        Some(culprit) if towards_abort(report) > 0.0 => format!("because of {}", words::culprit(culprit)),
        _ => String::new(),
    }
}

/// The canary's error rate against stable's, as an interval.
fn excess(report: &Report) -> Option<String> {
    let (low, high) = report.excess?;
    let (low, high) = (format::points(low), format::points(high));
    Some(format!("the canary's error rate is {low} to {high} points from stable's"))
}

fn checks(status: &ReleaseStatus, style: &Style) -> Vec<String> {
    let row = |check: &crate::rollout::CheckResult| {
        let (word, tone) = words::verdict(check.verdict);
        vec![format!("check {}", check.name), style.paint(tone, word), check.detail.clone()]
    };
    table::lines(2, &[], &status.checks.iter().map(row).collect::<Vec<_>>())
}

/// Columns of a bar.
const BAR: usize = 20;

#[cfg(test)]
mod tests;
