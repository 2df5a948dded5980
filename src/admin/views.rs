//! The snapshot as people read it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::balancer;
use crate::endpoint::Endpoint;
use crate::snapshot::Snapshot;
use crate::types::Name;

/// The answer of `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// weir's version.
    pub version: String,
    /// The operating system it was built for.
    pub os: String,
    /// The processor it was built for.
    pub arch: String,
}

impl Version {
    /// Of this binary.
    pub fn own() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
        }
    }
}

/// A listener in the answer of `GET /listeners`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerView {
    /// Its name.
    pub name: Name,
    /// Where it is bound.
    pub address: SocketAddr,
}

/// A backend in the answer of `GET /backends`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendView {
    /// Its name.
    pub name: Name,
    /// Its endpoints; none while a name does not resolve.
    pub endpoints: Vec<EndpointView>,
}

/// An endpoint of a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// Where it is.
    pub address: SocketAddr,
    /// What the configuration calls it.
    pub configured: String,
    /// Whether it takes requests.
    pub health: Health,
    /// Requests under way.
    pub in_flight: u32,
    /// The moving average of its latency in milliseconds; it jumps at peaks. `None` before the first answer, and a while after the last.
    pub latency_ms: Option<f64>,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// It does.
    Healthy,
    /// Its probes fail.
    ProbesFail,
    /// It failed requests and is left alone for a while.
    Ejected,
}

/// All backends at uptime `now`.
pub(super) fn backends(snapshot: &Snapshot, now: Duration) -> Vec<BackendView> {
    let view = |(name, backend): (&Name, &std::sync::Arc<crate::snapshot::Backend>)| BackendView {
        name: name.clone(),
        endpoints: backend.endpoints.iter().map(|endpoint| self::endpoint(endpoint, now)).collect(),
    };
    snapshot.backends.iter().map(view).collect()
}

fn endpoint(endpoint: &Endpoint, now: Duration) -> EndpointView {
    let ejected_until = Duration::from_nanos(endpoint.ejection.until.load(Ordering::Relaxed));
    let health = if !endpoint.probed_healthy.load(Ordering::Relaxed) {
        Health::ProbesFail
    } else if ejected_until > now {
        Health::Ejected
    } else {
        Health::Healthy
    };
    EndpointView {
        address: endpoint.address,
        configured: endpoint.authority.to_string(),
        health,
        in_flight: endpoint.in_flight.load(Ordering::Relaxed),
        latency_ms: balancer::latency(endpoint, now).map(|latency| latency.as_secs_f64() * 1e3),
    }
}
