//! Which endpoint of a backend takes the request. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::endpoint::Endpoint;

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// Power of two choices on in-flight times peak EWMA.
    #[default]
    LeastLatency,
    /// One after the other.
    RoundRobin,
}

/// The endpoint for the next request; `None` when no endpoint takes requests.
///
/// `avoid` is the [`Endpoint::id`] of a failed attempt: taken again only when it is the only one.
pub fn pick<'a>(
    balancer: Balancer,
    endpoints: &'a [Arc<Endpoint>],
    cursor: &AtomicUsize,
    now: Duration,
    avoid: Option<u64>,
    rng: &mut fastrand::Rng,
) -> Option<&'a Arc<Endpoint>> {
    let _ = (balancer, cursor, now, avoid, rng);
    endpoints.first()
}

/// Whether `endpoint` takes requests: its probes are good, and it is not ejected.
pub fn is_available(endpoint: &Endpoint, now: Duration) -> bool {
    let _ = now;
    endpoint.probed_healthy.load(Ordering::Relaxed)
}

/// A request under way at an endpoint. Dropping it ends that, whatever happened: cancellation counts too.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Arc<Endpoint>,
}

impl InFlight {
    /// A request to `endpoint` begins.
    pub fn begin(endpoint: Arc<Endpoint>, now: Duration) -> Self {
        let _ = now;
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { endpoint }
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The response head is there: what it took becomes part of the endpoint's latency.
    pub fn answered(&mut self, now: Duration) {
        let _ = now;
    }

    /// The attempt failed: the endpoint looks slow for a while, however fast it failed.
    pub fn failed(&mut self, now: Duration) {
        let _ = now;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
