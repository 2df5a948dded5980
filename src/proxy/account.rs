//! What is told about an exchange when it has ended: to the metrics and to the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

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
    pub(super) attempt: Option<Destination>,
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
    traffic: Option<Arc<Traffic>>,
    traffic_since: Duration,
    attempt_since: Duration,
}

/// Where an attempt goes.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// Which of the target's backends.
    pub(super) slot: usize,
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
        Self { worker, traffic_since: now, ..Self::default() }
    }

    /// An attempt begins, on listener number `listener`.
    ///
    /// A request that moves from one backend to another counts once at each: metrics by backend tell what each one did.
    pub(super) fn attempt_begins(&mut self, listener: usize, to: Destination, now: Duration) {
        if self.attempt.as_ref().is_none_or(|before| before.slot != to.slot) {
            self.settle_backend(now);
            self.traffic = self.route.as_ref().and_then(|route| route.traffic(listener, Some(to.slot)).cloned());
            self.traffic_since = now;
            if let Some(live) = self.live() {
                stats::bump(&live.begun);
            }
        }
        self.attempt = Some(to);
        self.attempt_since = now;
        self.status = None;
        self.fault = None;
    }

    /// The attempt has a response head.
    pub(super) fn attempt_answered(&mut self, status: StatusCode, now: Duration) {
        let took = now.saturating_sub(self.attempt_since);
        self.status = Some(status);
        self.upstream = Some(took);
        if let Some(live) = self.live() {
            stats::bump(&live.upstream[bucket(took)]);
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
        if self.traffic.is_some() {
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
        if let Some(traffic) = self.traffic.take() {
            self.finish(traffic.of(self.worker), now);
        }
    }

    fn finish(&self, live: &LiveTraffic, now: Duration) {
        let took = now.saturating_sub(self.traffic_since);
        let class = self.status.map_or(live.classes.len(), |status| usize::from(status.as_u16() / 100));
        stats::bump(&live.durations[bucket(took)]);
        add(&live.duration_micros, took);
        stats::bump(&live.classes[class.clamp(1, live.classes.len()) - 1]);
    }

    fn live(&self) -> Option<&LiveTraffic> {
        self.traffic.as_ref().map(|traffic| traffic.of(self.worker))
    }
}

/// Counts one request that never became an exchange: hyper refused its head.
pub(super) fn count_refused(live: &LiveTraffic, status: StatusCode) {
    stats::bump(&live.begun);
    stats::bump(&live.durations[0]);
    let class = usize::from(status.as_u16() / 100).clamp(1, live.classes.len());
    stats::bump(&live.classes[class - 1]);
}

/// The bucket of [`DEFAULT_BOUNDS_MS`] that holds `took`.
fn bucket(took: Duration) -> usize {
    let micros = took.as_micros();
    DEFAULT_BOUNDS_MS.partition_point(|&bound| u128::from(bound) * 1000 < micros)
}

/// Adds to a counter that only this thread writes.
fn add(counter: &AtomicU64, took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(micros), Ordering::Release);
}
