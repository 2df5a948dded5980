//! The judge: lays out capital, adds up what it is worth, and says what that means.

use std::sync::Arc;

use super::capital::{Capital, Routes, by_kind};
use super::course::{Course, Progress, Raised, Stage};
use super::gate::Gate;
use super::hypotheses::Kind;
use super::interval::Interval;
use super::line::Counts;
use super::stream::{Ending, Favour, Stream, Trust, Weighing};
use super::tables::{Table, Tables};
use super::trace::{Header, Routing};
use super::{Culprit, Policy, Report, RouteName, Tick, Verdict};
use crate::stats::{Bounds, Tally};
use crate::types::Ratio;

mod outlook;
mod verdict;

use verdict::Evidence;

/// Weighs the evidence of one rollout, tick by tick, in constant memory.
///
/// Deterministic: the same policy, bounds and ticks give the same reports to the last bit, on every machine. A tick without
/// requests changes nothing, so that a trace, which has no rows for it, gives the same reports.
#[derive(Clone, Debug)]
pub struct Judge {
    policy: Policy,
    bounds: Bounds,
    routing: Routing,
    judge_latency: bool,
    tables: Tables,
    /// The bets at the weight of the open tick; `None` before there is a weight.
    table: Option<Arc<Table>>,
    trust: Trust,
    course: Course,
    stage: Stage,
    favour: Favour,
    capital: Capital,
    warm_up: Stream,
    errors: Stream,
    latency: Vec<Stream>,
    /// Which part of the capital for latency each bound gets.
    relevance: Vec<f64>,
    routes: Vec<Stream>,
    route_names: Arc<Vec<RouteName>>,
    /// Requests and errors of the canary by route, since the start.
    route_canary: Vec<(u64, u64)>,
    gate: Gate,
    interval: Interval,
    evidence: Evidence,
    /// Requests and errors since the start.
    stable: (u64, u64),
    canary: (u64, u64),
    last_canary: Option<i64>,
    /// What convicted, and by how much: final.
    conviction: Option<(Culprit, f64)>,
}

impl Judge {
    /// A judge that has seen nothing, of requests that are shared one by one.
    pub fn new(policy: Policy, bounds: Bounds) -> Self {
        let bound_count = bounds.as_millis().len();
        Self {
            policy,
            bounds,
            routing: Routing::Request,
            judge_latency: true,
            tables: Tables::default(),
            table: None,
            trust: Trust::Drawn,
            course: Course::default(),
            stage: Stage::Absent,
            favour: Favour::Gathered,
            capital: Capital::new(),
            warm_up: Stream::new(Kind::WarmUp, 0),
            errors: Stream::new(Kind::Errors, 0),
            latency: vec![Stream::new(Kind::Latency, 0); bound_count],
            relevance: vec![1.0 / bound_count as f64; bound_count],
            routes: Vec::new(),
            route_names: Arc::default(),
            route_canary: Vec::new(),
            gate: Gate::default(),
            interval: Interval::default(),
            evidence: Evidence::default(),
            stable: (0, 0),
            canary: (0, 0),
            last_canary: None,
            conviction: None,
        }
    }

    /// A judge for the rollout that a trace was written of.
    pub fn of_trace(header: &Header) -> Self {
        let judge = Self::new(header.policy.clone(), header.meta.le_ms.clone()).with_routing(header.meta.routing);
        if header.meta.judge_latency { judge } else { judge.without_latency() }
    }

    /// For a rollout with affinity: clients whose first error it was count as errors.
    #[must_use]
    pub fn with_routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// Without a look at latency.
    #[must_use]
    pub fn without_latency(mut self) -> Self {
        self.judge_latency = false;
        self.latency.clear();
        self
    }

    /// Weighs one tick. `next` is the weight that the rollout wants to go to next; `None` on the last step.
    ///
    /// More of the same second at the same weight adds to the tick. Once the verdict is Fail it stays.
    pub fn observe(&mut self, tick: &Tick, next: Option<Ratio>) -> Report {
        let seen = tick.stable.requests > 0 || tick.canary.requests > 0;
        if self.conviction.is_none() && seen {
            self.take_in(tick);
            let evidence = self.evidence();
            if evidence.log_e >= self.log_e_limit() {
                let culprit = self.culprit();
                if self.has_done(&culprit) {
                    self.conviction = Some((culprit, evidence.log_e));
                }
            }
            self.evidence = evidence;
        }
        self.report(tick, next)
    }

    /// What [`Judge::observe`] would say of an unfinished tick, without remembering it: whether to end the tick early,
    /// because it already convicts.
    pub fn convicts(&self, unfinished: &Tick) -> bool {
        self.clone().observe(unfinished, None).verdict == Verdict::Fail
    }

    /// Whether the canary has done at all what it is to be convicted of. Where requests were not shared as the trace has it, what
    /// goes well on stable alone may look like evidence.
    fn has_done(&self, culprit: &Culprit) -> bool {
        matches!(culprit, Culprit::Latency(_)) || self.canary.1 > 0
    }

    fn take_in(&mut self, tick: &Tick) {
        let previous_weight = self.course.weight();
        if let Progress::Next { raised, with_canary } = self.course.begin(tick.t, tick.weight) {
            self.end_blocks(previous_weight);
            self.begin_tick(raised, with_canary);
        }
        self.count(tick);
    }

    /// Where the evidence against the canary convicts it.
    fn log_e_limit(&self) -> f64 {
        -libm::log(self.policy.alpha)
    }
}

/// The passage from tick to tick.
impl Judge {
    /// Ends the blocks of the tick before, which was at `weight`.
    fn end_blocks(&mut self, weight: Ratio) {
        let (now, favour) = (self.course.now(), self.favour);
        let ending = if self.course.weight() == weight { Ending::OfTick } else { Ending::OfWeight };
        let weighing = weighing(&self.policy, self.table.as_deref(), weight, self.trust);
        // What a canary does while it warms up counts for nothing but the warm-up; stable is learned from all the same.
        let counted = weighing.as_ref().filter(|_| self.stage == Stage::Evidence);
        if let Some(weighing) = counted {
            self.interval.take(&self.errors, weighing);
        }
        if let Some(weighing) = counted.filter(|_| favour == Favour::Gathered) {
            self.gate.take(&self.errors, weighing);
        }
        for stream in std::iter::once(&mut self.errors).chain(&mut self.latency).chain(&mut self.routes) {
            stream.end_block(counted, favour, ending, now);
        }
        let warming = weighing.as_ref().filter(|_| self.stage == Stage::WarmUp);
        self.warm_up.end_block(warming, Favour::Ignored, ending, now);
    }

    fn begin_tick(&mut self, raised: Raised, with_canary: bool) {
        let before = std::mem::replace(&mut self.stage, self.course.stage(&self.policy));
        self.trust = self.course.trust();
        self.favour = self.course.favour(&self.policy);
        self.table = (self.stage != Stage::Absent).then(|| self.tables.of(&self.policy, self.course.weight()));
        if raised == Raised::Yes {
            self.streams_mut().for_each(Stream::restart_in_favour);
            self.gate = Gate::default();
        }
        if self.stage == Stage::WarmUp && before == Stage::Absent && self.capital.is_whole() {
            let capital = self.capital.for_warm_up();
            self.warm_up.endow(capital);
        }
        if self.stage == Stage::Evidence {
            self.lay_out(raised, with_canary);
        }
        self.warm_up.lay_bets();
        self.streams_mut().for_each(Stream::lay_bets);
    }

    fn lay_out(&mut self, raised: Raised, with_canary: bool) {
        if self.capital.relevance_is_due() {
            relevance(&self.policy, &self.latency, &mut self.relevance);
        }
        let mut capital = 0.0;
        if !self.capital.is_started() {
            self.capital.return_from_warm_up(self.warm_up.withdraw());
            capital += self.capital.for_start();
        } else if with_canary {
            capital += self.capital.for_tick();
            if raised == Raised::Yes {
                capital += self.capital.for_raise();
            }
        }
        if capital == 0.0 {
            return;
        }
        let routes = if self.routes.is_empty() { Routes::Unknown } else { Routes::Known };
        let (errors, latency, each_route) = by_kind(routes);
        let idle = if self.latency.is_empty() { latency } else { 0.0 };
        self.errors.endow(capital * (errors + idle));
        for (stream, part) in self.latency.iter_mut().zip(&self.relevance) {
            stream.endow(capital * latency * part);
        }
        let part = capital * each_route / self.routes.len() as f64;
        self.routes.iter_mut().for_each(|stream| stream.endow(part));
    }

    fn count(&mut self, tick: &Tick) {
        if tick.canary.requests > 0 {
            self.last_canary = Some(tick.t);
        }
        let (stable, canary) = (&tick.stable, &tick.canary);
        let errors = counts(first_failures(self.routing, stable), first_failures(self.routing, canary));
        if errors.requests() < stable.requests + canary.requests {
            self.course.leave_out();
            self.trust = Trust::Seen;
        }
        self.course.add(&errors);
        self.errors.add(&errors);
        self.warm_up.add(&errors);
        let mut fast = (0, 0);
        for (bound, stream) in self.latency.iter_mut().enumerate() {
            fast = (fast.0 + stable.buckets[bound], fast.1 + canary.buckets[bound]);
            let slow = |tally: &Tally, fast: u64| (tally.requests, tally.requests.saturating_sub(fast));
            stream.add(&counts(slow(stable, fast.0), slow(canary, fast.1)));
        }
        // A client's failures on one route are not told apart from its first: with affinity routes are not weighed.
        if self.routing == Routing::Request {
            self.count_routes(tick);
        }
        if self.stage != Stage::Absent {
            self.stable = (self.stable.0 + stable.requests, self.stable.1 + stable.errors);
            self.canary = (self.canary.0 + canary.requests, self.canary.1 + canary.errors);
        }
    }

    fn count_routes(&mut self, tick: &Tick) {
        for (place, route) in tick.routes.iter().enumerate() {
            if route.stable.0 == 0 && route.canary.0 == 0 {
                continue;
            }
            if let Some(index) = self.route_index(&route.route, place) {
                self.routes[index].add(&counts(route.stable, route.canary));
                let seen = &mut self.route_canary[index];
                *seen = (seen.0 + route.canary.0, seen.1 + route.canary.1);
            }
        }
    }

    /// The stream of a route: mostly at the same place as in the tick before. A new route gets one while there is room.
    fn route_index(&mut self, route: &RouteName, place: usize) -> Option<usize> {
        if self.route_names.get(place).is_some_and(|name| name == route) {
            return Some(place);
        }
        if let Some(index) = self.route_names.iter().position(|name| name == route) {
            return Some(index);
        }
        if self.routes.len() == MAX_ROUTES {
            return None;
        }
        Arc::make_mut(&mut self.route_names).push(route.clone());
        self.routes.push(Stream::new(Kind::Route, self.course.now()));
        self.route_canary.push((0, 0));
        Some(self.routes.len() - 1)
    }

    /// All streams that prove something for the canary, or against it once it is warm.
    fn streams_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        std::iter::once(&mut self.errors).chain(&mut self.latency).chain(&mut self.routes)
    }
}

fn weighing<'a>(policy: &'a Policy, table: Option<&'a Table>, weight: Ratio, trust: Trust) -> Option<Weighing<'a>> {
    table.map(|table| Weighing { policy, table, weight: weight.fraction(), trust })
}

/// `(requests, failures)` that count. With affinity what a client fails after its first failure is left out altogether: one
/// client that cannot be served would else be a crowd of failures, or, were only its first one counted, a crowd that is served
/// well.
fn first_failures(routing: Routing, tally: &Tally) -> (u64, u64) {
    match routing {
        Routing::Request => (tally.requests, tally.errors),
        Routing::Sticky => {
            let requests = tally.requests.saturating_sub(tally.errors.saturating_sub(tally.err_clients));
            (requests, tally.err_clients.min(requests))
        }
    }
}

fn counts(stable: (u64, u64), canary: (u64, u64)) -> Counts {
    Counts { stable: stable.0, stable_failed: stable.1, canary: canary.0, canary_failed: canary.1 }
}

/// Which part of the capital for latency each bound gets: as much as stable's share of slower answers falls from the bound
/// before to this one, on a logarithmic scale. Bounds that say the same share one part; bounds that nearly every answer of
/// stable exceeds anyway get none.
fn relevance(policy: &Policy, streams: &[Stream], parts: &mut [f64]) {
    let floor = policy.lat_tol.plus.max(LEAST_SHARE);
    let mut before = 0.0;
    let mut sum = 0.0;
    for (stream, part) in streams.iter().zip(parts.iter_mut()) {
        let slow = stream.baseline().steady();
        let height = libm::log(slow + floor);
        *part =
            if Kind::Latency.tolerable(policy).at(slow) >= 1.0 { 0.0 } else { LEAST_PART + (before - height).max(0.0) };
        before = height.min(before);
        sum += *part;
    }
    for part in parts.iter_mut() {
        *part = if sum > 0.0 { *part / sum } else { 0.0 };
    }
}

/// Routes that are looked at one by one; further ones are judged with all traffic only.
const MAX_ROUTES: usize = 1000;

/// Shares of slow answers below this are all the same: none.
const LEAST_SHARE: f64 = 0.001;

/// What a bound gets that says the same as the one below it: a fault may end between the two.
const LEAST_PART: f64 = 0.15;

#[cfg(test)]
mod tests;
