//! A cluster as a source of configurations.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::apply::Writer;
use super::examined::Examined;
use super::lease::Leadership;
use super::plan::{self, Plan, Rejected};
use super::release::Book;
use super::release::controller::View;
use super::replica::Replica;
use super::settings::Settings;
use super::token;
use super::watch::Watches;
use crate::admin::Readiness;
use crate::clock::Clock;
use crate::config::Loaded;
use crate::engine::Control;
use crate::snapshot::Current;

/// A cluster that is followed.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    watches: Watches,
    examined: Examined,
    plans: watch::Sender<Option<Arc<Plan>>>,
    leads: watch::Sender<bool>,
    replica: Replica,
}

impl Cluster {
    /// Begins to follow the cluster that the environment names: weir's own, or that of KUBECONFIG.
    ///
    /// # Errors
    /// When the environment names none. An API server that does not answer is no error: it is waited for.
    pub async fn connect(settings: Settings, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<Self> {
        let mut config =
            kube::Config::infer().await.context("this is no pod of a cluster, and there is no kubeconfig")?;
        config.read_timeout = Some(SILENCE);
        let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
        let (regained, contact) = watch::channel(0);
        let watches = Watches::start(client.clone(), &settings.controller, contact, (tasks, stop));
        let (plans, planned) = watch::channel(None);
        let (leads, leading) = watch::channel(false);
        let replica = Replica::new(client.clone(), settings.clone(), regained);
        tasks.spawn(Writer::new(client, planned, leading).run(stop.clone()));
        if let Some((source, file)) = settings.admin_token_source.clone().zip(settings.admin_token_file.clone()) {
            let copying = token::follow(source, file);
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(copying).await });
        }
        Ok(Self { settings, watches, examined: Examined::default(), plans, leads, replica })
    }

    /// The configuration to begin with: nothing is served until the cluster is known.
    pub fn empty(settings: &Settings) -> Loaded {
        Loaded::from_file(plan::base(settings), "the cluster")
    }

    /// Waits until the cluster has changed. Nothing is lost when this is cancelled.
    pub async fn changed(&mut self) {
        self.watches.changed().await;
        self.examined.look(self.watches.told());
    }

    /// Whether the cluster has been seen as a whole.
    pub fn is_known(&self) -> bool {
        self.watches.is_known()
    }

    /// What to serve now, but for what is `rejected`.
    pub fn plan(&self, rejected: &Rejected) -> Plan {
        let mut all = self.examined.rejected();
        all.extend(rejected.clone());
        plan::translate(self.watches.told(), &self.settings, &all, Timestamp::now())
    }

    /// The plan is in force: says so to the cluster.
    pub fn publish(&self, plan: Plan) {
        let (ours, refused) = (plan.releases().clone(), plan.refused().clone());
        self.replica.view(View { world: self.watches.told().clone(), ours, refused });
        self.plans.send_replace(Some(Arc::new(plan)));
    }

    /// What the engine proposes its decisions to.
    pub fn ledger(&self) -> Arc<Book> {
        self.replica.ledger()
    }

    /// Who leads.
    pub fn leadership(&self) -> Arc<Leadership> {
        self.replica.leadership()
    }

    /// Takes part in what the replicas do together: see [`Replica::start`].
    pub fn take_part(
        &self,
        control: Control,
        current: Arc<Current>,
        clock: Arc<dyn Clock>,
        readiness: Arc<Readiness>,
        tasks: (&TaskTracker, &CancellationToken),
    ) {
        self.replica.start(control, current, clock, (self.leads.clone(), readiness), tasks);
    }
}

/// A connection on which nothing comes for so long is dead: a watch hears of bookmarks every minute.
const SILENCE: Duration = Duration::from_secs(90);
