//! What is told about an exchange when it has ended: to the metrics and to the access log.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::balancer;
use crate::endpoint::Endpoint;
use crate::outcome::Fault;
use crate::snapshot::{Backend, Route, Traffic};
use crate::stats::{self, DEFAULT_BOUNDS_MS, LiveTraffic};
use crate::types::Side;

/// The facts of one exchange, gathered on the way.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The route that matched.
    pub(super) route: Option<Arc<Route>>,
    /// Where the last attempt went.
    pub(super) attempt: Option<Attempted>,
    /// What the client was told; `None` when it was gone before.
    pub(super) status: Option<StatusCode>,
    /// What went wrong.
    pub(super) fault: Option<Fault>,
    /// Bytes of the response body.
    pub(super) sent: u64,
    /// Bytes of the request body.
    pub(super) received: u64,
    /// From the start of the last attempt to its response head.
    pub(super) upstream: Option<Duration>,
    /// Attempts beyond the first.
    pub(super) retries: u32,
    worker: usize,
    /// Where it is being counted, since then.
    counted_at: Option<Place>,
    counted_since: Duration,
    attempt_since: Duration,
    /// When it reached the endpoint that it is at.
    waiting_since: Duration,
}

/// Whose counters: those of a listener, for a slot of the route's target.
#[derive(Clone, Copy, Debug)]
struct Place {
    listener: usize,
    slot: usize,
}

/// Where an attempt goes. The first one's is borrowed from the snapshot: a count of owners is memory that all workers write.
#[derive(Clone, Debug)]
pub(super) struct Destination<'a> {
    /// Which of the target's backends.
    pub(super) slot: usize,
    /// The backend.
    pub(super) backend: Cow<'a, Arc<Backend>>,
    /// Which side of a release it is.
    pub(super) side: Option<Side>,
    /// The endpoint.
    pub(super) endpoint: Cow<'a, Arc<Endpoint>>,
}

/// Where an attempt went.
#[derive(Clone, Debug)]
pub(super) struct Attempted {
    /// The backend.
    pub(super) backend: Arc<Backend>,
    /// Which side of a release it is.
    pub(super) side: Option<Side>,
    /// The endpoint.
    pub(super) endpoint: Arc<Endpoint>,
}

impl Account {
    /// Of an exchange that `worker` began at `now`.
    pub(super) fn new(worker: usize, now: Duration) -> Self {
        Self { worker, counted_since: now, ..Self::default() }
    }

    /// Of what never became an exchange: its head was refused.
    pub(super) fn refused(worker: usize, fault: Fault) -> Self {
        Self { worker, status: Some(fault.status()), fault: Some(fault), ..Self::default() }
    }

    /// An attempt begins, on listener number `listener`.
    ///
    /// A request that moves from one backend to another counts once at each: metrics by backend tell what each one did.
    pub(super) fn attempt_begins(&mut self, listener: usize, to: &Destination<'_>, now: Duration) {
        if self.counted_at.is_none_or(|at| at.slot != to.slot) {
            self.settle_backend(now);
            self.counted_at = Some(Place { listener, slot: to.slot });
            self.counted_since = now;
            if let Some(live) = self.live() {
                stats::bump(&live.begun);
            }
        }
        self.attempt_since = now;
        self.status = None;
        self.fault = None;
        self.attempt_reaches(to, now);
    }

    /// The attempt has a connection, perhaps to another endpoint than it began with.
    pub(super) fn attempt_reaches(&mut self, to: &Destination<'_>, now: Duration) {
        let Destination { backend, endpoint, side, .. } = to;
        self.attempt = Some(Attempted { backend: Arc::clone(backend), side: *side, endpoint: Arc::clone(endpoint) });
        self.waiting_since = now;
    }

    /// Whether the attempt waits for a response head from an endpoint that has fallen silent.
    pub(super) fn waits_in_vain(&self, now: Duration) -> bool {
        let to = self.attempt.as_ref().filter(|_| self.status.is_none());
        to.is_some_and(|to| balancer::is_silent(&to.endpoint, &to.backend.endpoints, self.waiting_since, now))
    }

    /// The attempt has a response head.
    pub(super) fn attempt_answered(&mut self, status: StatusCode, now: Duration) {
        let took = now.saturating_sub(self.attempt_since);
        self.status = Some(status);
        self.upstream = Some(took);
        if let Some(live) = self.live() {
            stats::bump(&live.upstream[stats::bucket(&DEFAULT_BOUNDS_MS, took)]);
            add(&live.upstream_micros, took);
        }
    }

    /// The attempt ended by `fault`.
    pub(super) fn attempt_failed(&mut self, fault: Fault) {
        self.status = Some(fault.status());
        self.fault = Some(fault);
    }

    /// The attempt is going to be repeated.
    pub(super) fn attempt_repeats(&mut self) {
        self.retries += 1;
        if let Some(live) = self.live() {
            stats::bump(&live.retries);
        }
    }

    /// Counts the whole exchange at its end: at its backend, or at its route when it reached none, or at `unrouted`.
    pub(super) fn close(&mut self, listener: usize, unrouted: Option<&Arc<Traffic>>, now: Duration) {
        if self.counted_at.is_some() {
            return self.settle_backend(now);
        }
        let routed = self.route.as_ref().and_then(|route| route.traffic(listener, None));
        if let Some(traffic) = routed.or(unrouted) {
            let live = traffic.of(self.worker);
            stats::bump(&live.begun);
            self.finish(live, now);
        }
    }

    fn settle_backend(&mut self, now: Duration) {
        if let Some(live) = self.live() {
            self.finish(live, now);
        }
        self.counted_at = None;
    }

    fn finish(&self, live: &LiveTraffic, now: Duration) {
        let took = now.saturating_sub(self.counted_since);
        let class = self.status.map_or(live.classes.len(), |status| usize::from(status.as_u16() / 100));
        stats::bump(&live.durations[stats::bucket(&DEFAULT_BOUNDS_MS, took)]);
        add(&live.duration_micros, took);
        stats::bump(&live.classes[class.clamp(1, live.classes.len()) - 1]);
    }

    /// The slot of the route's target that the last attempt went to; the first one before there was any.
    pub(super) fn slot(&self) -> usize {
        self.counted_at.map_or(0, |at| at.slot)
    }

    fn live(&self) -> Option<&LiveTraffic> {
        let Place { listener, slot } = self.counted_at?;
        let traffic = self.route.as_ref()?.traffic(listener, Some(slot))?;
        Some(traffic.of(self.worker))
    }
}

/// Adds to a counter that only this thread writes.
fn add(counter: &AtomicU64, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(micros), Ordering::Release);
}
