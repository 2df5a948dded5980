//! This replica among the others: who leads, what the replicas tell each other, and the controller of releases.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lease::{self, Leadership};
use super::peers::identity::{self, Identity};
use super::peers::{self, Exchange, Listening};
use super::release::controller::View;
use super::release::{Book, Controller};
use super::settings::Settings;
use crate::admin::Readiness;
use crate::clock::Clock;
use crate::engine::{Control, ReleaseStatus};
use crate::snapshot::Current;

/// This replica, before it takes part.
pub struct Replica {
    client: Client,
    settings: Settings,
    leadership: Arc<Leadership>,
    book: Arc<Book>,
    views: watch::Sender<View>,
    regained: watch::Sender<u64>,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Replica {
    /// Of the weir that `settings` describe. `regained` counts how often the API server was reached again.
    pub fn new(client: Client, settings: Settings, regained: watch::Sender<u64>) -> Self {
        let leadership = Arc::<Leadership>::default();
        let book = Arc::new(Book::new(leadership.clone()));
        Self { client, settings, leadership, book, views: watch::Sender::default(), regained }
    }

    /// What the engine proposes its decisions to.
    pub fn ledger(&self) -> Arc<Book> {
        self.book.clone()
    }

    /// Who leads.
    pub fn leadership(&self) -> Arc<Leadership> {
        self.leadership.clone()
    }

    /// What the cluster is like now, and served.
    pub fn view(&self, view: View) {
        self.views.send_replace(view);
    }

    /// Takes part: stands for election, drives releases by `control`, tells and hears the others. `leads` is told who leads,
    /// `readiness` when this replica knows what the others know.
    pub fn start(
        &self,
        control: Control,
        current: Arc<Current>,
        clock: Arc<dyn Clock>,
        (leads, readiness): (watch::Sender<bool>, Arc<Readiness>),
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) {
        let (client, me) = (self.client.clone(), self.settings.pod.clone());
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.settings.namespace);
        let (candidate, regained) = ((LEASE.to_owned(), me), self.regained.clone());
        tasks.spawn(lease::run(leases, candidate, self.leadership.clone(), regained, stop.clone()));
        tasks.spawn(tell(self.leadership.clone(), leads, stop.clone()));
        let newcomer =
            Newcomer { settings: self.settings.clone(), control: control.clone(), views: self.views.subscribe() };
        tasks.spawn(newcomer.settle(readiness, stop.clone()));
        let (book, leadership) = (self.book.clone(), self.leadership.clone());
        let controller =
            Controller::new(client.clone(), control.clone(), book, leadership.clone(), clock, self.settings.clone());
        tasks.spawn(controller.run(self.views.subscribe(), stop.clone()));
        let exchange = Exchange { current, book: self.book.clone(), control, instance: fastrand::u64(..) };
        let settings = self.settings.clone();
        let talk = Talk { client, settings, leadership, exchange, views: self.views.subscribe(), tasks: tasks.clone() };
        tasks.spawn(talk.run(stop.clone()));
    }
}

/// Tells `leads` who leads.
async fn tell(leadership: Arc<Leadership>, leads: watch::Sender<bool>, stop: CancellationToken) {
    loop {
        leads.send_if_modified(|before| std::mem::replace(before, leadership.leads()) != leadership.leads());
        if stop.run_until_cancelled(sleep(Duration::from_millis(200))).await.is_none() {
            return;
        }
    }
}

/// A replica that has just started.
struct Newcomer {
    settings: Settings,
    control: Control,
    views: watch::Receiver<View>,
}

impl Newcomer {
    /// Ready once the cluster is served, and the evidence of the others has been inherited: the last one that has it may go as
    /// soon as this one is ready. Without others it is waited for nobody, and never for long.
    async fn settle(mut self, readiness: Arc<Readiness>, stop: CancellationToken) {
        let settled = async {
            // The first view is of what is served.
            if self.views.changed().await.is_ok() {
                let _ = timeout(HESITATION, self.inherited()).await;
                readiness.ready();
            }
        };
        stop.run_until_cancelled(settled).await;
    }

    async fn inherited(&self) {
        let lacks = |status: &ReleaseStatus| status.phase.is_open() && (status.late || status.last.is_none());
        while !others(&self.views.borrow(), &self.settings).is_empty() && self.control.status().iter().any(lacks) {
            sleep(LOOK).await;
        }
    }
}

/// The addresses of the other replicas.
fn others(view: &View, settings: &Settings) -> Vec<IpAddr> {
    let pods = view.world.pods.of_namespace(&settings.namespace);
    let others = pods.filter(|(key, pod)| key.name != settings.pod && settings.is_weir(pod));
    others.filter_map(|(_, pod)| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()).collect()
}

/// The talk among replicas.
struct Talk {
    client: Client,
    settings: Settings,
    leadership: Arc<Leadership>,
    exchange: Exchange,
    views: watch::Receiver<View>,
    tasks: TaskTracker,
}

impl Talk {
    async fn run(mut self, stop: CancellationToken) {
        let Some(Some(identity)) = stop.run_until_cancelled(self.identity()).await else { return };
        let listener = match TcpListener::bind(SocketAddr::new(self.settings.address, PORT)).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!("other replicas cannot be told anything: port {PORT} cannot be bound: {error}");
                return;
            }
        };
        self.tasks.spawn(peers::serve(listener, identity.clone(), self.exchange.clone(), stop.clone()));
        let mut listening = Listening::new(identity, self.exchange.clone(), PORT);
        loop {
            listening.to(&others(&self.views.borrow(), &self.settings));
            match stop.run_until_cancelled(self.views.changed()).await {
                Some(Ok(())) => {}
                _ => return,
            }
        }
    }

    /// The Secret that all replicas have; whoever leads makes it. `None` when weir ends.
    async fn identity(&mut self) -> Option<Identity> {
        loop {
            let view = self.views.borrow_and_update().clone();
            let secret = view.world.secrets.get(&self.settings.namespace, identity::SECRET);
            match secret.map(|secret| Identity::of(secret)) {
                Some(Ok(identity)) => return Some(identity),
                Some(Err(error)) => tracing::warn!("replicas do not hear each other: {error}"),
                None if self.leadership.leads() => self.make().await,
                None => {}
            }
            tokio::select! {
                changed = self.views.changed() => changed.ok()?,
                () = sleep(Duration::from_secs(2)) => {}
            }
        }
    }

    async fn make(&self) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        match identity::create() {
            Ok(secret) => match secrets.create(&PostParams::default(), &secret).await {
                Ok(_) => {
                    tracing::info!(secret = identity::SECRET, "made the certificate by which replicas know each other")
                }
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => tracing::warn!("the Secret {} cannot be made: {error}", identity::SECRET),
            },
            Err(error) => tracing::error!("no certificate can be made: {error}"),
        }
    }
}

/// The Lease, in weir's own namespace.
const LEASE: &str = "weir";

/// Where replicas talk to each other.
pub const PORT: u16 = 9182;

/// The longest time that a replica hesitates to be ready for want of evidence.
const HESITATION: Duration = Duration::from_secs(15);

/// Between two looks at what is lacking.
const LOOK: Duration = Duration::from_millis(100);
