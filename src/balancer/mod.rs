//! Which endpoint of a backend takes the request. Pure.
//!
//! The side of a release is chosen before this, so nothing here moves the canary's share: an endpoint that is out leaves its
//! requests to the other endpoints of its own backend, never to another backend.

mod latency;
mod silence;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

pub use self::latency::latency;
use crate::endpoint::Endpoint;

pub use silence::is_silent;

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// The better of two random ones (M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001) by the
    /// peak-sensitive moving average of the latency times the requests in flight.
    #[default]
    LeastLatency,
    /// One after the other.
    RoundRobin,
}

/// The endpoint for the next request; `None` when no endpoint takes requests.
///
/// Endpoints whose probes fail are never taken. Ejected ones are, when there are no others: ejection is a guess from a few
/// requests, and any endpoint is better than none. `avoid` has the [`Endpoint::id`] of those that have just failed: taken again
/// only when there is no other, not even an ejected one, which may be well again while they certainly are not. `cursor` is
/// the worker's own place in round robin.
pub fn pick<'a>(
    balancer: Balancer,
    endpoints: &'a [Arc<Endpoint>],
    cursor: &AtomicUsize,
    now: Duration,
    avoid: &[u64],
    rng: &mut fastrand::Rng,
) -> Option<&'a Arc<Endpoint>> {
    let mut choose = |fits: &dyn Fn(&Endpoint) -> bool| match balancer {
        Balancer::LeastLatency => better_of_two(endpoints, fits, now, rng),
        Balancer::RoundRobin => next_in_turn(endpoints, fits, cursor),
    };
    let is_avoided = |endpoint: &Endpoint| avoid.contains(&endpoint.id);
    let is_probed = |endpoint: &Endpoint| endpoint.probed_healthy.load(Relaxed);
    choose(&|endpoint| is_available(endpoint, now) && !is_avoided(endpoint))
        .or_else(|| choose(&|endpoint| is_probed(endpoint) && !is_avoided(endpoint)))
        .or_else(|| choose(&is_probed))
}

/// Whether [`pick`] finds any.
pub fn has_any(endpoints: &[Arc<Endpoint>]) -> bool {
    endpoints.iter().any(|endpoint| endpoint.probed_healthy.load(Relaxed))
}

/// Whether `endpoint` takes requests: its probes are good, and it is not ejected.
pub fn is_available(endpoint: &Endpoint, now: Duration) -> bool {
    endpoint.is_available(now)
}

/// The less loaded of two random ones that fit.
fn better_of_two<'a>(
    endpoints: &'a [Arc<Endpoint>],
    fits: &dyn Fn(&Endpoint) -> bool,
    now: Duration,
    rng: &mut fastrand::Rng,
) -> Option<&'a Arc<Endpoint>> {
    let load = |endpoint: &Endpoint| latency::load(endpoint, now);
    let better = |one: &'a Arc<Endpoint>, other: &'a Arc<Endpoint>| if load(other) < load(one) { other } else { one };
    if let Some((one, other)) = two_below(endpoints.len(), rng) {
        let (one, other) = (&endpoints[one], &endpoints[other]);
        if fits(one) && fits(other) {
            return Some(better(one, other));
        }
    }
    // Some do not fit: draw among those that do. The pair above was as good as none, so this one is as random.
    let fitting = || endpoints.iter().filter(|endpoint| fits(endpoint));
    match two_below(fitting().count(), rng) {
        Some((one, other)) => fitting().nth(one).zip(fitting().nth(other)).map(|(one, other)| better(one, other)),
        None => fitting().next(),
    }
}

/// The first that fits, from where the turn is.
fn next_in_turn<'a>(
    endpoints: &'a [Arc<Endpoint>],
    fits: &dyn Fn(&Endpoint) -> bool,
    cursor: &AtomicUsize,
) -> Option<&'a Arc<Endpoint>> {
    let start = cursor.load(Relaxed);
    let places = (0..endpoints.len()).map(|step| start.wrapping_add(step) % endpoints.len());
    let place = places.into_iter().find(|&place| fits(&endpoints[place]))?;
    cursor.store(place + 1, Relaxed);
    Some(&endpoints[place])
}

/// Two different random numbers below `n`, in random order; `None` when there are not two.
fn two_below(n: usize, rng: &mut fastrand::Rng) -> Option<(usize, usize)> {
    if n < 2 {
        return None;
    }
    let (one, other) = (rng.usize(..n), rng.usize(..n - 1));
    Some((one, if other >= one { other + 1 } else { other }))
}

/// A request under way at an endpoint. Dropping it ends that, whatever happened: cancellation counts too.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    begun: Duration,
    /// Whether the endpoint has been judged by it.
    observed: bool,
}

impl InFlight {
    /// A request to `endpoint` begins.
    pub fn begin(endpoint: Arc<Endpoint>, now: Duration) -> Self {
        endpoint.in_flight.fetch_add(1, Relaxed);
        Self { endpoint, begun: now, observed: false }
    }

    /// When it began.
    pub fn begun(&self) -> Duration {
        self.begun
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The response head is there: what it took becomes part of the endpoint's latency. Only the first call of this and of
    /// [`InFlight::failed`] counts.
    pub fn answered(&mut self, now: Duration) {
        self.observe(now.saturating_sub(self.begun), now);
        silence::heard(&self.endpoint, latency::average(&self.endpoint), now);
    }

    /// The attempt failed: the endpoint looks slow for a while, however fast it failed. Else refusing connections would be the
    /// way to get all the traffic.
    pub fn failed(&mut self, now: Duration) {
        self.observe(now.saturating_sub(self.begun).max(latency::FAILURE), now);
    }

    fn observe(&mut self, latency: Duration, now: Duration) {
        if !std::mem::replace(&mut self.observed, true) {
            latency::observe(&self.endpoint, latency, now);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
