//! A worker: one thread with a runtime, sockets, connection pools and random numbers of its own. It shares nothing that it
//! writes to on the request path.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::access_log::Lines;
use super::connection;
use super::date::Dates;
use super::deadline::RESOLUTION;
use super::limit::ConnectionLimit;
use super::mirror::Mirrors;
use super::queue::Bell;
use super::registry::Registry;
use super::view::Listening;
use crate::clock;
use crate::snapshot::{Current, Place};
use crate::upstream::Upstreams;

/// What a worker's connections and exchanges share.
pub(super) struct Worker {
    /// Its number.
    pub(super) index: usize,
    /// The configuration in force.
    pub(super) current: Arc<Current>,
    /// Its connections to endpoints.
    pub(super) upstreams: Rc<Upstreams>,
    /// Its random numbers.
    pub(super) rng: RefCell<fastrand::Rng>,
    /// Its exchanges under way.
    pub(super) exchanges: Registry,
    /// Its copies of requests under way.
    pub(super) mirrors: Mirrors,
    /// Wakes its requests that wait for an endpoint.
    pub(super) bell: Bell,
    /// What time it is for its answers.
    pub(super) dates: Dates,
    /// Its lines of the access log.
    pub(super) log: Lines,
    /// Owns every task that the worker has: when they have ended, nothing is left.
    pub(super) tasks: TaskTracker,
    /// Its listeners, those that are closing included.
    pub(super) listenings: RefCell<Vec<Rc<Listening>>>,
    /// Its connections' beats; see [`Worker::serves`].
    pub(super) pulse: Pulse,
    /// Places for connections, shared by all workers.
    pub(super) limit: Arc<ConnectionLimit>,
}

/// What keeps time for connections and exchanges, while there are any.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    connections: Cell<usize>,
    resting: Cell<bool>,
    begin: Notify,
}

impl Worker {
    /// A connection begins: time must be kept from now on.
    pub(super) fn serves(&self) {
        self.pulse.connections.set(self.pulse.connections.get() + 1);
        if self.pulse.resting.replace(false) {
            // First of all it must know how late it is: its deadline counts from there.
            self.tick();
            self.pulse.begin.notify_one();
        }
    }

    /// A connection has ended.
    pub(super) fn served(&self) {
        self.pulse.connections.set(self.pulse.connections.get().saturating_sub(1));
    }

    /// Looks after all connections and exchanges, every [`RESOLUTION`]; rests while there are none.
    async fn keep_time(&self) {
        loop {
            tokio::time::sleep(RESOLUTION).await;
            self.tick();
            self.exchanges.sweep(clock::uptime());
            // Probes and ends of ejections announce themselves to nobody.
            self.bell.ring();
            self.log.flush();
            if self.pulse.connections.get() == 0 {
                self.listenings.borrow_mut().retain(|listening| !listening.closing.is_cancelled());
                self.pulse.resting.set(true);
                self.pulse.begin.notified().await;
            }
        }
    }

    fn tick(&self) {
        for listening in self.listenings.borrow().iter() {
            listening.watch.tick(clock::uptime());
        }
    }
}

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve this, too.
    Listen(Socket),
    /// Stop serving the listeners with these keys.
    Close(Vec<u64>),
    /// The configuration in force has changed.
    Reload,
    /// Go on, and tell clients that it is not for long.
    Leave,
    /// Stop serving, and end within this time.
    Drain(Duration),
}

/// A listening socket of one worker.
#[derive(Debug)]
pub(super) struct Socket {
    /// Tells it apart from all others there were.
    pub(super) key: u64,
    /// Where it is.
    pub(super) place: Place,
    /// The socket.
    pub(super) socket: StdListener,
}

/// Runs `worker` until it has drained. Dropping the future drops all it has under way.
pub(super) async fn run(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut open: HashMap<u64, Rc<Listening>> = HashMap::new();
    let keeper = worker.clone();
    let keeping_time = tokio::task::spawn_local(async move { keeper.keep_time().await });
    let mut leaving = false;
    let deadline = loop {
        match commands.recv().await {
            Some(Command::Listen(socket)) => {
                let key = socket.key;
                if let Some(listening) = listen(&worker, socket) {
                    if leaving {
                        listening.leave();
                    }
                    open.insert(key, listening);
                }
            }
            Some(Command::Close(keys)) => {
                for listening in keys.iter().filter_map(|key| open.remove(key)) {
                    listening.close();
                }
            }
            Some(Command::Reload) => {
                // Views are renewed now, not with the next request: nothing keeps an old snapshot alive on an idle worker.
                for listening in open.values() {
                    listening.view(&worker.current);
                }
                worker.bell.ring();
            }
            Some(Command::Leave) => {
                leaving = true;
                open.values().for_each(|listening| listening.leave());
            }
            Some(Command::Drain(deadline)) => break deadline,
            None => break Duration::ZERO,
        }
    };
    for listening in open.values() {
        listening.close();
    }
    worker.bell.close();
    worker.tasks.close();
    let drained = timeout(deadline, worker.tasks.wait()).await;
    if drained.is_err() {
        let (left, worker) = (worker.exchanges.len(), worker.index);
        tracing::warn!(worker, left, "the time to drain is over: requests under way are cut off");
    }
    keeping_time.abort();
    worker.log.flush();
}

fn listen(worker: &Rc<Worker>, socket: Socket) -> Option<Rc<Listening>> {
    let Socket { place, socket, .. } = socket;
    let opened = socket.local_addr().and_then(|address| Ok((TcpListener::from_std(socket)?, address)));
    let (socket, address) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(address = %place.address, %error, "a socket cannot be served");
            return None;
        }
    };
    let listening = Rc::new(Listening::new(place, address, &worker.current)?);
    worker.listenings.borrow_mut().push(listening.clone());
    worker.tasks.spawn_local(accept(worker.clone(), listening.clone(), socket));
    Some(listening)
}

/// Accepts connections until the listener closes; those that the kernel had completed by then are served too.
async fn accept(worker: Rc<Worker>, listening: Rc<Listening>, socket: TcpListener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = listening.closing.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => welcome(&worker, &listening, stream, peer).await,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(address = %listening.address, %error, "cannot accept connections, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let Ok(socket) = socket.into_std() else { return };
    for (stream, peer) in waiting(&socket).take(LAST_ACCEPTS) {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            welcome(&worker, &listening, stream, peer).await;
        }
    }
}

async fn welcome(worker: &Rc<Worker>, listening: &Rc<Listening>, stream: TcpStream, peer: SocketAddr) {
    let permit = worker.limit.acquire().await;
    worker.tasks.spawn_local(connection::serve(worker.clone(), listening.clone(), stream, peer, permit));
}

/// Connections that wait at `socket`, asked of the kernel itself: the runtime may not have heard of the last ones yet, and
/// closing the socket would reset them.
fn waiting(socket: &StdListener) -> impl Iterator<Item = (std::net::TcpStream, SocketAddr)> {
    std::iter::from_fn(|| {
        loop {
            match socket.accept() {
                Err(error) if is_of_one_connection(&error) => {}
                accepted => return accepted.ok(),
            }
        }
    })
}

/// Whether an error of `accept` concerns the connection that would have been next, not the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What the kernel's queue can hold when a listener closes; without a bound a busy listener would never end.
const LAST_ACCEPTS: usize = 4096;

/// Out of file descriptors: time for some connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
