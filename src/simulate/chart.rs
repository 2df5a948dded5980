//! Summaries as a picture: one row for each situation, one panel for each question, one mark for each judge; above the rows
//! that ask for the same, what would be right.
//!
//! Plain SVG, without a library: a few rectangles, circles and texts.

use std::fmt::Write;

use super::scenario::Truth;
use super::summary::{Spread, Summary};

/// The picture of `summaries`, in their order; those of one situation stand side by side.
pub fn svg(summaries: &[Summary], title: &str) -> String {
    let scenarios = distinct(summaries.iter().map(|summary| summary.scenario.as_str()));
    let judges = distinct(summaries.iter().map(|summary| summary.judge));
    let panels = [
        Panel::new("wrong decisions", Axis::Percent, &|summary| {
            Some((summary.wrong.seen, summary.wrong.low, summary.wrong.high))
        }),
        Panel::new("time to decide", Axis::Log { labels: &SECONDS, least: 1.0 }, &|summary| {
            summary.decided_after.map(marks)
        }),
        Panel::new("users hurt", Axis::Log { labels: &USERS, least: 1.0 }, &|summary| {
            (summary.truth == Truth::Bad).then(|| marks(summary.hurt))
        }),
    ];
    let row = ROW.max(LANE * judges.len() as f64 + 6.0);
    let places = places(&scenarios, summaries, row);
    let rows = places.last().map_or(TOP, |(_, y)| y + row);
    let (width, bottom) = (LABELS + panels.len() as f64 * (PANEL + GAP), rows);
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        bottom + 44.0
    );
    text(&mut out, 12.0, 24.0, "start", "16", title);
    legend(&mut out, &judges);
    let mut before = None;
    for (index, (scenario, (truth, y))) in scenarios.iter().zip(&places).enumerate() {
        if before.replace(*truth) != Some(*truth) {
            text(&mut out, 12.0, y - 8.0, "start", "13", heading(*truth));
        }
        if index % 2 == 0 {
            let _ = writeln!(out, "<rect x=\"0\" y=\"{y}\" width=\"{width}\" height=\"{row}\" fill=\"#f5f6f8\"/>");
        }
        text(&mut out, LABELS - 10.0, y + row / 2.0 + 4.0, "end", "12", scenario);
    }
    for (index, panel) in panels.iter().enumerate() {
        let left = LABELS + index as f64 * (PANEL + GAP);
        panel.frame(&mut out, left, bottom);
        for summary in summaries {
            let lane = judges.iter().position(|judge| *judge == summary.judge).unwrap_or(0);
            let place = scenarios.iter().position(|scenario| *scenario == summary.scenario).unwrap_or(0);
            let inset = (row - LANE * judges.len() as f64) / 2.0;
            let y = places[place].1 + inset + LANE * (lane as f64 + 0.5);
            panel.mark(&mut out, left, y, summary, COLOURS[lane % COLOURS.len()]);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Of each situation what would be right, and where its row begins: below a heading where that changes.
fn places(scenarios: &[&str], summaries: &[Summary], row: f64) -> Vec<(Truth, f64)> {
    let mut places: Vec<(Truth, f64)> = Vec::new();
    for scenario in scenarios {
        let truth = summaries.iter().find(|summary| summary.scenario == *scenario).map_or(Truth::Good, |one| one.truth);
        let begin = match places.last() {
            Some((before, y)) if *before == truth => y + row,
            Some((_, y)) => y + row + HEADING,
            None => TOP + HEADING,
        };
        places.push((truth, begin));
    }
    places
}

fn heading(truth: Truth) -> &'static str {
    match truth {
        Truth::Good => "good: promote",
        Truth::Bad => "bad: abort",
        Truth::Undecidable => "not to be known: wait",
    }
}

/// What a panel shows of a summary: the dot, and the ends of the line through it.
type Reading = dyn Fn(&Summary) -> Option<(f64, f64, f64)>;

/// One question.
struct Panel<'a> {
    title: &'a str,
    axis: Axis,
    value: &'a Reading,
}

#[derive(Clone, Copy)]
enum Axis {
    Percent,
    /// A decade from label to label.
    Log {
        labels: &'static [&'static str],
        least: f64,
    },
}

impl<'a> Panel<'a> {
    fn new(title: &'a str, axis: Axis, value: &'a Reading) -> Self {
        Self { title, axis, value }
    }

    fn frame(&self, out: &mut String, left: f64, bottom: f64) {
        text(out, left + PANEL / 2.0, TOP - 26.0, "middle", "13", self.title);
        for (at, label) in self.axis.ticks() {
            let x = left + at * PANEL;
            text(out, x, TOP - 8.0, "middle", "11", &label);
            let _ =
                writeln!(out, "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#d0d3d8\"/>");
            text(out, x, bottom + 16.0, "middle", "11", &label);
        }
    }

    fn mark(&self, out: &mut String, left: f64, y: f64, summary: &Summary, colour: &str) {
        let Some((dot, low, high)) = (self.value)(summary) else { return };
        let x = |value: f64| left + self.axis.place(value) * PANEL;
        let _ = writeln!(
            out,
            "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\" opacity=\"0.45\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"{colour}\"/>",
            x(low),
            x(high),
            x(dot)
        );
    }
}

impl Axis {
    /// From 0, left, to 1, right; held at the edges.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Percent => value.clamp(0.0, 1.0),
            Self::Log { labels, least } => {
                ((value.max(least) / least).log10() / (labels.len() - 1) as f64).clamp(0.0, 1.0)
            }
        }
    }

    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Self::Percent => (0..=4).map(|quarter| (f64::from(quarter) / 4.0, format!("{}%", quarter * 25))).collect(),
            Self::Log { labels, .. } => {
                let place = |at: usize| at as f64 / (labels.len() - 1) as f64;
                labels.iter().enumerate().map(|(at, label)| (place(at), (*label).to_owned())).collect()
            }
        }
    }
}

fn marks(spread: Spread) -> (f64, f64, f64) {
    (spread.median, spread.median, spread.p95)
}

fn legend(out: &mut String, judges: &[&str]) {
    for (index, judge) in judges.iter().enumerate() {
        let x = 12.0 + 110.0 * index as f64;
        let _ =
            writeln!(out, "<circle cx=\"{}\" cy=\"42\" r=\"4\" fill=\"{}\"/>", x + 4.0, COLOURS[index % COLOURS.len()]);
        text(out, x + 14.0, 46.0, "start", "12", judge);
    }
    text(out, 12.0, 64.0, "start", "11", "dot: share or median; line: 95% interval, or up to the p95");
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: &str, content: &str) {
    let _ =
        write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"#24292f\">");
    for c in content.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out.push_str("</text>\n");
}

/// Each once, in the order in which they come first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// Told apart by people who see few colours too (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"];

const SECONDS: [&str; 6] = ["1 s", "10 s", "100 s", "17 min", "2.8 h", "28 h"];
const USERS: [&str; 7] = ["1", "10", "100", "1k", "10k", "100k", "1M"];

const TOP: f64 = 116.0;
const HEADING: f64 = 30.0;
const LABELS: f64 = 230.0;
const PANEL: f64 = 230.0;
const GAP: f64 = 36.0;
const ROW: f64 = 20.0;
const LANE: f64 = 9.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Verdict;
    use crate::simulate::Outcome;

    #[test]
    fn a_picture_has_a_label_for_each_situation_and_a_mark_for_each_judge() {
        let outcome =
            |t| Outcome { verdict: Verdict::Fail, t, culprit: None, canary: 5, hurt: 12.0, wald: 2.0, log_e: 5.0 };
        let outcomes: Vec<Outcome> = (0..20).map(outcome).collect();
        let summaries: Vec<Summary> = ["a < b", "c"]
            .iter()
            .flat_map(|name| ["weir", "Flagger"].map(|judge| Summary::of(name, Truth::Bad, judge, &outcomes)))
            .collect();
        let picture = svg(&summaries, "Bob & Co");
        assert_eq!(picture.matches("<circle").count(), 2 + 3 * 4, "legend, and four marks in each panel");
        for text in ["a &lt; b", "Bob &amp; Co", "users hurt", ">Flagger<", "2.8 h", "bad: abort"] {
            assert!(picture.contains(text), "{text}");
        }
        assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"));
    }

    #[test]
    fn values_beyond_an_axis_are_held_at_its_edge() {
        let axis = Axis::Log { labels: &["1", "10", "100"], least: 1.0 };
        assert_eq!([0.0, 1.0, 10.0, 100.0, 1e9].map(|value| axis.place(value)), [0.0, 0.0, 0.5, 1.0, 1.0]);
    }
}
