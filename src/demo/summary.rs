//! The end of the demo in words: how the rollout ended and why, what visitors saw of it, what to try next. Pure.

use std::time::Duration;

use super::DemoArgs;
use super::cast::GREETINGS;
use super::screen::hanging;
use super::visitors::Seen;
use crate::cli::render::{Style, Tone, format};
use crate::engine::JournalEntry;
use crate::rollout::Phase;
use crate::types::{Ratio, Side, Timestamp};

/// Why the demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The rollout was decided, and a few seconds passed.
    Decided,
    /// `--duration` was over.
    TimeUp,
    /// Ctrl-C, or SIGTERM.
    Interrupted,
}

/// The whole summary.
pub(crate) fn summary(
    args: &DemoArgs,
    end: End,
    history: &[JournalEntry],
    seen: &Seen,
    lasted: Duration,
    style: &Style,
) -> Vec<String> {
    let mut lines = vec![String::new(), style.paint(Tone::Strong, "What happened")];
    lines.extend(story(end, history, style));
    lines.extend([String::new(), style.paint(Tone::Strong, "What visitors saw")]);
    lines.extend(visitors(seen, lasted).iter().flat_map(|sentence| style.wrap(2, sentence)));
    lines.extend([String::new(), style.paint(Tone::Strong, "Try next")]);
    lines.extend(next(args, style));
    lines
}

/// Every decision, by the time since the first visitor met the canary, and how it ended.
fn story(end: End, history: &[JournalEntry], style: &Style) -> Vec<String> {
    let start = history.first().map_or_else(Timestamp::default, |first| first.state.started);
    let told = |decision: &JournalEntry| {
        let change = format!("{} {} {}", decision.from, style.arrow(), decision.state.weight);
        let after = format::span(decision.time.since(start));
        hanging(&format!("  {after:>6}  {change:<12} "), &decision.message, style)
    };
    let mut lines: Vec<String> = history.iter().flat_map(told).collect();
    let last = history.last();
    let after = last.map_or_else(String::new, |last| format::span(last.time.since(start)));
    let (tone, text) = match (last.map(|last| last.state.phase), end) {
        (Some(Phase::Promoted), _) => (Tone::Good, format!("The canary was promoted after {after}.")),
        (Some(Phase::Aborted), _) => (Tone::Bad, format!("The canary was aborted after {after}.")),
        (_, End::Interrupted) => (Tone::Warn, "You ended it before the canary was decided.".to_owned()),
        (_, End::Decided | End::TimeUp) => (Tone::Warn, "The time was up before the canary was decided.".to_owned()),
    };
    lines.push(format!("  {}", style.paint(tone, &text)));
    lines
}

fn visitors(seen: &Seen, lasted: Duration) -> Vec<String> {
    let greeted =
        |side: Side| format!("{} saw \"{}\"", format::count(seen.greeted[side as usize]), GREETINGS[side as usize]);
    let mut sentences = vec![format!(
        "{} visits in {}: {}, {}.",
        format::count(seen.visits()),
        format::span(lasted),
        greeted(Side::Stable),
        greeted(Side::Canary),
    )];
    sentences.push(hurt(seen));
    if seen.saved > 0 {
        sentences.push(format!(
            "{} more would have seen one: weir asked stable again before they noticed.",
            format::count(seen.saved)
        ));
    }
    if let (Some(half), Some(most)) = (seen.quantile(0.5), seen.quantile(0.99)) {
        sentences.push(format!("Half of the visitors were answered within {half}ms, 99% within {most}ms."));
    }
    if seen.turned_away > 0 {
        sentences.push(format!(
            "{} did not get in, because too many were waiting for an answer.",
            format::count(seen.turned_away)
        ));
    }
    sentences
}

fn hurt(seen: &Seen) -> String {
    let reasons = [
        (seen.failed_gets, "on a GET request"),
        (seen.failed_posts, "on a POST request, which weir does not repeat because it may have had an effect"),
        (seen.unanswered, "without any answer"),
    ];
    let some: Vec<_> = reasons.iter().filter(|(count, _)| *count > 0).collect();
    match some[..] {
        [] => "Nobody saw an error.".to_owned(),
        [(1, reason)] => format!("One visitor saw an error, {reason}."),
        _ => {
            let parts: Vec<_> =
                some.iter().map(|(count, reason)| format!("{} {reason}", format::count(*count))).collect();
            format!("{} visitors saw an error: {}.", format::count(seen.hurt()), parts.join("; "))
        }
    }
}

/// What to type for the scenes that this run did not show, each below what it shows.
fn next(args: &DemoArgs, style: &Style) -> Vec<String> {
    let late = args.canary_breaks_at.is_some();
    let failing = !late && args.canary_error_rate > Ratio::ZERO;
    let slow = !late && !args.canary_latency.0.is_zero();
    let outage = args.shared_outage_at.is_some();
    let scenes = [
        (failing, "A canary that fails one request in five", "demo --canary-error-rate 20%"),
        (slow, "A canary that has become slow", "demo --canary-latency 300ms"),
        (late, "A canary that breaks on its way", "demo --canary-breaks-at 30s"),
        (outage, "An outage of what both versions need: not the canary's fault", "demo --shared-outage-at 20s"),
        (false, "Your own services", "run --config config/weir.yaml"),
    ];
    let unseen = scenes.iter().filter(|(played, ..)| !played);
    let lines = |what: &str, arguments: &str| {
        [format!("  {what}:"), style.paint(Tone::Strong, &format!("    {} {arguments}", command()))]
    };
    unseen.flat_map(|(_, what, arguments)| lines(what, arguments)).collect()
}

/// What a person types to run weir: through cargo when this is how it was started.
fn command() -> &'static str {
    if std::env::var_os("CARGO").is_some() { "cargo run --release --" } else { "weir" }
}

#[cfg(test)]
mod tests;
