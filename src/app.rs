//! Wiring: from a configuration, of a file or of a cluster, to a running weir, through reloads, to its orderly end.
//!
//! The order of the start is the order of what may fail: configuration, state, names, listeners, control surface. Weights
//! are restored before a listener opens, so that no request is shared by a weight that is not the rollout's.

mod signals;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::signals::{Signal, Signals};
use crate::admin::{self, Access, AdminState, ListenerView, Published, Readiness, ReloadRequest, Shown};
use crate::clock::{Clock, SystemClock};
use crate::config::watch::{self, Watch};
use crate::config::{self, Loaded, Problems};
use crate::engine::{Control, Engine, StateDir};
use crate::health::probe;
use crate::kubernetes::plan::Rejected;
use crate::kubernetes::{self, Cluster};
use crate::proxy::{self, Workers};
use crate::snapshot::{Current, Leaves};
use crate::telemetry::Metrics;
use crate::types::Name;
use crate::upstream::dns::Resolver;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is served.
    pub source: Source,
    /// Where the journal, the traces and the token are; made when it is missing.
    pub state_dir: PathBuf,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again when it changes.
    File(PathBuf),
    /// The objects of a cluster, as they are.
    Cluster(Box<kubernetes::Settings>),
}

/// A running weir. Lives on a current-thread runtime, whose thread is the control thread.
pub struct Running {
    /// Where the listeners are, in the order of the configuration.
    pub listeners: Vec<(Name, SocketAddr)>,
    /// Where the control surface is.
    pub admin: SocketAddr,
    /// The releases.
    pub control: Control,
    readiness: Arc<Readiness>,
    current: Arc<Current>,
    reload: mpsc::Sender<ReloadRequest>,
    /// Ends what serves and steers, when the last request is over.
    stop: CancellationToken,
    tasks: TaskTracker,
    workers: oneshot::Receiver<Workers>,
    /// Ends the loop that follows the configuration, which then hands the workers back.
    leave: CancellationToken,
    freeze: CancellationToken,
    _published: Published,
}

/// Starts weir; it serves when this returns.
///
/// # Errors
/// Everything that stands in the way, with what to do about it. [`Problems`] when it is the configuration.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let (stop, freeze, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let leave = CancellationToken::new();
    let (loaded, followed) = Followed::open(options.source, &tasks, &stop).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = config::workers(&loaded, cores);
    let leaves = Arc::new(Leaves::new(workers));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (current, resolver) = picture(&loaded, &leaves).await?;

    let readiness = Arc::<Readiness>::default();
    let state_dir = StateDir::open(&options.state_dir)?;
    let (mut engine, control) = Engine::open(state_dir, clock.clone(), leaves.failed.clone())?;
    if let Followed::Cluster { cluster, .. } = &followed {
        engine = engine.with_ledger(cluster.ledger());
        cluster.take_part(control.clone(), current.clone(), clock.clone(), readiness.clone(), (&tasks, &stop));
    }
    engine.restore(&current.load());

    let door = Door::open(&config::admin(&loaded))?;
    let workers = Workers::start(proxy::Options {
        current: current.clone(),
        workers,
        seed: fastrand::u64(..),
        access_log: Box::new(std::io::stdout()),
    })?;
    let published = door.publish(&options.state_dir)?;

    let (reload, reloads) = mpsc::channel(8);
    let (handed_back, handed) = oneshot::channel();
    let decided = control.clone();
    let leads = followed.leads();
    let listeners = workers.addresses();
    let follower = Follower {
        followed,
        current: current.clone(),
        metrics: Arc::new(Metrics::new(current.clone(), leaves.clone(), move || decided.transitions(), leads)),
        leaves,
        resolver,
        control: control.clone(),
        shown: Arc::new(ArcSwap::from_pointee(shown(loaded, &workers))),
        workers,
        clock,
    };
    tasks.spawn(engine.run(current.clone(), stop.clone()));
    tasks.spawn(probe::run(current.clone(), fastrand::Rng::new(), stop.clone()));
    let state = follower.shows(readiness.clone(), door.access, reload.clone());
    tasks.spawn(admin::serve(door.socket, state, stop.clone()));
    if matches!(follower.followed, Followed::File { .. }) {
        readiness.ready();
    }
    tasks.spawn(follow(follower, reloads, (leave.clone(), freeze.clone()), handed_back));
    Ok(Running {
        listeners,
        admin: door.address,
        control,
        readiness,
        current,
        reload,
        stop,
        tasks,
        workers: handed,
        leave,
        freeze,
        _published: published,
    })
}

/// The first picture, and who follows the addresses of its names.
async fn picture(loaded: &Loaded, leaves: &Leaves) -> anyhow::Result<(Arc<Current>, Resolver)> {
    let mut resolver = Resolver::system();
    let resolved = resolver.resolve(config::hosts(&loaded.file)).await;
    let compiled = config::compile(loaded, leaves, &resolved, 1)?;
    report_warnings(&compiled.warnings);
    Ok((Arc::new(Current::new(compiled.snapshot)), resolver))
}

/// The control surface, before it is served.
struct Door {
    socket: tokio::net::TcpListener,
    address: SocketAddr,
    access: Arc<Access>,
    token_file: Option<PathBuf>,
}

impl Door {
    fn open(at: &config::Admin) -> anyhow::Result<Self> {
        let access = Arc::new(Access::open(at.address, at.token_file.as_deref())?.with_hosts(at.hosts.clone()));
        let hint = "set admin.address in the configuration";
        let socket = std::net::TcpListener::bind(at.address)
            .with_context(|| format!("cannot listen on {} for the admin API: {hint}", at.address))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket: tokio::net::TcpListener::from_std(socket)?,
            address,
            access,
            token_file: at.token_file.clone(),
        })
    }

    /// Tells the command line on this machine where it is.
    fn publish(&self, state_dir: &Path) -> anyhow::Result<Published> {
        Published::write(state_dir, self.address, &self.access.token(), self.token_file.as_deref())
            .with_context(|| format!("cannot write to the state directory {}", state_dir.display()))
    }
}

impl Running {
    /// Reads the configuration again. Gives the generation that is in force then.
    ///
    /// # Errors
    /// What is wrong with it; the old configuration stays in force.
    pub async fn reload(&self) -> Result<u64, String> {
        let gone = |_| "weir is ending".to_owned();
        let (answer, answered) = oneshot::channel();
        self.reload.send(answer).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }

    /// Ends in order: readiness, and clients are told; then the listeners, then what is in flight within its deadline, then all else.
    pub async fn drain(self) {
        let client = self.current.load().client.clone();
        self.readiness.drain();
        if !client.drain_delay.is_zero() {
            tracing::info!("not ready any more; the listeners close in {:?}", client.drain_delay);
            self.leave.cancel();
            tokio::time::sleep(client.drain_delay).await;
        }
        self.freeze.cancel();
        if let Ok(workers) = self.workers.await {
            tracing::info!("draining: requests in flight have {:?}", client.drain_timeout);
            workers.drain(client.drain_timeout);
            // A thread's end is waited for where that stops nobody: the engine goes on meanwhile.
            let _ = tokio::task::spawn_blocking(move || workers.join()).await;
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A configuration and its changes.
enum Followed {
    File { path: PathBuf, watch: Watch },
    Cluster { cluster: Box<Cluster>, served: u128 },
}

impl Followed {
    /// The configuration to begin with, and what to follow from there.
    async fn open(source: Source, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<(Loaded, Self)> {
        match source {
            Source::File(path) => {
                let loaded = config::load(&path)?;
                let watch = Watch::new(watch::files(&loaded));
                Ok((loaded, Self::File { path, watch }))
            }
            Source::Cluster(settings) => {
                let loaded = Cluster::empty(&settings);
                let cluster = Box::new(Cluster::connect(*settings, tasks, stop).await?);
                Ok((loaded, Self::Cluster { cluster, served: 0 }))
            }
        }
    }

    /// Whether this weir may raise weights: without others always.
    fn leads(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        match self {
            Self::File { .. } => Box::new(|| true),
            Self::Cluster { cluster, .. } => {
                let leadership = cluster.leadership();
                Box::new(move || leadership.leads())
            }
        }
    }

    async fn changed(&mut self) {
        match self {
            Self::File { watch, .. } => watch.changed().await,
            Self::Cluster { cluster, .. } => cluster.changed().await,
        }
    }
}

/// What follows the configuration: the file and what it names, the addresses of names, and whoever asks for a reload.
struct Follower {
    followed: Followed,
    current: Arc<Current>,
    leaves: Arc<Leaves>,
    resolver: Resolver,
    control: Control,
    metrics: Arc<Metrics>,
    shown: Arc<ArcSwap<Shown>>,
    workers: Workers,
    clock: Arc<dyn Clock>,
}

async fn follow(
    mut follower: Follower,
    mut requests: mpsc::Receiver<ReloadRequest>,
    (leave, freeze): (CancellationToken, CancellationToken),
    handed_back: oneshot::Sender<Workers>,
) {
    let mut leaving = false;
    loop {
        tokio::select! {
            () = freeze.cancelled() => break,
            () = leave.cancelled(), if !leaving => {
                leaving = true;
                follower.workers.leave();
            }
            () = follower.followed.changed() => drop(follower.reload().await),
            Some(answer) = requests.recv() => drop(answer.send(follower.reload().await)),
            resolved = follower.resolver.changed() => follower.readdress(&resolved).await,
        }
    }
    let _ = handed_back.send(follower.workers);
}

impl Follower {
    /// What the control surface shows of it, to whom `access` says, and asks of it.
    fn shows(&self, readiness: Arc<Readiness>, access: Arc<Access>, reload: mpsc::Sender<ReloadRequest>) -> AdminState {
        AdminState {
            current: self.current.clone(),
            shown: self.shown.clone(),
            control: self.control.clone(),
            metrics: self.metrics.clone(),
            readiness,
            access,
            reload,
        }
    }

    /// Reads the configuration and puts it in force; on failure everything stays as it is.
    async fn reload(&mut self) -> Result<u64, String> {
        let reloaded = match &self.followed {
            Followed::File { .. } => self.reload_file().await,
            Followed::Cluster { .. } => self.reload_cluster().await,
        };
        match &reloaded {
            Ok(generation) => self.metrics.reloads.succeeded(*generation, self.clock.now()),
            Err(problems) => {
                tracing::error!("the configuration is not reloaded, the old one stays in force:\n{problems}");
                self.metrics.reloads.failed(problems, self.clock.now());
            }
        }
        reloaded
    }

    async fn reload_file(&mut self) -> Result<u64, String> {
        let Followed::File { path, .. } = &self.followed else { return Ok(self.current.load().generation) };
        let loaded = config::load(path).map_err(|problems| problems.to_string())?;
        let resolved = self.resolver.resolve(config::hosts(&loaded.file)).await;
        let compiled = self.compile(&loaded, &resolved).map_err(|problems| problems.to_string())?;
        report_warnings(&compiled.warnings);
        let generation = self.put_in_force(loaded, compiled).await.map_err(|error| error.to_string())?;
        if let Followed::File { path, watch } = &mut self.followed {
            tracing::info!(generation, "configuration reloaded from {}", path.display());
            watch.follow(watch::files(&self.shown.load().loaded));
        }
        Ok(generation)
    }

    /// Translates the cluster. An object whose part cannot be compiled is left out, and told so; the others are served.
    async fn reload_cluster(&mut self) -> Result<u64, String> {
        let mut rejected = Rejected::new();
        while let Followed::Cluster { cluster, served } = &self.followed {
            if !cluster.is_known() {
                break;
            }
            let plan = cluster.plan(&rejected);
            let digest = plan.digest();
            if digest != *served {
                let loaded = plan.loaded();
                let resolved = self.resolver.resolve(config::hosts(&loaded.file)).await;
                let (blamed, problems) = match self.compile(&loaded, &resolved) {
                    Ok(compiled) => match self.put_in_force(loaded, compiled).await {
                        Ok(generation) => {
                            tracing::debug!(generation, "the configuration follows the cluster");
                            (Rejected::new(), None)
                        }
                        Err(error) => {
                            let reason = error.to_string();
                            (plan.blame_listener(error.listener(), &reason), Some(reason))
                        }
                    },
                    Err(problems) => (plan.blame(&problems), Some(problems.to_string())),
                };
                if let Some(problems) = problems {
                    let known = rejected.len();
                    rejected.extend(blamed);
                    if rejected.len() > known {
                        continue;
                    }
                    return Err(problems);
                }
            }
            if let Followed::Cluster { cluster, served } = &mut self.followed {
                *served = digest;
                cluster.publish(plan);
            }
            break;
        }
        Ok(self.current.load().generation)
    }

    fn compile(&self, loaded: &Loaded, resolved: &config::Resolved) -> Result<config::Compiled, Problems> {
        config::compile(loaded, &self.leaves, resolved, self.current.load().generation + 1)
    }

    async fn put_in_force(&mut self, loaded: Loaded, compiled: config::Compiled) -> Result<u64, proxy::BindError> {
        let generation = compiled.snapshot.generation;
        let change = self.workers.prepare(&compiled.snapshot.listeners)?;
        self.current.store(compiled.snapshot);
        self.workers.apply(change, &self.current.load());
        self.shown.store(Arc::new(shown(loaded, &self.workers)));
        self.settle().await;
        Ok(generation)
    }

    /// Puts new addresses of the same configuration in force.
    async fn readdress(&mut self, resolved: &config::Resolved) {
        let generation = self.current.load().generation + 1;
        match config::compile(&self.shown.load().loaded, &self.leaves, resolved, generation) {
            Ok(compiled) => {
                tracing::info!(generation, "addresses of backends have changed");
                self.current.store(compiled.snapshot);
                self.settle().await;
            }
            Err(problems) => tracing::error!("new addresses of backends cannot be put in force:\n{problems}"),
        }
    }

    /// A new picture is in force: tells who follows it, and forgets what only the old one had.
    async fn settle(&self) {
        self.control.reloaded().await;
        self.leaves.prune();
    }
}

/// What the control surface shows of a configuration.
fn shown(loaded: Loaded, workers: &Workers) -> Shown {
    let listeners = workers.addresses().into_iter().map(|(name, address)| ListenerView { name, address }).collect();
    Shown { loaded: Arc::new(loaded), listeners }
}

/// What is odd, but does not stand in the way.
fn report_warnings(warnings: &Problems) {
    if !warnings.is_empty() {
        tracing::warn!("the configuration has warnings:\n{warnings}");
    }
}

/// Runs weir until SIGTERM or SIGINT, then drains; a second signal ends it at once. SIGHUP reloads.
///
/// Exit code [`BAD_CONFIG`] when it cannot start.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let running = match start(options).await {
            Ok(running) => running,
            Err(error) => return Ok(refuse(&error)),
        };
        for (name, address) in &running.listeners {
            tracing::info!(listener = %name, "serving on {address}");
        }
        tracing::info!("admin API on {}", running.admin);
        while signals.next().await == Signal::Reload {
            // Whatever is wrong has been logged.
            let _ = running.reload().await;
        }
        tokio::select! {
            () = running.drain() => Ok(ExitCode::SUCCESS),
            () = signals.ended() => {
                tracing::warn!("told again: ending at once");
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// Says what stands in the way of the start. It has an exit code of its own: whoever supervises need not try again.
fn refuse(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Problems>() {
        Some(problems) => eprintln!("{problems}"),
        None => eprintln!("weir: {error:#}"),
    }
    ExitCode::from(BAD_CONFIG)
}

/// A daemon that cannot start as it is configured: `EX_CONFIG` of sysexits.h.
pub const BAD_CONFIG: u8 = 78;
