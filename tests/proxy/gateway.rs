//! The workers of weir with a configuration, in this process.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use weir::config;
use weir::endpoint::Endpoint;
use weir::proxy::{BindError, Options, Workers};
use weir::snapshot::{Current, Leaves, ReleaseLive, RouteLive, Snapshot};
use weir::stats::Tally;
use weir::types::{Ratio, Side};

/// Running workers. Dropped, they end at once.
pub struct Gateway {
    pub workers: Option<Workers>,
    pub leaves: Leaves,
    pub log: Log,
    current: Arc<Current>,
}

impl Gateway {
    /// Serves `routes_and_so_on` (YAML) on one listener called `web`, on a free port.
    pub fn start(routes_and_so_on: &str) -> Self {
        Self::with_listeners("[{ name: web, address: '127.0.0.1:0' }]", routes_and_so_on)
    }

    /// Sends everything to `backend`.
    pub fn to(backend: SocketAddr) -> Self {
        Self::start(&everything_to(backend))
    }

    /// As [`Gateway::to`], with more YAML at the end.
    pub fn to_with(backend: SocketAddr, more: &str) -> Self {
        Self::start(&format!("{}\n{more}", everything_to(backend)))
    }

    /// Serves on `listeners`.
    pub fn with_listeners(listeners: &str, rest: &str) -> Self {
        let text = format!("listeners: {listeners}\n{rest}\n");
        let text = if text.contains("\nproxy:") { text } else { format!("{text}proxy: {{ workers: 1 }}\n") };
        let workers = config::workers(&loaded(&text), 1);
        let leaves = Leaves::new(workers);
        let current = Arc::new(Current::new(compile(&text, &leaves, 1)));
        let log = Log::default();
        let options = Options { current: current.clone(), workers, seed: 7, access_log: Box::new(log.clone()) };
        let workers = Workers::start(options).unwrap();
        Self { workers: Some(workers), leaves, log, current }
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0].1
    }

    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let addresses = self.workers.as_ref().unwrap().addresses();
        addresses.into_iter().map(|(name, address)| (name.to_string(), address)).collect()
    }

    /// Follows another configuration.
    pub fn reload(&mut self, listeners: &str, rest: &str) -> Result<(), BindError> {
        let text = format!("listeners: {listeners}\n{rest}\n");
        let snapshot = compile(&text, &self.leaves, self.current.load().generation + 1);
        let workers = self.workers.as_mut().unwrap();
        let change = workers.prepare(&snapshot.listeners)?;
        self.current.store(snapshot);
        workers.apply(change, &self.current.load());
        Ok(())
    }

    /// The endpoints of all backends.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.current.load().backends.values().flat_map(|backend| backend.endpoints.clone()).collect()
    }

    /// Drains, and waits for the end.
    pub fn drain(mut self, deadline: Duration) -> Log {
        let workers = self.workers.take().unwrap();
        workers.drain(deadline);
        workers.join();
        self.log.clone()
    }

    /// The live part of the release `shop`.
    pub fn release(&self) -> Arc<ReleaseLive> {
        let snapshot = self.current.load();
        snapshot.releases.values().next().expect("a release").live.clone()
    }

    /// Puts the canary's share in force.
    pub fn share(&self, percent: &str) {
        self.release().set_weight(percent.parse::<Ratio>().unwrap());
    }

    /// What the judge sees of `side`.
    pub fn evidence(&self, side: Side) -> Tally {
        self.release().side(side).read()
    }

    /// Waits until the judge has seen `requests` of `side`.
    pub fn evidence_of(&self, side: Side, requests: u64) -> Tally {
        eventually(|| Some(self.evidence(side)).filter(|tally| tally.requests >= requests))
    }

    /// Waits until the engine has been called on a failure of the canary.
    pub fn engine_called(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let release = self.release();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), release.failed.notified()).await.unwrap()
        });
    }

    /// The first endpoint of `backend`.
    pub fn endpoint(&self, backend: &str) -> Arc<Endpoint> {
        self.current.load().backends[backend].endpoints[0].clone()
    }

    /// The counters of the routes of the release.
    pub fn routes(&self) -> Vec<Arc<RouteLive>> {
        self.current.load().releases.values().next().expect("a release").routes.clone()
    }

    /// Finished requests by class of status, of all listeners, routes and backends whose key has `part`.
    pub fn classes(&self, part: &str) -> [u64; 6] {
        let mut sum = [0; 6];
        for (key, traffic) in self.leaves.all_traffic() {
            if format!("{}/{}/{}", key.listener, key.route, key.backend).contains(part) {
                for live in traffic.iter() {
                    for (sum, class) in sum.iter_mut().zip(&live.classes) {
                        *sum += class.load(std::sync::atomic::Ordering::Acquire);
                    }
                }
            }
        }
        sum
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.join();
        }
    }
}

fn loaded(text: &str) -> config::Loaded {
    config::parse(Path::new("weir.yaml"), text.to_owned()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn compile(text: &str, leaves: &Leaves, generation: u64) -> Snapshot {
    let compiled = config::compile(&loaded(text), leaves, &HashMap::new(), generation);
    compiled.unwrap_or_else(|problems| panic!("{problems}")).snapshot
}

/// YAML that sends everything to `backend`.
pub fn everything_to(backend: SocketAddr) -> String {
    format!("routes: [{{ backend: b }}]\nbackends: {{ b: {{ endpoints: ['{backend}'] }} }}")
}

/// Waits until `look` finds something. For what another thread does in its own time and nothing announces.
pub fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "it never comes true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The access log.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<String>, Condvar)>);

impl Log {
    /// Waits for `count` lines.
    pub fn lines(&self, count: usize) -> Vec<String> {
        let (text, written) = &*self.0;
        let guard = text.lock().unwrap();
        let enough = |text: &mut String| text.lines().count() < count;
        let (text, result) = written.wait_timeout_while(guard, Duration::from_secs(20), enough).unwrap();
        assert!(!result.timed_out(), "{count} lines, but there are: {text}");
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (text, written) = &*self.0;
        text.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        written.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
