//! From counters that only grow to the ticks of one rollout. Pure.

use crate::analysis::Tick;
use crate::analysis::trace::Routing;
use crate::stats::Tally;
use crate::types::{Ratio, Timestamp};

/// A reading of both sides' counters: stable, canary.
pub(super) type Reading = (Tally, Tally);

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
            stable: consistent(reading.0.since(&self.taken.0), routing),
            canary: consistent(reading.1.since(&self.taken.1), routing),
            routes: Vec::new(),
        }
    }

    /// Ends the open tick with what `tick` took, and opens the next one.
    pub(super) fn close(&mut self, tick: &Tick, now: Timestamp) {
        self.taken.0 += &tick.stable;
        self.taken.1 += &tick.canary;
        self.opened = now;
        if tick.stable.requests > 0 || tick.canary.requests > 0 {
            self.last = Some((tick.t, tick.weight));
        }
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
