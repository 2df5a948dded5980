//! What is known of one attempt: the judge, its last word, and the sums of what it was shown. Pure.

use crate::analysis::trace::{Header, HoldBack, Meta, Routing};
use crate::analysis::{Judge, Report, RouteTally, Tick};
use crate::snapshot::Release;
use crate::stats::Tally;
use crate::types::{Ratio, Timestamp};

/// The evidence of one attempt. Shown the same ticks in the same order, it is the same to the last bit: so a restart, which
/// shows it the trace, changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    judge: Judge,
    stages: Vec<Ratio>,
    /// The judge's last word.
    pub(super) report: Report,
    /// All that was seen: stable, canary.
    pub(super) seen: (Tally, Tally),
    /// What was seen since the weight is as it is.
    pub(super) at_weight: (Tally, Tally),
    /// All that was seen by route, where routes are told apart.
    routes: Vec<RouteTally>,
    /// The second and the weight of the last tick that had requests.
    pub(super) last: Option<(i64, Ratio)>,
}

impl Evidence {
    /// None yet, to be judged as `header` says.
    pub(super) fn none(header: &Header) -> Self {
        let stages = header.meta.stages.iter().map(|&weight| Ratio::from_fraction(weight)).collect();
        let judge = Judge::of_trace(header);
        let (report, seen, at_weight, routes) = Default::default();
        Self { judge, stages, report, seen, at_weight, routes, last: None }
    }

    /// The evidence of an attempt that is over: what the judge said at its end.
    pub(super) fn settled(header: &Header, report: &Report) -> Self {
        let tally = |(requests, errors)| Tally { requests, errors, ..Tally::default() };
        let seen = (tally(report.stable), tally(report.canary));
        Self { report: report.clone(), seen, ..Self::none(header) }
    }

    /// Takes in a tick that is over.
    pub(super) fn observe(&mut self, tick: &Tick) {
        self.report = self.judge.observe(tick, self.next(tick.weight));
        if self.last.is_some_and(|(_, weight)| weight != tick.weight) {
            self.at_weight = Default::default();
        }
        for sums in [&mut self.seen, &mut self.at_weight] {
            sums.0 += &tick.stable;
            sums.1 += &tick.canary;
        }
        tick.routes.iter().for_each(|route| self.add(route));
        if tick.stable.requests > 0 || tick.canary.requests > 0 {
            self.last = Some((tick.t, tick.weight));
        }
    }

    fn add(&mut self, new: &RouteTally) {
        let sum = match self.routes.iter_mut().find(|sum| sum.route == new.route) {
            Some(sum) => sum,
            None => self.routes.push_mut(RouteTally { route: new.route.clone(), ..RouteTally::default() }),
        };
        sum.stable = (sum.stable.0 + new.stable.0, sum.stable.1 + new.stable.1);
        sum.canary = (sum.canary.0 + new.canary.0, sum.canary.1 + new.canary.1);
    }

    /// The routes that the canary failed most on, the worst first; at most [`MOST_ROUTES`].
    pub(super) fn worst_routes(&self) -> Vec<RouteTally> {
        let mut worst: Vec<_> = self.routes.iter().collect();
        worst.sort_by_key(|route| std::cmp::Reverse(route.canary.1));
        worst.into_iter().take(MOST_ROUTES).cloned().collect()
    }

    /// Whether an unfinished tick convicts the canary already.
    pub(super) fn convicts(&self, unfinished: &Tick) -> bool {
        self.judge.convicts(unfinished)
    }

    /// As [`crate::rollout::Spec::next_weight`], from what the trace's header says: a replay knows nothing else.
    fn next(&self, weight: Ratio) -> Option<Ratio> {
        self.stages.iter().copied().find(|&stage| stage > weight)
    }
}

/// Routes that are told of: what fails is among them, and a decision remains some 2 kB.
const MOST_ROUTES: usize = 10;

/// How an attempt of `release` that began at `started` is judged, and how its trace is to be read.
pub(super) fn header(release: &Release, started: Timestamp) -> Header {
    let meta = Meta {
        routing: routing(release),
        start: started.as_secs(),
        le_ms: release.bounds.clone(),
        stages: release.spec.steps.iter().map(|step| step.weight.fraction()).collect(),
        hold_back: release
            .spec
            .hold_back
            .map(|hold_back| HoldBack { weight: hold_back.weight.fraction(), s: hold_back.time.as_secs() }),
        judge_latency: release.judge_latency,
        ..Meta::default()
    };
    Header { policy: release.policy.clone(), meta }
}

/// What one piece of evidence about `release` is.
pub(super) fn routing(release: &Release) -> Routing {
    if release.affinity.is_some() { Routing::Sticky } else { Routing::Request }
}

/// Whether ticks of a trace with the header `old` can be judged as `new` says: they count the same things.
pub(super) fn compatible(old: &Header, new: &Header) -> bool {
    (&old.meta.le_ms, old.meta.routing, old.meta.start) == (&new.meta.le_ms, new.meta.routing, new.meta.start)
}
