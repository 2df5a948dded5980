//! The workers as the rest of the program sees them: start, follow a reload, drain.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{self, LocalOptions};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;

use super::access_log::{Lines, Writer};
use super::bind::{self, BindError, BoundListener};
use super::limit::ConnectionLimit;
use super::worker::{self, Command, Socket, Worker};
use crate::snapshot::{Current, Listener, Place, Snapshot};
use crate::types::Name;
use crate::upstream::Upstreams;

/// How workers are started.
pub struct Options {
    /// The configuration to serve, and all that come after it.
    pub current: Arc<Current>,
    /// How many threads; at least one. The same number that the snapshot's counters were made for.
    pub workers: usize,
    /// Where random numbers begin: the same seed makes the same choices, as far as the order of requests allows.
    pub seed: u64,
    /// Where the access log goes.
    pub access_log: Box<dyn Write + Send>,
}

/// The running workers.
///
/// Dropping this without [`Workers::join`] ends them at once.
pub struct Workers {
    current: Arc<Current>,
    threads: Vec<(UnboundedSender<Command>, JoinHandle<()>)>,
    limit: Arc<ConnectionLimit>,
    places: Vec<Served>,
    next_key: AtomicU64,
    // After the threads: it waits for the lines of all of them.
    _log: Writer,
}

/// A place that is being served.
#[derive(Clone, Debug)]
struct Served {
    key: u64,
    place: Place,
    address: SocketAddr,
}

/// What a reload changes about the listeners, with the new sockets already bound.
#[derive(Debug)]
pub struct Change {
    added: Vec<BoundListener>,
    kept: Vec<Served>,
    closed: Vec<u64>,
}

impl Workers {
    /// Starts the threads and serves the listeners of the snapshot in force.
    ///
    /// # Errors
    /// A listener cannot be bound ([`StartError::Bind`]), or the system gives no thread or runtime ([`StartError::System`]).
    pub fn start(options: Options) -> Result<Self, StartError> {
        let Options { current, workers, seed, access_log } = options;
        let snapshot = current.load_full();
        let bound = bind::bind(&snapshot.listeners, workers)?;
        let log = Writer::start(access_log)?;
        let limit = ConnectionLimit::new(snapshot.client.connections);
        let mut seeds = fastrand::Rng::with_seed(seed);
        let threads = (0..workers.max(1))
            .map(|index| spawn(index, &current, &limit, log.lines(), seeds.u64(..)))
            .collect::<io::Result<Vec<_>>>()?;
        let mut started = Self { current, threads, limit, places: Vec::new(), next_key: AtomicU64::new(0), _log: log };
        started.serve(bound);
        Ok(started)
    }

    /// Where the listeners are, in the order of the configuration; with port 0 the port that the kernel chose.
    pub fn addresses(&self) -> Vec<(Name, SocketAddr)> {
        let snapshot = self.current.load();
        let at = |place: &Place| self.places.iter().find(|served| served.place == *place).map(|served| served.address);
        let addresses =
            snapshot.listeners.iter().filter_map(|listener| Some((listener.name.clone(), at(&listener.place())?)));
        addresses.collect()
    }

    /// Binds what `listeners` has and the workers do not, without serving it yet. Call it before the snapshot with
    /// `listeners` is put in force, and [`Workers::apply`] after that.
    ///
    /// What listens at an address stays as it is, with its sockets and its connections, while any listener has that address.
    ///
    /// # Errors
    /// A listener that cannot be bound: nothing has changed.
    pub fn prepare(&self, listeners: &[Listener]) -> Result<Change, BindError> {
        let wanted: HashSet<Place> = listeners.iter().map(Listener::place).collect();
        let missing = |listener: &&Listener| self.places.iter().all(|served| served.place != listener.place());
        let added = bind::bind(listeners.iter().filter(missing), self.threads.len())?;
        let (kept, closed): (Vec<_>, Vec<_>) =
            self.places.iter().cloned().partition(|served| wanted.contains(&served.place));
        Ok(Change { added, kept, closed: closed.into_iter().map(|served| served.key).collect() })
    }

    /// Follows the snapshot that has just been put in force: serves what is new, drains what is gone.
    pub fn apply(&mut self, change: Change, snapshot: &Snapshot) {
        self.limit.set(snapshot.client.connections);
        self.tell(|| Command::Reload);
        if !change.closed.is_empty() {
            self.tell(|| Command::Close(change.closed.clone()));
        }
        self.places = change.kept;
        self.serve(change.added);
    }

    /// Goes on as before, but tells every client that it should connect anew: by the next answer (HTTP/1), or at once (HTTP/2).
    /// For the time in which others learn that new clients should go elsewhere.
    pub fn leave(&self) {
        self.tell(|| Command::Leave);
    }

    /// Stops accepting, ends connections as they come to rest, and gives requests under way until `deadline` from now.
    ///
    /// Returns at once; [`Workers::join`] waits.
    pub fn drain(&self, deadline: Duration) {
        self.tell(|| Command::Drain(deadline));
    }

    /// Waits until every worker has drained. Blocks the thread; call [`Workers::drain`] before.
    pub fn join(mut self) {
        for (commands, thread) in self.threads.drain(..) {
            // A worker that was not told to drain does so now, at once.
            drop(commands);
            let _ = thread.join();
        }
    }

    /// The configuration that is served.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    fn serve(&mut self, bound: Vec<BoundListener>) {
        for BoundListener { place, address, sockets } in bound {
            let key = self.next_key.fetch_add(1, Ordering::Relaxed);
            for ((commands, _), socket) in self.threads.iter().zip(sockets) {
                // A worker that has ended has nothing to serve.
                let _ = commands.send(Command::Listen(Socket { key, place: place.clone(), socket }));
            }
            self.places.push(Served { key, place, address });
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for (commands, _) in &self.threads {
            let _ = commands.send(command());
        }
    }
}

/// Why the workers do not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener has no sockets.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread or runtime.
    #[error("cannot start a worker: {0}")]
    System(#[from] io::Error),
}

fn spawn(
    index: usize,
    current: &Arc<Current>,
    limit: &Arc<ConnectionLimit>,
    log: Lines,
    seed: u64,
) -> io::Result<(UnboundedSender<Command>, JoinHandle<()>)> {
    let (commands, arriving) = unbounded_channel();
    let (current, limit) = (current.clone(), limit.clone());
    let (started, starting) = sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        // A runtime that cannot leave its thread: a `LocalSet` in one that can would wake itself by a system call for every
        // batch of events.
        let runtime = match runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        let _ = started.send(Ok(()));
        runtime.block_on(async move {
            let worker = Worker {
                index,
                current,
                upstreams: Upstreams::new(index),
                rng: fastrand::Rng::with_seed(seed).into(),
                exchanges: Default::default(),
                mirrors: Default::default(),
                bell: Default::default(),
                listenings: Default::default(),
                pulse: Default::default(),
                dates: Default::default(),
                log,
                tasks: TaskTracker::new(),
                limit,
            };
            worker::run(Rc::new(worker), arriving).await;
        });
        // The tasks that are left end here, each exchange with its account.
        drop(runtime);
    })?;
    starting.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
    Ok((commands, thread))
}
