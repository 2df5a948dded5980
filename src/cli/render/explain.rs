//! The story of a decision, for somebody who was woken by it: what happened, what weir saw, how sure it was, what it would
//! have taken, and how it came to this.

use super::table::{self, Align};
use super::{Style, Tone, change, entry, excess, format, part, words};
use crate::analysis::{Culprit, Report, RouteTally};
use crate::engine::{JournalEntry, ReleaseStatus};
use crate::failures::Failures;
use crate::rollout::{Phase, Reason};
use crate::types::{Name, Ratio, Side};

/// The story of the rollout that `journal` (of one release, the oldest first) ends with; earlier rollouts and attempts in it
/// are left out. `status` is the release as it is now, when weir runs: while the rollout is open its evidence is fresher
/// than the journal's.
///
/// Empty when both are.
pub fn explain(status: Option<&ReleaseStatus>, journal: &[JournalEntry], style: &Style) -> Vec<String> {
    match journal.last().or_else(|| status.and_then(|status| status.last.as_ref())) {
        Some(last) => story_of(last, status.map(Now::from), journal, style),
        None => status.map_or_else(Vec::new, |status| super::release(status, style)),
    }
}

/// A release as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The canary's share.
    pub weight: Ratio,
    /// What the judge says.
    pub report: &'a Report,
    /// What failed.
    pub failures: &'a Failures,
    /// What was seen by route.
    pub routes: &'a [RouteTally],
    /// What the judge says, in one sentence.
    pub message: &'a str,
}

impl<'a> From<&'a ReleaseStatus> for Now<'a> {
    fn from(status: &'a ReleaseStatus) -> Self {
        let ReleaseStatus { weight, report, failures, routes, message, .. } = status;
        Self { weight: *weight, report, failures, routes, message }
    }
}

/// The story of the rollout that `journal` ends with, by `last`.
pub fn story_of(last: &JournalEntry, now: Option<Now<'_>>, journal: &[JournalEntry], style: &Style) -> Vec<String> {
    let mut lines = summary(last, now, style);
    let open = last.state.phase.is_open();
    let report = now.filter(|_| open).map_or(&last.report, |now| now.report);
    let mut section = |title: &str, body: Vec<String>| {
        if !body.is_empty() {
            lines.extend([String::new(), style.paint(Tone::Strong, title)]);
            lines.extend(body);
        }
    };
    section(if open { "What weir sees" } else { "What weir saw" }, counts(last, report, style));
    section("By route", by_route(now.filter(|_| open).map_or(&last.routes, |now| now.routes), style));
    section("What failed", failed(now.filter(|_| open).map_or(&last.failures, |now| now.failures), report, style));
    section(if open { "How sure it is" } else { "How sure it was" }, certainty(report, style));
    let texts = if open { awaited(last, now, report) } else { turned(last, report) };
    let texts = texts.iter().flat_map(|text| style.wrap(2, text)).collect();
    section(if open { "What it waits for" } else { "What it would have taken" }, texts);
    section("How it came to this", story(last, journal, style));
    lines
}

/// Where the rollout is, and the sentence of the last decision.
fn summary(last: &JournalEntry, now: Option<Now<'_>>, style: &Style) -> Vec<String> {
    let (phase, tone) = words::phase(last.state.phase);
    let name = style.paint(Tone::Strong, last.release.as_str());
    let weight = now.map_or(last.state.weight, |now| now.weight);
    let attempt = match last.state.attempt {
        0 | 1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    let after = format::span(last.time.since(last.state.started));
    let when = format!(
        "Last decision {} {} UTC, {after} after the start{attempt}: {}",
        format::day(last.time),
        format::clock(last.time),
        change(last.from, last.state.weight, style),
    );
    let mut lines = vec![format!("{name}: {}, canary {} at {weight}", style.paint(tone, phase), last.canary)];
    lines.extend(style.wrap(2, &when));
    lines.extend(style.wrap(2, &last.message));
    lines
}

/// Counts and rates of both versions.
fn counts(last: &JournalEntry, report: &Report, style: &Style) -> Vec<String> {
    let heading = ["", "backend", "requests", "errors", "rate"];
    let copies = last.state.of_copies(report);
    let users = (report.canary.0.saturating_sub(copies.0), report.canary.1.saturating_sub(copies.1));
    let row = |side: Side, backend: &str, (requests, errors): (u64, u64)| {
        let rate = format::share(errors, requests);
        vec![side.to_string(), backend.to_owned(), format::count(requests), format::count(errors), rate]
    };
    let rows = [
        heading.map(|word| style.paint(Tone::Faint, word)).to_vec(),
        row(Side::Stable, last.stable.as_str(), report.stable),
        row(Side::Canary, last.canary.as_str(), users),
    ];
    let aligns = [Align::Left, Align::Left, Align::Right, Align::Right, Align::Right];
    let mut lines = table::lines(2, &aligns, &rows);
    lines.extend(words::copies(copies).into_iter().flat_map(|text| style.wrap(2, &text)));
    lines.extend(expectation(report, copies.0).into_iter().flat_map(|text| style.wrap(2, &text)));
    lines.extend(excess(report).into_iter().flat_map(|text| style.wrap(2, &format!("Most likely {text}."))));
    lines
}

/// Requests and errors by route, the canary's worst first.
fn by_route(routes: &[RouteTally], style: &Style) -> Vec<String> {
    if routes.is_empty() {
        return Vec::new();
    }
    let heading = ["route", "stable", "errors", "rate", "canary", "errors", "rate"];
    let mut rows = vec![heading.map(|word| style.paint(Tone::Faint, word)).to_vec()];
    let side = |(requests, errors): (u64, u64)| {
        [format::count(requests), format::count(errors), format::share(errors, requests)]
    };
    for route in routes {
        rows.push(
            std::iter::once(route.route.to_string()).chain(side(route.stable)).chain(side(route.canary)).collect(),
        );
    }
    let aligns = [Align::Left].into_iter().chain([Align::Right; 6]).collect::<Vec<_>>();
    table::lines(2, &aligns, &rows)
}

/// What failed, by what, and which requests of the canary to look for in the logs.
fn failed(failures: &Failures, report: &Report, style: &Style) -> Vec<String> {
    if failures.is_empty() {
        return Vec::new();
    }
    let faint = |words: &[&str]| words.iter().map(|word| style.paint(Tone::Faint, word)).collect::<Vec<_>>();
    let route = |route: &Option<Name>| route.as_ref().map_or_else(|| "-".to_owned(), Name::to_string);
    let mut rows = vec![faint(&["", "route", "requests", "by"])];
    rows.extend(failures.counts.iter().map(|count| {
        vec![count.side.to_string(), route(&count.route), format::count(count.requests), count.cause.clone()]
    }));
    let mut lines = table::lines(2, &[Align::Left, Align::Left, Align::Right], &rows);
    let told: u64 = failures.counts.iter().map(|count| count.requests).sum();
    if failures.others > 0 {
        lines.push(format!("  and {} by other causes", format::count(failures.others)));
    }
    let elsewhere = (report.stable.1 + report.canary.1).saturating_sub(told + failures.others);
    if elsewhere > 0 {
        lines.push(format!("  and {} that another replica saw, or this one before a crash", format::count(elsewhere)));
    }
    if !failures.samples.is_empty() {
        lines.extend(style.wrap(2, "Some that the canary failed, by the x-request-id that its logs should have:"));
        let rows = failures.samples.iter().map(|request| {
            vec![format::clock(request.time), request.id.clone(), route(&request.route), request.cause.clone()]
        });
        lines.extend(table::lines(2, &[], &rows.collect::<Vec<_>>()));
    }
    lines
}

/// How many of the canary's requests stable would have failed. Nothing where slowness is the matter: the sentence of the
/// decision counts the slow ones.
fn expectation(report: &Report, copies: u64) -> Option<String> {
    let ((stable, stable_errors), (canary, errors)) = (report.stable, report.canary);
    if stable == 0 || canary == 0 || matches!(report.culprit, Some(Culprit::Latency(_))) {
        return None;
    }
    let expected = stable_errors as f64 / stable as f64 * canary as f64;
    if errors == 0 && stable_errors == 0 {
        return None;
    }
    let expected = if expected < 0.05 { "none".to_owned() } else { format!("about {expected:.1}") };
    let copies = if copies == 0 { String::new() } else { " and copies".to_owned() };
    let canary = format::count(canary);
    let errors = format::count(errors);
    Some(format!(
        "As good as stable, {expected} of the canary's {canary} requests{copies} would have failed; {errors} did."
    ))
}

/// The evidence on both sides against what decides.
fn certainty(report: &Report, style: &Style) -> Vec<String> {
    if report.log_e_limit <= 0.0 {
        return Vec::new();
    }
    let row = |label: &str, tone, log: f64, limit: f64| {
        vec![
            label.to_owned(),
            style.bar(tone, part(log, limit), super::BAR),
            format::odds(log),
            format!("decides at {}", format::odds(limit)),
            style.paint(Tone::Faint, &format!("(ln {} of {limit:.2})", format::log(log))),
        ]
    };
    let rows = [
        row("against the canary", Tone::Bad, report.log_e, report.log_e_limit),
        row("for the canary", Tone::Good, report.log_promote, report.log_promote_limit),
    ];
    let mut lines = table::lines(2, &[Align::Left, Align::Left, Align::Right, Align::Left], &rows);
    let chance = format::percent((-report.log_e_limit).exp()).replace(".00%", "%");
    let meaning = format!(
        "weir aborts when the evidence against the canary reaches {}: at most {chance} of good canaries ever get there, \
         however long it looks.",
        format::odds(report.log_e_limit)
    );
    lines.extend(style.wrap(2, &meaning));
    lines.extend(
        report.culprit.iter().flat_map(|culprit| {
            style.wrap(2, &format!("The largest part of it comes from {}.", words::culprit(culprit)))
        }),
    );
    lines
}

/// What an open rollout waits for.
fn awaited(last: &JournalEntry, now: Option<Now<'_>>, report: &Report) -> Vec<String> {
    if let Some(now) = now {
        return vec![now.message.to_owned()];
    }
    let mut texts = Vec::new();
    let outlook = super::outlook(report, report.eta);
    if !outlook.is_empty() {
        texts.push(format!("At the traffic and rates of that time a decision takes {outlook}."));
    }
    if last.state.phase == Phase::Paused {
        let release = &last.release;
        texts.push(format!(
            "It waits for a human: `weir resume {release}`, `weir promote {release}` or `weir abort {release}`."
        ));
    }
    texts
}

/// What would have turned the decision.
fn turned(last: &JournalEntry, report: &Report) -> Vec<String> {
    let release = &last.release;
    let again = format!(
        "Once it is fixed, change the release's `revision` (or its canary) to start anew; \
         `weir retry {release}` tries the same version again."
    );
    match (&last.reason, last.state.phase) {
        (Reason::Convicted { culprit }, _) => {
            let limit = format::odds(report.log_e_limit);
            let stay =
                format!("To stay, the evidence because of {} had to remain below {limit}.", words::culprit(culprit));
            vec![stay, again]
        }
        (Reason::CheckFailed { check, .. }, _) => {
            vec![format!("The check {check} had to pass; weir's own evidence did not abort it."), again]
        }
        (Reason::NoEvidence, Phase::Aborted) => {
            let more = report.needed.map_or_else(
                || "more canary requests".to_owned(),
                |needed| format!("about {} more canary requests", format::count(needed)),
            );
            vec![format!("It lacked evidence, not quality: {more} in the same time, or a longer `atMost`."), again]
        }
        (Reason::Command { by, .. }, _) => {
            vec![format!("{by} decided, whatever the evidence: nothing else would have changed it.")]
        }
        (_, Phase::Aborted) => vec![again],
        (..) => Vec::new(),
    }
}

/// The decisions of this attempt.
fn story(last: &JournalEntry, journal: &[JournalEntry], style: &Style) -> Vec<String> {
    let same =
        |other: &&JournalEntry| other.state.rollout == last.state.rollout && other.state.attempt == last.state.attempt;
    journal.iter().filter(same).flat_map(|decision| entry_lines(decision, style)).collect()
}

/// A decision as [`entry`] has it, its sentence wrapped below itself.
fn entry_lines(decision: &JournalEntry, style: &Style) -> Vec<String> {
    let unsaid = JournalEntry { message: String::new(), ..decision.clone() };
    let head = format!("  {}  ", entry(&unsaid, style).trim_end());
    let indent = console::measure_text_width(&head).max(STORY_INDENT);
    let mut lines = style.wrap(indent, &decision.message);
    if let Some(first) = lines.first_mut() {
        let gap = " ".repeat(indent - console::measure_text_width(&head));
        *first = format!("{head}{gap}{}", first.trim_start());
    }
    lines
}

/// Where sentences of the story begin.
const STORY_INDENT: usize = 26;
