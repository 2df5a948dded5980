//! Steering a rollout that another program plays: a line in for each second, a line out.

use std::io::{BufRead, Write};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::{HEALTHY, PolicyArgs, decision, finite};
use crate::analysis::trace::{ALL_ROUTES, Header, Meta, tally_from_cumulative};
use crate::analysis::{Judge, Policy, Report, RouteTally, Tick, Verdict};
use crate::types::{Ratio, Side};

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
    Ok(pilot.verdict)
}

/// The judge, and the steps it is led through.
struct Pilot {
    judge: Judge,
    bounds: usize,
    stages: Vec<Ratio>,
    stage: usize,
    verdict: Verdict,
    report: Report,
}

impl Pilot {
    fn new(hello: Hello, overrides: &PolicyArgs) -> anyhow::Result<Self> {
        let mut header = Header { policy: hello.policy, meta: hello.meta };
        overrides.override_in(&mut header.policy);
        header.policy.check().map_err(|what| anyhow!("policy: {what}"))?;
        let stages: Vec<Ratio> = hello.stages.iter().map(|&weight| Ratio::from_fraction(weight)).collect();
        if stages.is_empty() || stages[0] == Ratio::ZERO || stages.windows(2).any(|pair| pair[0] >= pair[1]) {
            bail!("stages must be one or more weights above 0 that rise");
        }
        Ok(Self {
            judge: Judge::of_trace(&header),
            bounds: header.meta.le_ms.as_millis().len(),
            stages,
            stage: 0,
            verdict: Verdict::Inconclusive,
            report: Report::default(),
        })
    }

    fn fly(&mut self, second: Second) -> Answer {
        let t = second.t;
        if self.verdict == Verdict::Inconclusive {
            let tick = tick_of(second, self.bounds);
            let next = self.stages.get(self.stage + 1).copied();
            self.report = self.judge.observe(&tick, next);
            if t >= 0 {
                self.step(tick.weight);
            }
        }
        let reason = match (self.verdict, &self.report.culprit, self.report.hold) {
            (Verdict::Fail, Some(culprit), _) => culprit.to_string(),
            (Verdict::Pass, ..) => HEALTHY.to_owned(),
            (_, _, Some(hold)) => hold.to_string(),
            _ => "step-passed".to_owned(),
        };
        let decision = decision(self.verdict);
        Answer { t, weight: self.weight().fraction(), decision, reason, log_e: finite(self.report.log_e) }
    }

    /// The rules of the rollout: out when convicted, on when the next weight has its evidence, done after the last.
    fn step(&mut self, in_force: Ratio) {
        let last = self.stage + 1 == self.stages.len();
        match (self.report.verdict, self.report.next) {
            (Verdict::Fail, _) => self.verdict = Verdict::Fail,
            (Verdict::Pass, _) if last => self.verdict = Verdict::Pass,
            // The evidence of another weight than the one asked for does not count for it.
            (_, Verdict::Pass) if !last && in_force == self.stages[self.stage] => self.stage += 1,
            _ => {}
        }
    }

    fn weight(&self) -> Ratio {
        match self.verdict {
            Verdict::Inconclusive => self.stages[self.stage],
            Verdict::Pass => Ratio::ONE,
            Verdict::Fail => Ratio::ZERO,
        }
    }
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
        let place = tick.routes.iter().position(|route| route.route == row.route).unwrap_or_else(|| {
            tick.routes.push(RouteTally { route: row.route, ..RouteTally::default() });
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
