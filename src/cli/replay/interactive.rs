//! Steering a rollout that another program plays: a line in for each second, a line out.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::{HEALTHY, PolicyArgs, decision, finite};
use crate::analysis::trace::{ALL_ROUTES, Header, Meta, tally_from_cumulative};
use crate::analysis::{Judge, Policy, Report, RouteTally, Tick, Verdict};
use crate::rollout::{self, HoldBack, Input, OnNoEvidence, OnSuspicion, Spec, State, Step};
use crate::types::{Ratio, Side, Timestamp};

/// The first line in.
#[derive(Debug, Deserialize)]
struct Hello {
    #[serde(rename = "hello")]
    _hello: u32,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    meta: Meta,
    stages: Vec<f64>,
    /// Whether little traffic begins at a later stage than the first: see [`Spec::start_by_traffic`].
    #[serde(default)]
    start_by_traffic: bool,
}

/// Every further line in.
#[derive(Debug, Deserialize)]
struct Second {
    t: i64,
    weight: f64,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    version: Side,
    route: String,
    requests: u64,
    errors: u64,
    #[serde(default)]
    err_clients: Option<u64>,
    #[serde(default)]
    le: Option<Vec<u64>>,
}

/// A line out.
#[derive(Debug, Serialize)]
struct Answer {
    t: i64,
    weight: f64,
    decision: &'static str,
    reason: String,
    log_e: Option<f64>,
}

/// Plays until the input ends; the last decision.
pub(super) fn run(input: impl BufRead, mut out: impl Write, overrides: &PolicyArgs) -> anyhow::Result<Verdict> {
    let mut lines = input.lines();
    let hello = lines.next().context("no first line: expected {\"hello\":1,...}")??;
    let hello: Hello = serde_json::from_str(&hello).context("line 1")?;
    let mut pilot = Pilot::new(hello, overrides)?;
    for (number, line) in lines.enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let second: Second = serde_json::from_str(&line).with_context(|| format!("line {}", number + 2))?;
        serde_json::to_writer(&mut out, &pilot.fly(second))?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(pilot.state.phase.verdict())
}

/// The judge and the rollout's state machine, as the engine couples them.
struct Pilot {
    judge: Judge,
    bounds: usize,
    spec: Spec,
    state: State,
    report: Report,
}

impl Pilot {
    fn new(hello: Hello, overrides: &PolicyArgs) -> anyhow::Result<Self> {
        let mut header = Header { policy: hello.policy, meta: hello.meta };
        overrides.override_in(&mut header.policy);
        header.policy.check().map_err(|what| anyhow!("policy: {what}"))?;
        let weights: Vec<Ratio> = hello.stages.iter().map(|&weight| Ratio::from_fraction(weight)).collect();
        if weights.is_empty() || weights[0] == Ratio::ZERO || weights.windows(2).any(|pair| pair[0] >= pair[1]) {
            bail!("stages must be one or more weights above 0 that rise");
        }
        let step = |weight| Step { weight, at_least: Duration::ZERO, at_most: None, pause: false };
        let steps = weights.into_iter().map(step).collect();
        let spec = Spec {
            rollout: "replay".to_owned(),
            mirror_first: None,
            steps,
            on_no_evidence: OnNoEvidence::Hold,
            on_suspicion: OnSuspicion::Hold,
            hold_back: header
                .meta
                .hold_back
                .map(|kept| HoldBack { weight: Ratio::from_fraction(kept.weight), time: Duration::from_secs(kept.s) }),
            start_by_traffic: hello.start_by_traffic,
        };
        Ok(Self {
            judge: Judge::of_trace(&header),
            bounds: header.meta.le_ms.as_millis().len(),
            state: rollout::start(&spec, second_of(0)).state,
            spec,
            report: Report::default(),
        })
    }

    fn fly(&mut self, second: Second) -> Answer {
        let t = second.t;
        if self.state.phase.is_open() {
            let tick = tick_of(second, self.bounds);
            self.report = self.judge.observe(&tick, self.spec.next_weight(tick.weight));
            // Evidence of another weight than the one asked for moves nothing, unless it convicts.
            if t >= 0 && (tick.weight == self.state.weight || self.report.verdict == Verdict::Fail) {
                let input = Input::Tick { report: &self.report, checks: &[] };
                self.state = rollout::step(&self.spec, &self.state, second_of(t), input).state;
            }
        }
        let verdict = self.state.phase.verdict();
        let reason = match (verdict, &self.report.culprit, self.report.hold) {
            (Verdict::Fail, Some(culprit), _) => culprit.to_string(),
            (Verdict::Pass, ..) => HEALTHY.to_owned(),
            (_, _, Some(hold)) => hold.to_string(),
            _ => "step-passed".to_owned(),
        };
        Answer {
            t,
            weight: self.state.weight.fraction(),
            decision: decision(verdict),
            reason,
            log_e: finite(self.report.log_e),
        }
    }
}

fn second_of(t: i64) -> Timestamp {
    Timestamp::from_secs(t)
}

fn tick_of(second: Second, bounds: usize) -> Tick {
    let mut tick = Tick { t: second.t, weight: Ratio::from_fraction(second.weight), ..Tick::default() };
    for row in second.rows {
        let errors = row.errors.min(row.requests);
        if row.route == ALL_ROUTES {
            let cumulative = row.le.as_deref().unwrap_or_default();
            let cumulative = &cumulative[..cumulative.len().min(bounds)];
            let tally = tally_from_cumulative(row.requests, errors, row.err_clients.unwrap_or(0), cumulative);
            match row.version {
                Side::Stable => tick.stable += &tally,
                Side::Canary => tick.canary += &tally,
            }
            continue;
        }
        let place = tick.routes.iter().position(|route| *route.route == *row.route).unwrap_or_else(|| {
            tick.routes.push(RouteTally { route: row.route.into(), ..RouteTally::default() });
            tick.routes.len() - 1
        });
        let counts = match row.version {
            Side::Stable => &mut tick.routes[place].stable,
            Side::Canary => &mut tick.routes[place].canary,
        };
        *counts = (counts.0.saturating_add(row.requests), counts.1.saturating_add(errors));
    }
    tick
}
