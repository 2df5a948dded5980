//! What simulated rollouts add up to, as a table.

use std::time::Duration;

use super::style::{Style, Tone};
use super::table::{self, Align};
use super::{format, words};
use crate::simulate::summary::Spread;
use crate::simulate::{OfBad, Summary};

/// A row for each summary, those of one situation below its name, and what the columns mean.
pub fn simulation(summaries: &[Summary], style: &Style) -> Vec<String> {
    let heading = [
        "SITUATION",
        "RIGHT",
        "JUDGE",
        "PROMOTED",
        "ABORTED",
        "UNDECIDED",
        "WRONG (95%)",
        "DECIDED AFTER",
        "P95",
        "CANARY REQUESTS",
        "USERS HURT",
        "P95",
        "TIMES LEAST",
    ];
    let mut rows = vec![heading.map(|word| style.paint(Tone::Faint, word)).to_vec()];
    let mut before = "";
    for summary in summaries {
        rows.push(row(summary, before != summary.scenario, style));
        before = &summary.scenario;
    }
    let aligns = [Align::Left; 3].into_iter().chain([Align::Right; 10]).collect::<Vec<_>>();
    let mut lines = table::lines(0, &aligns, &rows);
    for sum in OfBad::all(summaries) {
        lines.push(String::new());
        lines.extend(style.wrap(0, &of_bad(&sum)));
    }
    lines.push(String::new());
    lines.extend(style.wrap(0, MEANING));
    lines
}

/// `weir, all 22 bad situations: users hurt 12 (mean 65, p95 340); times least 2.4 (mean 3.4, p95 9.1)`.
fn of_bad(sum: &OfBad) -> String {
    let spread = |spread: &Spread, number: fn(f64) -> String| {
        format!("{} (mean {}, p95 {})", number(spread.median), number(spread.mean), number(spread.p95))
    };
    let users = spread(&sum.hurt, |users| format::count(users.round() as u64));
    let times = sum
        .times_least
        .map_or_else(String::new, |times| format!("; times least {}", spread(&times, |times| format!("{times:.1}"))));
    format!("{}, all {} bad situations: users hurt {users}{times}", sum.judge, sum.situations)
}

fn row(summary: &Summary, is_first: bool, style: &Style) -> Vec<String> {
    let share = |count: usize| format::percent(count as f64 / summary.runs.max(1) as f64);
    let wrong = format!(
        "{} ({} to {})",
        format::percent(summary.wrong.seen),
        format::percent(summary.wrong.low),
        format::percent(summary.wrong.high)
    );
    let tone = if summary.wrong.seen > 0.0 { Tone::Bad } else { Tone::Plain };
    let time = |value: f64| format::span(Duration::from_secs_f64(value));
    let decided =
        |part: fn(&Spread) -> f64| summary.decided_after.as_ref().map_or("-".to_owned(), |spread| time(part(spread)));
    let count = |value: f64| format::count(value.round() as u64);
    vec![
        if is_first { style.paint(Tone::Strong, &summary.scenario) } else { String::new() },
        if is_first { words::truth(summary.truth).to_owned() } else { String::new() },
        summary.judge.to_owned(),
        share(summary.promoted),
        share(summary.aborted),
        share(summary.undecided),
        style.paint(tone, &wrong),
        decided(|spread| spread.median),
        decided(|spread| spread.p95),
        count(summary.canary_requests.median),
        count(summary.hurt.median),
        count(summary.hurt.p95),
        summary.times_least.map_or("-".to_owned(), |spread| format!("{:.1}", spread.median)),
    ]
}

const MEANING: &str = "\
Medians, and what one rollout in twenty exceeds (p95). WRONG: a good canary aborted, a bad one promoted, anything decided where \
nothing can be known; in parentheses what the true probability is, with 95% confidence. USERS HURT: answered with a failure, or \
more slowly, where stable would have done better. TIMES LEAST: the evidence that was seen until the abort, as a multiple of the \
least that can convict at this falseAbort (Wald's bound).";
