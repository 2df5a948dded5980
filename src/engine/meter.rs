//! From counters that only grow to the ticks of one rollout. Pure.

use super::evidence::routing;
use crate::analysis::trace::Routing;
use crate::analysis::{RouteTally, Tick};
use crate::snapshot::Release;
use crate::stats::Tally;
use crate::types::{Ratio, Timestamp};

/// A reading of a release's counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Stable, canary.
    pub(super) sides: (Tally, Tally),
    /// By route, where routes are told apart.
    pub(super) routes: Vec<RouteTally>,
}

impl Reading {
    /// What `release` has counted so far. With affinity a client's first failure says nothing of a route: none are read.
    pub(super) fn of(release: &Release) -> Self {
        let told_apart = if routing(release) == Routing::Request { &release.routes[..] } else { &[] };
        let read = |route: &std::sync::Arc<crate::snapshot::RouteLive>| {
            let (stable, canary) = route.read();
            RouteTally { route: route.name.clone().into(), stable, canary }
        };
        let routes = told_apart.iter().map(read).collect();
        Self { sides: release.live.read(), routes }
    }
}

/// What of the counters has been put into ticks, and when the next tick begins.
///
/// The sum of all ticks is what the counters had at the last look: nothing is lost, nothing counted twice.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    taken: Reading,
    opened: Timestamp,
    last: Option<(i64, Ratio)>,
}

impl Meter {
    /// Counts what comes after `reading`. `last` is the second and the weight of the tick before, where there is one.
    pub(super) fn new(reading: Reading, now: Timestamp, last: Option<(i64, Ratio)>) -> Self {
        Self { taken: reading, opened: now, last }
    }

    /// When the open tick began.
    pub(super) fn opened(&self) -> Timestamp {
        self.opened
    }

    /// The open tick as it would be if it ended at `reading`, with `weight` in force.
    ///
    /// Its second is the one in which it began; seconds go up from tick to tick at one weight even when the clock does not.
    pub(super) fn tick(&self, reading: &Reading, started: Timestamp, weight: Ratio, routing: Routing) -> Tick {
        let second = i64::try_from(self.opened.since(started).as_secs()).unwrap_or(i64::MAX);
        let earliest = self.last.map_or(i64::MIN, |(t, before)| if before == weight { t.saturating_add(1) } else { t });
        Tick {
            t: second.max(earliest),
            weight,
            stable: consistent(reading.sides.0.since(&self.taken.sides.0), routing),
            canary: consistent(reading.sides.1.since(&self.taken.sides.1), routing),
            routes: reading.routes.iter().map(|route| self.since(route)).collect(),
        }
    }

    /// Ends the open tick with what `tick` took, and opens the next one.
    pub(super) fn close(&mut self, tick: &Tick, now: Timestamp) {
        self.taken.sides.0 += &tick.stable;
        self.taken.sides.1 += &tick.canary;
        for route in &tick.routes {
            let taken = match self.taken.routes.iter_mut().find(|taken| taken.route == route.route) {
                Some(taken) => taken,
                None => {
                    self.taken.routes.push(RouteTally { route: route.route.clone(), ..RouteTally::default() });
                    self.taken.routes.last_mut().expect("it was put there above")
                }
            };
            taken.stable = (taken.stable.0 + route.stable.0, taken.stable.1 + route.stable.1);
            taken.canary = (taken.canary.0 + route.canary.0, taken.canary.1 + route.canary.1);
        }
        self.opened = now;
        if tick.stable.requests > 0 || tick.canary.requests > 0 {
            self.last = Some((tick.t, tick.weight));
        }
    }
}

impl Meter {
    /// What came of a route since the last tick. An error whose request is not there yet stays for the next one.
    fn since(&self, route: &RouteTally) -> RouteTally {
        let taken = self.taken.routes.iter().find(|taken| taken.route == route.route);
        let (stable, canary) = taken.map_or_else(Default::default, |taken| (taken.stable, taken.canary));
        let new = |now: (u64, u64), before: (u64, u64)| {
            let requests = now.0.saturating_sub(before.0);
            (requests, now.1.saturating_sub(before.1).min(requests))
        };
        RouteTally { route: route.route.clone(), stable: new(route.stable, stable), canary: new(route.canary, canary) }
    }
}

/// As much of `new` as fits together. A reading is not one instant: an exchange's bucket may be in it without its request, its
/// error may come with the next one. What does not fit stays for the next tick.
fn consistent(new: Tally, routing: Routing) -> Tally {
    let mut buckets = new.buckets;
    let requests = new.requests.min(buckets.iter().sum());
    let mut surplus = buckets.iter().sum::<u64>() - requests;
    for bucket in &mut buckets {
        let later = surplus.min(*bucket);
        *bucket -= later;
        surplus -= later;
    }
    let errors = new.errors.min(requests);
    let err_clients = match routing {
        Routing::Request => 0,
        Routing::Sticky => new.err_clients.min(requests),
    };
    Tally { requests, errors, err_clients, buckets }
}

#[cfg(test)]
mod tests;
