//! The compiled configuration: an immutable picture of listeners, routes, backends and releases, swapped as a whole.
//!
//! What changes between two pictures hangs in it as shared leaves (endpoints, counters, the weights of releases): the same
//! `Arc` in both, so a reload forgets nothing. [`Leaves`] hands them out.

mod leaves;
mod queue;
mod releases;
mod routes;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, Uri};
use ipnet::IpNet;

pub use self::leaves::Leaves;
pub use self::queue::{Ended, Place as QueuePlace, Queue, QueueLive};
pub use self::releases::{
    Affinity, Check, CheckKind, Comparison, Override, OverrideKey, Release, ReleaseLive, RouteLive,
};
pub use self::routes::{
    BackendEdits, Branch, HeaderEdits, Mirror, PathRewrite, Phases, Redirect, Route, Split, Target,
};
use crate::balancer::Balancer;
use crate::endpoint::Endpoint;
use crate::health::outlier::OutlierPolicy;
use crate::log_template::Template;
use crate::retry::RetryBudget;
use crate::route::{HostPattern, Router};
use crate::stats::{LiveTraffic, PerWorker};
use crate::types::Name;

/// The whole picture.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with each reload, from 1.
    pub generation: u64,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// From request to route. A rule says on which listeners (by index) it holds.
    pub router: Router<Arc<Route>>,
    /// Every backend by name.
    pub backends: BTreeMap<Name, Arc<Backend>>,
    /// Every release by name.
    pub releases: BTreeMap<Name, Arc<Release>>,
    /// Limits and timeouts for clients.
    pub client: ClientPolicy,
    /// How requests are logged; `None` when they are not.
    pub access_log: Option<AccessLog>,
}

impl Snapshot {
    /// The endpoints of all backends.
    fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.backends.values().flat_map(|backend| &backend.endpoints)
    }
}

/// The one place where the picture in force is.
#[derive(Debug)]
pub struct Current(ArcSwap<Snapshot>);

impl Current {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The picture in force.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// The picture in force, to keep.
    pub fn load_full(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts another in force. Requests under way keep the one they began with, and are told by [`Endpoint::retired`] when
    /// their endpoint is not in this one.
    pub fn store(&self, snapshot: Snapshot) {
        let stay: HashSet<u64> = snapshot.endpoints().map(|endpoint| endpoint.id).collect();
        snapshot.endpoints().for_each(|endpoint| endpoint.retired.store(false, Ordering::Relaxed));
        let before = self.0.swap(Arc::new(snapshot));
        let gone = before.endpoints().filter(|endpoint| !stay.contains(&endpoint.id));
        gone.for_each(|endpoint| endpoint.retired.store(true, Ordering::Relaxed));
    }
}

/// Where clients connect.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name.
    pub name: Name,
    /// Its configured address; with port 0 the bound one differs.
    pub address: SocketAddr,
    /// Which hosts are its own among the listeners at its address.
    pub host: HostPattern,
    /// The port that clients connect to, where that is another one.
    pub public_port: Option<u16>,
    /// The server side of TLS; `None` for plain text.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whose X-Forwarded-* fields are believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Counts requests that no route took (400, 404, 431, ...).
    pub unrouted: Arc<Traffic>,
}

impl Listener {
    /// Where it is served; listeners with the same place share their sockets.
    pub fn place(&self) -> Place {
        let alone = self.address.port() == 0;
        Place { address: self.address, name: alone.then(|| self.name.clone()) }
    }
}

/// A place where listeners are served: a configured address. With port 0 it is one listener's alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The address.
    pub address: SocketAddr,
    name: Option<Name>,
}

/// Limits and timeouts for clients.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPolicy {
    /// Connections of all listeners together.
    pub connections: usize,
    /// Bytes of a request head.
    pub header_bytes: usize,
    /// Fields of a request.
    pub header_count: usize,
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
    /// Concurrent requests on one HTTP/2 connection.
    pub http2_streams: u32,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a whole request head.
    pub header: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// How long requests in flight may go on after a termination signal.
    pub drain_timeout: Duration,
    /// How long the listeners stay open after readiness is withdrawn.
    pub drain_delay: Duration,
}

/// How requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// By this template of Envoy's operators.
    Text(Arc<Template>),
    /// As a JSON object.
    Json,
}

/// A named target.
#[derive(Debug)]
pub struct Backend {
    /// Its name.
    pub name: Name,
    /// Its addresses; may be empty while a name does not resolve.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Stands for a target that does not exist.
    pub unresolved: bool,
    /// What is spoken.
    pub protocol: Protocol,
    /// The client side of TLS; `None` for plain text.
    pub tls: Option<BackendTls>,
    /// How an endpoint is chosen.
    pub balancer: Balancer,
    /// Each worker's place in round robin.
    pub cursor: PerWorker<AtomicUsize>,
    /// Passive ejection.
    pub outlier: OutlierPolicy,
    /// Active probes.
    pub probe: Option<Probe>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// From the sent request to the response head.
    pub response_timeout: Duration,
    /// Between two parts of a body.
    pub idle_timeout: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
    /// Most connections to each endpoint from each worker.
    pub max_connections: usize,
    /// Most waiting requests in each worker.
    pub max_pending: usize,
    /// Requests that wait while it has no endpoint.
    pub queue: Queue,
    /// What repeats there is budget for.
    pub budget: Arc<RetryBudget>,
}

/// What is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// By ALPN, or HTTP/1.1 and h2c for gRPC.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The client side of TLS.
#[derive(Clone, Debug)]
pub struct BackendTls {
    /// Trust, client certificate, ALPN.
    pub config: Arc<rustls::ClientConfig>,
    /// The name to verify and to send as SNI; `None`: the endpoint's host.
    pub server_name: Option<rustls_pki_types::ServerName<'static>>,
}

/// Active probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What to GET.
    pub path: Uri,
    /// The Host; `None`: the endpoint's.
    pub host: Option<HeaderValue>,
    /// Between two probes.
    pub interval: Duration,
    /// The longest wait.
    pub timeout: Duration,
    /// Good answers in a row until healthy.
    pub healthy_after: u32,
    /// Bad answers in a row until unhealthy.
    pub unhealthy_after: u32,
}

/// Locks; a panic elsewhere while holding the lock leaves what is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counters of the requests of one (listener, route, backend), for metrics.
pub type Traffic = PerWorker<LiveTraffic>;

/// What identifies a [`Traffic`]. An empty route: no route matched. An empty backend: weir answered by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficKey {
    /// The listener.
    pub listener: String,
    /// The route.
    pub route: String,
    /// The backend.
    pub backend: String,
}
