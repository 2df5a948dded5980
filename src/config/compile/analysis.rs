//! What is tolerated, what is bad, and how sure weir must be.

use std::ops::RangeInclusive;

use super::Compiler;
use crate::analysis::{Line, Policy};
use crate::config::defaults::{self, Setting};
use crate::config::schema;
use crate::config::tree::At;
use crate::outcome::FailurePolicy;
use crate::stats::Bounds;
use crate::types::Ratio;

impl Compiler<'_> {
    pub(super) fn policy(&mut self, analysis: &schema::Analysis, at: &At<'_>) -> Policy {
        let schema::Analysis { error_rate, route_error_rate, latency, .. } = analysis;
        let errors = (&error_rate.tolerable, &error_rate.bad);
        let routes = (&route_error_rate.tolerable, &route_error_rate.bad);
        let slow = (&latency.tolerable, &latency.bad);
        let (err_tol, err_bad) =
            self.lines(errors, (defaults::ERROR_TOLERABLE, defaults::ERROR_BAD), &at.key("errorRate"));
        let (route_tol, route_bad) =
            self.lines(routes, (defaults::ROUTE_TOLERABLE, defaults::ROUTE_BAD), &at.key("routeErrorRate"));
        let (lat_tol, lat_bad) =
            self.lines(slow, (defaults::LATENCY_TOLERABLE, defaults::LATENCY_BAD), &at.key("latency"));
        Policy {
            alpha: self.risk(&at.key("falseAbort"), defaults::FALSE_ABORT.or(analysis.false_abort)),
            beta: self.risk(&at.key("falsePromote"), defaults::FALSE_PROMOTE.or(analysis.false_promote)),
            warmup_s: defaults::WARM_UP.or(analysis.warm_up).0.as_secs_f64(),
            min_promote_s: defaults::MINIMUM_TIME.or(analysis.minimum_time).0.as_secs_f64(),
            err_tol,
            err_bad,
            lat_tol,
            lat_bad,
            route_tol,
            route_bad,
            ..Policy::default()
        }
    }

    /// A probability of being wrong: none at all would take for ever, and half is a coin.
    fn risk(&mut self, at: &At<'_>, schema::Risk(risk): schema::Risk) -> f64 {
        if risk == Ratio::ZERO {
            self.error(at, "nobody is ever entirely sure").help("write a small share, such as 0.1%");
        } else if risk >= Ratio::percent(50) {
            self.error(at, format!("{risk} is no better than a coin")).help("write a small share, such as 1%");
        }
        risk.fraction()
    }

    /// The tolerable line and the bad one, which must lie above it, at every rate of stable's.
    fn lines(
        &mut self,
        written: (&Option<schema::Line>, &Option<schema::Line>),
        defaults: (Setting<schema::Line>, Setting<schema::Line>),
        at: &At<'_>,
    ) -> (Line, Line) {
        let (tolerable, bad) = (defaults.0.or(*written.0), defaults.1.or(*written.1));
        if bad.plus <= tolerable.plus || bad.times < tolerable.times {
            let what = if written.1.is_some() { "bad" } else { "tolerable" };
            let rate = if bad.plus <= tolerable.plus { 0.0 } else { 1.0 };
            let message = format!(
                "the bad line `{bad}` must lie above the tolerable line `{tolerable}`, and with stable at {} it does not",
                Ratio::from_fraction(rate)
            );
            self.error(&at.key(what), message)
                .help("between them is what may go either way: give the bad line more points (and times)");
        }
        (line(tolerable), line(bad))
    }

    pub(super) fn bounds(&mut self, latency: &schema::LatencyComparison, at: &At<'_>) -> Bounds {
        let at = at.key("bounds");
        let Some(written) = &latency.bounds else { return Bounds::default() };
        if at.lost_any() {
            return Bounds::default();
        }
        let millis =
            written.iter().map(|span| u32::try_from(span.0.as_millis()).unwrap_or(u32::MAX)).collect::<Vec<_>>();
        Bounds::try_from(millis).unwrap_or_else(|error| {
            self.error(&at, error).help("write them like [50ms, 100ms, 250ms, 1s]");
            Bounds::default()
        })
    }

    pub(super) fn failures(&mut self, failures: &schema::Failures, at: &At<'_>) -> FailurePolicy {
        let (at_statuses, at_grpc) = (at.key("statuses"), at.key("grpc"));
        let default: Vec<String> = defaults::FAILURE_STATUSES.value.iter().map(ToString::to_string).collect();
        let statuses = failures.statuses.as_ref().unwrap_or(&default).iter().enumerate();
        let statuses: Vec<_> =
            statuses.filter_map(|(index, text)| self.statuses(&at_statuses.item(index), text)).collect();
        let grpc = failures.grpc.as_deref().unwrap_or(defaults::FAILURE_GRPC.value);
        for (index, &code) in grpc.iter().enumerate() {
            if !(1..=MAX_GRPC).contains(&code) {
                let help = if code == 0 { "0 is OK, gRPC's success" } else { "gRPC has 1 to 16" };
                self.error(&at_grpc.item(index), format!("{code} is not a failure of gRPC")).help(help);
            }
        }
        FailurePolicy::new(statuses, grpc.iter().copied())
    }

    fn statuses(&mut self, at: &At<'_>, text: &str) -> Option<RangeInclusive<u16>> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..=last),
            _ => {
                self.error(at, format!("`{text}` is not a status or a range of them"))
                    .help("write it like 429 or 500-599");
                None
            }
        }
    }
}

fn line(line: schema::Line) -> Line {
    Line { times: line.times, plus: line.plus.fraction() }
}

/// gRPC's last status.
const MAX_GRPC: u8 = 16;
