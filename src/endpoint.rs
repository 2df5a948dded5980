//! One address of a backend: its identity, and the atomics that outlive a reload.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// An address that answers for a backend. Shared by every snapshot that contains it.
#[derive(Debug)]
pub struct Endpoint {
    /// Unique within the process: the key of connection pools.
    pub id: u64,
    /// Where to connect.
    pub address: SocketAddr,
    /// `host:port` as configured: the Host of probes, and the default TLS server name.
    pub authority: Box<str>,
    /// Requests under way, over all workers.
    pub in_flight: AtomicU32,
    /// Peak-sensitive moving average of the latency, in the balancer's own form; 0 before the first answer. Written by [`crate::balancer`].
    pub latency: AtomicU64,
    /// When it was last heard of, and how long it may be silent after that, in the balancer's own form; 0 before the first
    /// answer. Written by [`crate::balancer`].
    pub heard: AtomicU64,
    /// What active probes say; true without probes.
    pub probed_healthy: AtomicBool,
    /// Passive ejection.
    pub ejection: Ejection,
    /// Whether it has left: no snapshot that is in force has it. Written by [`crate::snapshot::Current`].
    pub retired: AtomicBool,
}

impl Endpoint {
    /// An endpoint that is well and idle.
    pub fn new(id: u64, address: SocketAddr, authority: &str) -> Self {
        Self {
            id,
            address,
            authority: authority.into(),
            in_flight: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            probed_healthy: AtomicBool::new(true),
            ejection: Ejection::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// Whether it takes requests: it has not left, its probes are good, and it is not ejected.
    pub fn is_available(&self, now: Duration) -> bool {
        !self.is_retired() && self.probed_healthy.load(Ordering::Relaxed) && !self.ejection.is_ejected(now)
    }

    /// Whether it has left: requests that are under way there are the last.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }
}

/// Passive ejection: an endpoint's own state. Written by [`crate::health::outlier`].
#[derive(Debug, Default)]
pub struct Ejection {
    /// Failures since the last success.
    pub failures: AtomicU32,
    /// Ejected until this uptime in nanoseconds; in the past, or 0, when not.
    pub until: AtomicU64,
    /// How many ejections the next one remembers.
    pub times: AtomicU32,
}

impl Ejection {
    /// Whether the endpoint is left alone at `now`.
    pub fn is_ejected(&self, now: Duration) -> bool {
        self.until() > now
    }

    /// The uptime at which the last ejection ends; 0 when there was none.
    pub fn until(&self) -> Duration {
        Duration::from_nanos(self.until.load(Ordering::Relaxed))
    }
}
