//! The trace of a rollout as text: what was seen, second by second, and by which policy it was judged.
//!
//! `canary-trace v1` is CSV behind three lines of comment (see [`write_header`]): one row for each second, version and route
//! with at least one request. (Before the canary's first user its requests are copies, and `weight` is the share that was
//! copied.) Counts are those of the second alone; `le_*` are cumulative over the bounds. Replaying a trace
//! gives the decision that was made live, to the last bit, because the judge sees the same counts in the same order.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Policy, RouteTally, Tick};
use crate::stats::{BUCKETS, Bounds, Tally};
use crate::types::{Ratio, Side};

mod reader;

pub use reader::{Reader, TraceError, parse};

/// The first line of every trace.
pub const MAGIC: &str = "#canary-trace v1";

/// The route of rows that hold all traffic of a version.
pub const ALL_ROUTES: &str = "-";

/// What stands above the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// By what the rollout was judged.
    pub policy: Policy,
    /// How to read the rows.
    pub meta: Meta,
}

/// How to read the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Seconds between two rows of the same version: 1.
    pub interval_s: u32,
    /// What a label was drawn for.
    pub routing: Routing,
    /// The rollout's start in seconds since the Unix epoch: rows before it are history of stable alone.
    pub start: i64,
    /// The latency bounds of the `le_*` columns in milliseconds.
    pub le_ms: Bounds,
    /// The weights of the rollout's steps as fractions of one; empty when they are not known. Only the last one promotes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<f64>,
    /// What stable kept once the canary had won at the last stage; promoted after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_back: Option<HoldBack>,
    /// Whether latency was judged.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub judge_latency: bool,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            interval_s: 1,
            routing: Routing::Request,
            start: 0,
            le_ms: Bounds::default(),
            stages: Vec::new(),
            hold_back: None,
            judge_latency: true,
        }
    }
}

/// What stable kept once the canary had won.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldBack {
    /// Its share as a fraction of one.
    pub weight: f64,
    /// For so many seconds.
    pub s: u64,
}

/// What a label (stable or canary) is drawn for, and so what one piece of evidence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Routing {
    /// For each request.
    #[default]
    Request,
    /// For each client: its first error counts, further ones do not.
    Sticky,
}

/// A whole trace in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What stands above the rows.
    pub header: Header,
    /// The ticks in the order of the rows.
    pub ticks: Vec<Tick>,
}

/// Appends the lines above the rows, the column names included.
pub fn write_header(out: &mut String, header: &Header) {
    let json = |result: serde_json::Result<String>| result.expect("plain numbers and texts always serialise");
    let policy = json(serde_json::to_string(&header.policy));
    let meta = json(serde_json::to_string(&header.meta));
    let _ = write!(out, "{MAGIC}\n#policy {policy}\n#meta {meta}\n");
    out.push_str("ts,version,route,weight,requests,errors,err_clients");
    for bound in header.meta.le_ms.as_millis() {
        let _ = write!(out, ",le_{bound}");
    }
    out.push_str(",le_inf\n");
}

/// Appends the rows of one tick; a tick without requests appends nothing.
pub fn write_tick(out: &mut String, meta: &Meta, tick: &Tick) {
    for (side, tally) in [(Side::Stable, &tick.stable), (Side::Canary, &tick.canary)] {
        if tally.requests > 0 {
            write_start(out, meta, tick, side, ALL_ROUTES, tally.requests, tally.errors);
            write_histogram(out, meta, tally);
        }
    }
    for route in &tick.routes {
        for (side, (requests, errors)) in [(Side::Stable, route.stable), (Side::Canary, route.canary)] {
            if requests > 0 {
                write_start(out, meta, tick, side, &route.route, requests, errors);
                // No client count and no histogram: one empty field each.
                out.extend(std::iter::repeat_n(',', meta.le_ms.as_millis().len() + 2));
                out.push('\n');
            }
        }
    }
}

fn write_start(out: &mut String, meta: &Meta, tick: &Tick, side: Side, route: &str, requests: u64, errors: u64) {
    let (ts, weight) = (meta.start.saturating_add(tick.t), tick.weight.fraction());
    let _ = write!(out, "{ts},{side},");
    // A comma or a line break would end the field; names have neither, other sources are held to it here.
    out.extend(route.chars().map(|c| if c == ',' || c.is_control() { '_' } else { c }));
    let _ = write!(out, ",{weight},{requests},{errors}");
}

fn write_histogram(out: &mut String, meta: &Meta, tally: &Tally) {
    match meta.routing {
        Routing::Request => out.push(','),
        Routing::Sticky => {
            let _ = write!(out, ",{}", tally.err_clients);
        }
    }
    let mut sum = 0;
    for count in tally.buckets.iter().take(meta.le_ms.as_millis().len()) {
        sum += count;
        let _ = write!(out, ",{}", sum.min(tally.requests));
    }
    let _ = writeln!(out, ",{}", tally.requests);
}

/// A tally from cumulative counts: one for each bound, then the requests.
///
/// What is not cumulative is made so (a count never falls below the one before it).
pub fn tally_from_cumulative(requests: u64, errors: u64, err_clients: u64, cumulative: &[u64]) -> Tally {
    let mut buckets = [0; BUCKETS];
    let mut before = 0;
    for (bucket, &count) in buckets.iter_mut().zip(cumulative) {
        *bucket = count.saturating_sub(before);
        before = before.max(count);
    }
    Tally { requests, errors, err_clients, buckets }
}

#[cfg(test)]
mod tests;
