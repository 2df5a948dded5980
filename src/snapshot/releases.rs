//! Releases: what they are to do, and what workers and the engine share of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderName, Method, Uri};
use ipnet::IpNet;
use tokio::sync::Notify;

use super::{Backend, lock};
use crate::analysis::Policy;
use crate::failures::{FailedClients, FailureLog, Failures};
use crate::outcome::FailurePolicy;
use crate::rollout;
use crate::split::SharePhase;
use crate::stats::{Bounds, LiveCount, LiveTally, PerWorker, Tally};
use crate::types::{Name, Ratio, Side};

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
    /// The counters of each route that leads here, or to a release that moves with this one, where there are several: what
    /// drowns in the sum is found there.
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
    /// What other weirs saw that serve the same release, as far as they have told; stable first.
    pub elsewhere: [LiveCount; 2],
}

impl RouteLive {
    /// The counters of one side.
    pub fn side(&self, side: Side) -> &PerWorker<LiveCount> {
        match side {
            Side::Stable => &self.sides[0],
            Side::Canary => &self.sides[1],
        }
    }

    /// Requests and failures so far, here and elsewhere: stable, canary.
    pub fn read(&self) -> ((u64, u64), (u64, u64)) {
        let (stable, canary) = self.read_here();
        let both = |here: (u64, u64), elsewhere: (u64, u64)| (here.0 + elsewhere.0, here.1 + elsewhere.1);
        (both(stable, self.elsewhere[0].read()), both(canary, self.elsewhere[1].read()))
    }

    /// What the workers of this process saw of it so far: stable, canary.
    pub fn read_here(&self) -> ((u64, u64), (u64, u64)) {
        (self.sides[0].read(), self.sides[1].read())
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
    /// What other weirs saw fail in this attempt, by process.
    failures_elsewhere: Mutex<BTreeMap<u64, Failures>>,
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
            failures_elsewhere: Mutex::default(),
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
        let make = || RouteLive {
            name: name.clone(),
            sides: [PerWorker::new(workers), PerWorker::new(workers)],
            elsewhere: Default::default(),
        };
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

    /// What the workers saw fail in this attempt.
    pub fn failures_here(&self) -> Failures {
        Failures::default().and(&self.told())
    }

    /// What failed in this attempt: `before` this process began, and since, here and elsewhere.
    pub fn all_failures(&self, before: &Failures) -> Failures {
        let mut told = self.told();
        let here = before.and(&told);
        told.extend(lock(&self.failures_elsewhere).values().cloned());
        let everywhere = Failures::default().and(&told);
        // What was known before may be what the others tell again.
        if everywhere.requests() > here.requests() { everywhere } else { here }
    }

    /// The weir `instance` has seen all that fail so far in this attempt.
    pub fn fails_elsewhere(&self, instance: u64, failures: Failures) {
        let mut elsewhere = lock(&self.failures_elsewhere);
        if elsewhere.len() < MOST_ELSEWHERE || elsewhere.contains_key(&instance) {
            elsewhere.insert(instance, failures);
        }
    }

    /// Another attempt begins: what failed before is forgotten, and clients may fail for the first time again.
    pub fn forget_failures(&self) {
        *self.failed_clients() = FailedClients::default();
        self.failures.iter().for_each(|log| *lock(log) = FailureLog::default());
        lock(&self.failures_elsewhere).clear();
    }

    fn told(&self) -> Vec<Failures> {
        self.failures.iter().map(|log| lock(log).told()).collect()
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

/// Processes whose failures are told apart from the rest: those of weirs that serve now, and of some that are gone.
const MOST_ELSEWHERE: usize = 256;
