use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use http::{Request, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::super::access_log::Writer;
use super::super::connection::Connection;
use super::super::exchange::Ticket;
use super::*;
use crate::config;
use crate::outcome::Fault;
use crate::snapshot::{Leaves, Snapshot};

const CONFIG: &str = "
listeners: [{ name: web, address: '127.0.0.1:0' }]
routes: [{ match: { path: /shop }, backend: b }]
backends: { b: { endpoints: ['127.0.0.1:9'] } }
";

fn snapshot() -> Snapshot {
    let loaded =
        config::parse(Path::new("weir.yaml"), CONFIG.to_owned()).unwrap_or_else(|problems| panic!("{problems}"));
    config::compile(&loaded, &Leaves::new(1), &HashMap::new(), 1)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .snapshot
}

/// A worker and a socket of its own, without the loop that accepts.
struct Bench {
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    socket: TcpListener,
    _log: Writer,
}

impl Bench {
    async fn new() -> Self {
        let current = Arc::new(Current::new(snapshot()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (place, log) = (current.load().listeners[0].place(), Writer::start(Box::new(std::io::sink())).unwrap());
        let listening = Rc::new(Listening::new(place, socket.local_addr().unwrap(), &current).unwrap());
        let worker = Worker {
            index: 0,
            current,
            upstreams: Upstreams::new(0),
            rng: RefCell::new(fastrand::Rng::with_seed(1)),
            exchanges: Registry::default(),
            mirrors: Mirrors::default(),
            log: log.lines(),
            tasks: TaskTracker::new(),
            listenings: RefCell::default(),
            pulse: Pulse::default(),
            dates: Default::default(),
            bell: Bell::default(),
            limit: ConnectionLimit::new(2),
        };
        Self { worker: Rc::new(worker), listening, socket, _log: log }
    }

    /// A client whose connection is served as every other.
    async fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.listening.address).await.unwrap();
        let (stream, peer) = self.socket.accept().await.unwrap();
        welcome(&self.worker, &self.listening, stream, peer).await;
        client
    }

    /// A connection of the worker's that does `what` with an exchange.
    async fn connection(&self, what: impl FnOnce(&Ticket) + 'static) -> JoinHandle<()> {
        let (worker, permit) = (self.worker.clone(), self.worker.limit.acquire().await);
        let place = (worker.clone(), self.listening.clone());
        worker.tasks.spawn_local(async move {
            let nothing = (None, Version::HTTP_11, Rc::default());
            let connection = Connection::begin(place, ([127, 0, 0, 1], 9).into(), permit, nothing);
            what(&Ticket::begin(connection, &Request::new(())));
        })
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { timeout(Duration::from_secs(30), test).await };
    tokio::task::LocalSet::new().block_on(&runtime, limited).expect("the test hangs");
}

async fn asks(client: &mut TcpStream) -> String {
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"no route matches\n") {
        assert!(client.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_panic_costs_its_own_connection_and_nothing_else() {
    run(async {
        let bench = Bench::new().await;
        let mut other = bench.client().await;
        assert!(asks(&mut other).await.starts_with("HTTP/1.1 404"));
        for _ in 0..3 {
            // In the middle of something: what it holds at that moment must be let go of, too.
            let defect = |ticket: &Ticket| ticket.note(|_| panic!("a defect"));
            assert!(bench.connection(defect).await.await.unwrap_err().is_panic());
            assert_eq!((bench.worker.exchanges.len(), bench.worker.pulse.connections.get()), (0, 1));
        }
        assert!(asks(&mut other).await.starts_with("HTTP/1.1 404"), "the other connection lives on");
        // Two places, of which one is taken: the others have been given back.
        drop(bench.worker.limit.acquire().await);
        drop(other);
        bench.worker.tasks.close();
        bench.worker.tasks.wait().await;
        let traffic = bench.worker.current.load().listeners[0].unrouted.clone();
        let live = traffic.of(0);
        let finished: u64 = live.classes.iter().map(|class| class.load(std::sync::atomic::Ordering::Relaxed)).sum();
        assert_eq!(finished, live.begun.load(std::sync::atomic::Ordering::Relaxed), "all that began has ended");
    });
}

#[test]
fn a_panic_while_exchanges_are_looked_after_ends_the_one_it_is_about() {
    run(async {
        let bench = Bench::new().await;
        let worker = bench.worker.clone();
        let told = bench.connection(move |ticket| {
            // What it is about to note is in use at this moment.
            ticket.note(|_| worker.exchanges.sweep(clock::uptime()));
            assert_eq!(ticket.still.fault(), Some(Fault::Internal));
        });
        told.await.await.unwrap();
    });
}
