//! The compiled configuration: an immutable picture of listeners, routes, backends and releases, swapped as a whole.
//!
//! What changes between two pictures hangs in it as shared leaves (endpoints, counters, the weights of releases): the same
//! `Arc` in both, so a reload forgets nothing. [`Leaves`] hands them out.

mod leaves;
mod queue;
mod routes;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, Method, Uri};
use ipnet::IpNet;
use tokio::sync::Notify;

pub use self::leaves::Leaves;
pub use self::queue::{Ended, Place as QueuePlace, Queue, QueueLive};
pub use self::routes::{BackendEdits, Branch, HeaderEdits, Mirror, PathRewrite, Redirect, Route, Split, Target};
use crate::analysis::Policy;
use crate::balancer::Balancer;
use crate::endpoint::Endpoint;
use crate::failures::{FailedClients, FailureLog, Failures};
use crate::health::outlier::OutlierPolicy;
use crate::log_template::Template;
use crate::outcome::FailurePolicy;
use crate::retry::RetryBudget;
use crate::rollout;
use crate::route::{HostPattern, Router};
use crate::split::SharePhase;
use crate::stats::{Bounds, LiveCount, LiveTally, LiveTraffic, PerWorker, Tally};
use crate::types::{Name, Ratio, Side};

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

/// A stable backend, a canary backend, and the share between them.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its name.
    pub name: Name,
    /// The release that it moves with; what both share is that one's: all but the name and the backends.
    pub follows: Option<Name>,
    /// In service.
    pub stable: Arc<Backend>,
    /// The candidate.
    pub canary: Arc<Backend>,
    /// Which clients stay where.
    pub affinity: Option<Affinity>,
    /// Testers' choices, the first that matches holds.
    pub overrides: Vec<Override>,
    /// What counts as a failure.
    pub failures: FailurePolicy,
    /// Latency bounds of the evidence.
    pub bounds: Bounds,
    /// What the rollout is to do.
    pub spec: rollout::Spec,
    /// The methods of requests that are copied for the canary, before any user is sent to it.
    pub mirrored_methods: Box<[Method]>,
    /// What the judge must be sure of.
    pub policy: Policy,
    /// Whether responses' latencies are judged.
    pub judge_latency: bool,
    /// Further conditions beside weir's own eyes.
    pub checks: Vec<Check>,
    /// The counters of each route that leads here, where there are several: what drowns in the sum is found there.
    pub routes: Vec<Arc<RouteLive>>,
    /// What outlives a reload.
    pub live: Arc<ReleaseLive>,
}

impl Release {
    /// The backend of one side.
    pub fn backend(&self, side: Side) -> &Arc<Backend> {
        match side {
            Side::Stable => &self.stable,
            Side::Canary => &self.canary,
        }
    }

    /// Puts in force what `state` gives to the canary: of users, and of copies.
    pub fn put_in_force(&self, state: &rollout::State) {
        // While requests are copied no weight is looked at: in this order none is without the one or the other.
        self.live.set_weight(state.weight);
        self.live.set_mirrored(self.spec.mirrored(state));
    }
}

/// A further condition: asked by the engine, never by the request path.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: Name,
    /// What is asked.
    pub kind: CheckKind,
    /// The time between two looks.
    pub interval: Duration,
    /// The longest wait for an answer.
    pub timeout: Duration,
    /// Failures in a row until the check fails.
    pub failures: u32,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// A Prometheus instant query, compared with a number.
    Prometheus {
        /// The server's base address.
        address: Uri,
        /// The query.
        query: String,
        /// How its value must compare.
        pass_if: Comparison,
    },
    /// A POST of the release's status.
    Webhook {
        /// Where to.
        url: Uri,
    },
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    /// `< n`
    Less(f64),
    /// `<= n`
    LessOrEqual(f64),
    /// `> n`
    Greater(f64),
    /// `>= n`
    GreaterOrEqual(f64),
    /// `== n`
    Equal(f64),
    /// `!= n`
    NotEqual(f64),
}

/// Which clients stay where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// By a cookie that weir sets.
    Cookie {
        /// Its name.
        name: String,
        /// How long a client keeps it.
        max_age: Duration,
    },
    /// By the value of a request field.
    Header(HeaderName),
    /// By the client's address.
    ClientIp,
}

/// A tester's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The side.
    pub to: Side,
    /// Where the key is.
    pub key: OverrideKey,
    /// The secret value; `None`: any.
    pub value: Option<String>,
    /// The addresses that may; empty: all.
    pub from: Vec<IpNet>,
}

/// Where a tester's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideKey {
    /// In this field.
    Header(HeaderName),
    /// In this cookie.
    Cookie(String),
}

/// What workers saw of one route of a rollout.
#[derive(Debug)]
pub struct RouteLive {
    /// The route.
    pub name: Name,
    /// Requests and failures, stable first.
    sides: [PerWorker<LiveCount>; 2],
}

impl RouteLive {
    /// The counters of one side.
    pub fn side(&self, side: Side) -> &PerWorker<LiveCount> {
        match side {
            Side::Stable => &self.sides[0],
            Side::Canary => &self.sides[1],
        }
    }
}

/// The part of a rollout that workers and the engine share: one for each [`rollout::Spec::rollout`].
#[derive(Debug)]
pub struct ReleaseLive {
    /// Parts per million to the canary; written by the engine alone.
    weight: AtomicU32,
    /// Parts per million of the requests that are copied for the canary, while it has no users; written by the engine alone.
    mirrored: AtomicU32,
    /// The canary's answers to copies, which are among what workers saw.
    pub copies: PerWorker<LiveCount>,
    /// Each worker's place in the share.
    pub phase: PerWorker<SharePhase>,
    /// What workers saw, stable first.
    pub sides: [PerWorker<LiveTally>; 2],
    /// What other weirs saw that serve the same release, as far as they have told; stable first.
    pub elsewhere: [LiveTally; 2],
    /// The routes' counters, which outlive a reload too. Locked by whoever compiles.
    routes: Mutex<BTreeMap<Name, Arc<RouteLive>>>,
    /// Clients that have failed in this rollout, by hash, with affinity only. Taken for failed requests alone.
    failed_clients: Mutex<FailedClients>,
    /// What each worker saw fail.
    failures: PerWorker<Mutex<FailureLog>>,
    /// Rung on each failure of the canary, so that the engine looks at once.
    pub failed: Arc<Notify>,
}

impl ReleaseLive {
    /// A rollout that sends nothing to the canary yet.
    pub fn new(workers: usize, failed: Arc<Notify>) -> Self {
        Self {
            weight: AtomicU32::new(0),
            mirrored: AtomicU32::new(0),
            copies: PerWorker::new(workers),
            phase: PerWorker::new(workers),
            sides: [PerWorker::new(workers), PerWorker::new(workers)],
            elsewhere: Default::default(),
            routes: Mutex::default(),
            failed_clients: Mutex::default(),
            failures: PerWorker::new(workers),
            failed,
        }
    }

    /// The canary's share in force.
    pub fn weight(&self) -> Ratio {
        Ratio::from_ppm(self.weight.load(Ordering::Relaxed)).unwrap_or(Ratio::ZERO)
    }

    /// Puts a share in force: the next request of every worker obeys it.
    pub fn set_weight(&self, weight: Ratio) {
        self.weight.store(weight.ppm(), Ordering::Relaxed);
    }

    /// The share of the requests that are copied for the canary; 0 but before its first user.
    pub fn mirrored(&self) -> Ratio {
        Ratio::from_ppm(self.mirrored.load(Ordering::Relaxed)).unwrap_or(Ratio::ZERO)
    }

    /// Puts a share of copies in force.
    pub fn set_mirrored(&self, share: Ratio) {
        self.mirrored.store(share.ppm(), Ordering::Relaxed);
    }

    /// The canary's share of what counts as evidence: of the copies while there are any, else of the traffic.
    pub fn share(&self) -> Ratio {
        let mirrored = self.mirrored();
        if mirrored == Ratio::ZERO { self.weight() } else { mirrored }
    }

    /// The counters of one side.
    pub fn side(&self, side: Side) -> &PerWorker<LiveTally> {
        match side {
            Side::Stable => &self.sides[0],
            Side::Canary => &self.sides[1],
        }
    }

    /// The counters of the route `name`, made for `workers` workers where there are none.
    pub fn route(&self, name: &Name, workers: usize) -> Arc<RouteLive> {
        let mut routes = lock(&self.routes);
        let make = || RouteLive { name: name.clone(), sides: [PerWorker::new(workers), PerWorker::new(workers)] };
        routes.entry(name.clone()).or_insert_with(|| Arc::new(make())).clone()
    }

    /// Clients that have failed in this rollout; for failed requests, and the engine.
    pub fn failed_clients(&self) -> MutexGuard<'_, FailedClients> {
        lock(&self.failed_clients)
    }

    /// What `worker` saw fail; for failed requests.
    pub fn failures(&self, worker: usize) -> MutexGuard<'_, FailureLog> {
        lock(self.failures.of(worker))
    }

    /// `before`, and what the workers saw fail since.
    pub fn all_failures(&self, before: &Failures) -> Failures {
        let logs: Vec<_> = self.failures.iter().map(lock).collect();
        before.with(logs.iter().map(|log| &**log))
    }

    /// Another attempt begins: what failed before is forgotten, and clients may fail for the first time again.
    pub fn forget_failures(&self) {
        *self.failed_clients() = FailedClients::default();
        self.failures.iter().for_each(|log| *lock(log) = FailureLog::default());
    }

    /// What was seen of both sides so far, here and elsewhere: stable, canary.
    pub fn read(&self) -> (Tally, Tally) {
        let (mut stable, mut canary) = self.read_here();
        stable += &self.elsewhere[0].read();
        canary += &self.elsewhere[1].read();
        (stable, canary)
    }

    /// What the workers of this process saw of both sides so far: stable, canary.
    pub fn read_here(&self) -> (Tally, Tally) {
        (self.sides[0].read(), self.sides[1].read())
    }
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
