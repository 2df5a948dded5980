//! What outlives snapshots, so that a reload forgets nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Notify;

use super::{Phases, QueueLive, ReleaseLive, Traffic, TrafficKey, lock};
use crate::endpoint::Endpoint;
use crate::retry::RetryBudget;
use crate::split::{SharePhase, SplitPhase};
use crate::stats::PerWorker;
use crate::types::Name;

/// What outlives snapshots, by key: a compile takes from here what it needs and adds what is missing.
///
/// The locks are taken by compiles and scrapes, never by requests.
#[derive(Debug)]
pub struct Leaves {
    /// How many workers there are.
    pub workers: usize,
    /// Rung by every release on a failure of its canary.
    pub failed: Arc<Notify>,
    next_endpoint: AtomicU64,
    endpoints: Mutex<HashMap<(Name, SocketAddr), Arc<Endpoint>>>,
    traffic: Mutex<BTreeMap<TrafficKey, Arc<Traffic>>>,
    releases: Mutex<HashMap<(Name, String), Arc<ReleaseLive>>>,
    splits: Mutex<HashMap<(Name, String), Phases<SplitPhase>>>,
    mirrors: Mutex<HashMap<(Name, usize), Phases<SharePhase>>>,
    budgets: Mutex<HashMap<Name, Arc<RetryBudget>>>,
    queues: Mutex<BTreeMap<Name, Arc<QueueLive>>>,
    tls_clients: Mutex<HashMap<String, Arc<rustls::ClientConfig>>>,
    tickets: OnceLock<Option<Arc<dyn rustls::server::ProducesTickets>>>,
}

impl Leaves {
    /// None yet.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            failed: Arc::default(),
            next_endpoint: AtomicU64::new(1),
            endpoints: Mutex::default(),
            traffic: Mutex::default(),
            releases: Mutex::default(),
            splits: Mutex::default(),
            mirrors: Mutex::default(),
            budgets: Mutex::default(),
            queues: Mutex::default(),
            tls_clients: Mutex::default(),
            tickets: OnceLock::new(),
        }
    }

    /// What repeats there is budget for at `backend`.
    pub fn budget(&self, backend: &Name) -> Arc<RetryBudget> {
        lock(&self.budgets).entry(backend.clone()).or_default().clone()
    }

    /// What is counted of the requests that wait for `backend`.
    pub fn queue(&self, backend: &Name) -> Arc<QueueLive> {
        lock(&self.queues).entry(backend.clone()).or_default().clone()
    }

    /// All queues, by backend.
    pub fn all_queues(&self) -> Vec<(Name, Arc<QueueLive>)> {
        lock(&self.queues).iter().map(|(name, queue)| (name.clone(), queue.clone())).collect()
    }

    /// The TLS client that is made of `made_of` (a text that differs whenever anything in it does); `make` makes it when
    /// there is none yet. Connections are pooled by its address, so the same one must come back.
    pub fn tls_client<E>(
        &self,
        made_of: &str,
        make: impl FnOnce() -> Result<Arc<rustls::ClientConfig>, E>,
    ) -> Result<Arc<rustls::ClientConfig>, E> {
        let mut clients = lock(&self.tls_clients);
        if let Some(client) = clients.get(made_of) {
            return Ok(client.clone());
        }
        let client = make()?;
        clients.insert(made_of.to_owned(), client.clone());
        Ok(client)
    }

    /// Makes the session tickets of all TLS listeners: the same over all snapshots, so that clients resume their sessions
    /// after a reload. `None` when there is no randomness for its keys.
    pub fn session_tickets(&self) -> Option<Arc<dyn rustls::server::ProducesTickets>> {
        self.tickets.get_or_init(|| rustls::crypto::aws_lc_rs::Ticketer::new().ok()).clone()
    }

    /// The endpoint of `backend` at `address`.
    pub fn endpoint(&self, backend: &Name, address: SocketAddr, authority: &str) -> Arc<Endpoint> {
        let mut endpoints = lock(&self.endpoints);
        let known = endpoints.entry((backend.clone(), address)).or_insert_with(|| {
            let id = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
            Arc::new(Endpoint::new(id, address, authority))
        });
        known.clone()
    }

    /// The counters of `key`.
    pub fn traffic(&self, key: TrafficKey) -> Arc<Traffic> {
        lock(&self.traffic).entry(key).or_insert_with(|| Arc::new(PerWorker::new(self.workers))).clone()
    }

    /// All counters.
    pub fn all_traffic(&self) -> Vec<(TrafficKey, Arc<Traffic>)> {
        lock(&self.traffic).iter().map(|(key, traffic)| (key.clone(), traffic.clone())).collect()
    }

    /// The live part of `rollout` of `release`.
    pub fn release(&self, release: &Name, rollout: &str) -> Arc<ReleaseLive> {
        let mut releases = lock(&self.releases);
        let known = releases
            .entry((release.clone(), rollout.to_owned()))
            .or_insert_with(|| Arc::new(ReleaseLive::new(self.workers, self.failed.clone())));
        known.clone()
    }

    /// Each worker's place in the split of `route`, as long as that is `made_of` the same weights and targets.
    pub fn split(&self, route: &Name, made_of: String) -> Phases<SplitPhase> {
        let fresh = || Arc::new(PerWorker::new(self.workers));
        lock(&self.splits).entry((route.clone(), made_of)).or_insert_with(fresh).clone()
    }

    /// Each worker's place in the share of its requests that `route` copies to its mirror number `index`.
    pub fn mirror(&self, route: &Name, index: usize) -> Phases<SharePhase> {
        let fresh = || Arc::new(PerWorker::new(self.workers));
        lock(&self.mirrors).entry((route.clone(), index)).or_insert_with(fresh).clone()
    }

    /// Forgets what nothing but this uses any more. Call it after a new snapshot is in force.
    pub fn prune(&self) {
        lock(&self.endpoints).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.traffic).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.releases).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.splits).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.mirrors).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.budgets).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.queues).retain(|_, leaf| Arc::strong_count(leaf) > 1);
        lock(&self.tls_clients).retain(|_, leaf| Arc::strong_count(leaf) > 1);
    }
}
