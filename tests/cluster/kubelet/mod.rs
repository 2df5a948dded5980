//! A node whose containers are processes of this machine.
//!
//! It does what a kubelet does for the pods that the scheduler binds to it: an address and a network namespace for each pod,
//! volumes, the environment, init containers, probes, restarts with back-off, hooks, signals and grace at the end, status and
//! logs. A container has its own file system with the machine's `/usr` in it; there are no limits on processor and memory, no
//! users, no container runtime, no `kubectl exec`. Until it is ready for the first time a container is probed every 100 ms.

mod container;
mod environment;
mod logs;
mod node;
mod pod;
mod probes;
mod status;
mod volumes;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use super::Programs;

/// The node's name.
pub(super) const NAME: &str = "node-1";

/// What every pod's task needs.
struct Shared {
    client: Client,
    programs: Programs,
    addresses: AtomicU16,
}

impl Shared {
    /// A pod address that none had before; 10.244.0.1 is the node's end of the links.
    fn address(&self) -> Ipv4Addr {
        let [third, fourth] = self.addresses.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ipv4Addr::new(10, 244, third, fourth)
    }
}

/// Registers the node and runs its pods from now on.
pub(super) async fn start(client: Client, programs: &Programs) -> anyhow::Result<()> {
    logs::listen().await?;
    node::register(&client).await?;
    tokio::spawn(node::renew(client.clone()));
    let shared = Shared { client, programs: programs.clone(), addresses: AtomicU16::new(2) };
    tokio::task::spawn_local(run_pods(Arc::new(shared)));
    Ok(())
}

/// One task for each pod of this node.
async fn run_pods(shared: Arc<Shared>) {
    let pods: Api<Pod> = Api::all(shared.client.clone());
    let own = watcher::Config::default().fields(&format!("spec.nodeName={NAME}"));
    let mut events = pin!(watcher(pods, own).default_backoff());
    let mut tasks = Tasks { shared, running: HashMap::new(), listed: HashSet::new() };
    loop {
        match events.try_next().await {
            Ok(Some(event)) => tasks.note(event),
            Ok(None) => return,
            Err(error) => eprintln!("cluster: cannot watch pods: {error}"),
        }
    }
}

/// The pods' tasks by uid; each hears of its pod's changes, and of its end as `None`.
struct Tasks {
    shared: Arc<Shared>,
    running: HashMap<String, watch::Sender<Option<Arc<Pod>>>>,
    /// What the list that is being read has.
    listed: HashSet<String>,
}

impl Tasks {
    fn note(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.insert(pod.uid().unwrap_or_default());
                self.apply(Arc::new(pod));
            }
            watcher::Event::InitDone => {
                let gone = self.running.extract_if(|uid, _| !self.listed.contains(uid));
                gone.for_each(|(_, task)| drop(task.send_replace(None)));
            }
            watcher::Event::Apply(pod) => self.apply(Arc::new(pod)),
            watcher::Event::Delete(pod) => {
                if let Some(task) = self.running.remove(&pod.uid().unwrap_or_default()) {
                    task.send_replace(None);
                }
            }
        }
    }

    fn apply(&mut self, pod: Arc<Pod>) {
        let uid = pod.uid().unwrap_or_default();
        if let Some(task) = self.running.get(&uid) {
            task.send_replace(Some(pod));
        } else if !status::is_over(&pod) {
            let (changes, changed) = watch::channel(Some(pod.clone()));
            tokio::task::spawn_local(pod::run(self.shared.clone(), pod, changed));
            self.running.insert(uid, changes);
        }
    }
}
