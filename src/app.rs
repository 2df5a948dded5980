//! Wiring: from a configuration file to a running weir, through reloads, to its orderly end.
//!
//! The order of the start is the order of what may fail: configuration, state, names, listeners, control surface. Weights
//! are restored before a listener opens, so that no request is shared by a weight that is not the rollout's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Access, AdminState, ListenerView, Published, Readiness, ReloadRequest, Shown};
use crate::clock::{Clock, SystemClock};
use crate::config::watch::{self, Watch};
use crate::config::{self, Loaded, Problems};
use crate::engine::{Control, Engine, StateDir};
use crate::health::probe;
use crate::proxy::{self, Workers};
use crate::snapshot::{Current, Leaves};
use crate::telemetry::Metrics;
use crate::types::Name;
use crate::upstream::dns::Resolver;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where the journal, the traces and the token are; made when it is missing.
    pub state_dir: PathBuf,
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
    freeze: CancellationToken,
    _published: Published,
}

/// Starts weir; it serves when this returns.
///
/// # Errors
/// Everything that stands in the way, with what to do about it. [`Problems`] when it is the configuration.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let loaded = config::load(&options.config)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = config::workers(&loaded, cores);
    let leaves = Arc::new(Leaves::new(workers));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let mut resolver = Resolver::system();
    let resolved = resolver.resolve(config::hosts(&loaded.file)).await;
    let compiled = config::compile(&loaded, &leaves, &resolved, 1)?;
    report_warnings(&compiled.warnings);
    let current = Arc::new(Current::new(compiled.snapshot));

    let state_dir = StateDir::open(&options.state_dir)?;
    let (mut engine, control) = Engine::open(state_dir, clock.clone(), leaves.failed.clone())?;
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
    let (stop, freeze, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let decided = control.clone();
    let metrics = Arc::new(Metrics::new(current.clone(), leaves.clone(), move || decided.transitions()));
    let readiness = Arc::<Readiness>::default();
    let listeners = workers.addresses();
    let follower = Follower {
        path: options.config,
        current: current.clone(),
        leaves: leaves.clone(),
        resolver,
        control: control.clone(),
        metrics: metrics.clone(),
        shown: Arc::new(ArcSwap::from_pointee(shown(&loaded, &workers))),
        watch: Watch::new(watch::files(&loaded)),
        loaded,
        workers,
        clock,
    };
    let state = AdminState {
        current: current.clone(),
        shown: follower.shown.clone(),
        control: control.clone(),
        metrics,
        readiness: readiness.clone(),
        access: door.access,
        reload: reload.clone(),
    };
    tasks.spawn(engine.run(current.clone(), stop.clone()));
    tasks.spawn(probe::run(current.clone(), fastrand::Rng::new(), stop.clone()));
    tasks.spawn(admin::serve(door.socket, state, stop.clone()));
    tasks.spawn(follow(follower, reloads, freeze.clone(), handed_back));
    readiness.ready();
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
        freeze,
        _published: published,
    })
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
        let access = Arc::new(Access::open(at.address, at.token_file.as_deref())?);
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
        Published::write(state_dir, self.address, self.access.token(), self.token_file.as_deref())
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

    /// Ends in order: readiness, then the listeners, then what is in flight within its deadline, then all else.
    pub async fn drain(self) {
        let client = self.current.load().client.clone();
        self.readiness.drain();
        if !client.drain_delay.is_zero() {
            tracing::info!("not ready any more; the listeners close in {:?}", client.drain_delay);
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

/// What follows the configuration: the file and what it names, the addresses of names, and whoever asks for a reload.
struct Follower {
    path: PathBuf,
    current: Arc<Current>,
    leaves: Arc<Leaves>,
    resolver: Resolver,
    control: Control,
    metrics: Arc<Metrics>,
    shown: Arc<ArcSwap<Shown>>,
    watch: Watch,
    loaded: Loaded,
    workers: Workers,
    clock: Arc<dyn Clock>,
}

async fn follow(
    mut follower: Follower,
    mut requests: mpsc::Receiver<ReloadRequest>,
    freeze: CancellationToken,
    handed_back: oneshot::Sender<Workers>,
) {
    loop {
        tokio::select! {
            () = freeze.cancelled() => break,
            () = follower.watch.changed() => drop(follower.reload().await),
            Some(answer) = requests.recv() => drop(answer.send(follower.reload().await)),
            resolved = follower.resolver.changed() => follower.readdress(&resolved).await,
        }
    }
    let _ = handed_back.send(follower.workers);
}

impl Follower {
    /// Reads the configuration and puts it in force; on failure everything stays as it is.
    async fn reload(&mut self) -> Result<u64, String> {
        match self.try_reload().await {
            Ok(generation) => {
                tracing::info!(generation, "configuration reloaded from {}", self.path.display());
                self.metrics.reloads.succeeded(generation, self.clock.now());
                Ok(generation)
            }
            Err(problems) => {
                tracing::error!("the configuration is not reloaded, the old one stays in force:\n{problems}");
                self.metrics.reloads.failed(&problems, self.clock.now());
                Err(problems)
            }
        }
    }

    async fn try_reload(&mut self) -> Result<u64, String> {
        let loaded = config::load(&self.path).map_err(|problems| problems.to_string())?;
        let resolved = self.resolver.resolve(config::hosts(&loaded.file)).await;
        let generation = self.current.load().generation + 1;
        let compiled =
            config::compile(&loaded, &self.leaves, &resolved, generation).map_err(|problems| problems.to_string())?;
        let change = self.workers.prepare(&compiled.snapshot.listeners).map_err(|error| error.to_string())?;
        report_warnings(&compiled.warnings);
        self.current.store(compiled.snapshot);
        self.workers.apply(change, &self.current.load());
        self.watch.follow(watch::files(&loaded));
        self.shown.store(Arc::new(shown(&loaded, &self.workers)));
        self.loaded = loaded;
        self.settle().await;
        Ok(generation)
    }

    /// Puts new addresses of the same configuration in force.
    async fn readdress(&mut self, resolved: &config::Resolved) {
        let generation = self.current.load().generation + 1;
        match config::compile(&self.loaded, &self.leaves, resolved, generation) {
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
fn shown(loaded: &Loaded, workers: &Workers) -> Shown {
    let listeners = workers.addresses().into_iter().map(|(name, address)| ListenerView { name, address }).collect();
    Shown { effective: config::in_force(&loaded.file), listeners }
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

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Signal {
    Reload,
    End,
}

struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.terminate.recv() => Signal::End,
        }
    }

    /// The next signal to end; reloads do not count any more.
    async fn ended(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}
