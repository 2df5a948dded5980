//! What the replicas tell each other: counters of releases and of their routes, what failed, and decisions that are in force
//! with one of them alone.
//!
//! Every replica tells all others twice a second, over TLS in which both sides show the one certificate that only weir can
//! read ([`identity`]). So whoever leads judges by everybody's requests, and whoever leads next has seen them too. What cannot
//! be told is lost to the judge, never to the proxy: a replica that is cut off goes by its own requests. A replica that
//! starts in the middle of a rollout inherits what another one has seen of it (`inheritance`), so that replicas may go one
//! after the other and no evidence with them.
//!
//! # How soon
//! What one replica counts the others have within half a second, and so they have, once they can reach each other again, what
//! they missed: half a second is the time between two reports (`BETWEEN`), and the longest between two attempts to connect
//! (`ANSWER`); the first report comes at once. Whoever has not heard another one for a second and a half (`SILENT`) connects
//! anew rather than wait for what TCP repeats ever more seldom. The engine weighs what it has at its next second, failures of
//! the canary at once.

pub mod identity;
mod inheritance;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use self::identity::Identity;
use self::wire::{Attempt, Heard, Told};
use super::release::Book;
use crate::engine::Control;
use crate::snapshot::Current;

/// What is told, and where what is heard goes.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The releases in force, with their counters.
    pub current: Arc<Current>,
    /// Decisions that only this replica knows.
    pub book: Arc<Book>,
    /// The engine, which has the evidence.
    pub control: Control,
    /// This process; another number after a restart.
    pub instance: u64,
}

/// Tells everybody who connects and shows the right certificate, until `stop`.
pub async fn serve(listener: TcpListener, identity: Identity, exchange: Exchange, stop: CancellationToken) {
    let acceptor = TlsAcceptor::from(identity.server);
    let mut told = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = told.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if told.len() < MOST_PEERS => {
                    told.spawn(tell(acceptor.clone(), stream, exchange.clone()));
                }
                Ok(_) => {}
                Err(_) => sleep(AGAIN).await,
            },
        }
    }
}

async fn tell(acceptor: TlsAcceptor, stream: TcpStream, exchange: Exchange) {
    let Ok(Ok(stream)) = timeout(SILENCE, acceptor.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(identity::TRACE) {
        return inheritance::hand_over(stream, &exchange).await;
    }
    report(stream, &exchange).await;
}

/// Writes a report now, and another one every [`BETWEEN`] until nobody takes them.
async fn report(mut stream: impl AsyncWrite + Unpin, exchange: &Exchange) {
    loop {
        let Ok(mut line) = serde_json::to_vec(&Told::by(exchange)) else { return };
        line.push(b'\n');
        let written = async {
            stream.write_all(&line).await?;
            stream.flush().await
        };
        match timeout(SILENCE, written).await {
            Ok(Ok(())) => sleep(BETWEEN).await,
            _ => return,
        }
    }
}

/// Listens to the replicas at these addresses. Dropping it ends that.
#[derive(Debug)]
pub struct Listening {
    identity: Identity,
    exchange: Exchange,
    port: u16,
    peers: BTreeMap<IpAddr, tokio_util::task::AbortOnDropHandle<()>>,
}

impl Listening {
    /// To nobody yet.
    pub fn new(identity: Identity, exchange: Exchange, port: u16) -> Self {
        Self { identity, exchange, port, peers: BTreeMap::new() }
    }

    /// To these, and no others.
    pub fn to(&mut self, addresses: &[IpAddr]) {
        self.peers.retain(|address, _| addresses.contains(address));
        for &address in addresses {
            let (identity, exchange) = (self.identity.clone(), self.exchange.clone());
            let peer = SocketAddr::new(address, self.port);
            let listen = || tokio_util::task::AbortOnDropHandle::new(tokio::spawn(listen(peer, identity, exchange)));
            self.peers.entry(address).or_insert_with(listen);
        }
    }
}

async fn listen(peer: SocketAddr, identity: Identity, exchange: Exchange) {
    let connect = || connect(peer, identity.client.clone());
    let ask = |lacking| inheritance::ask(peer, identity.heir.clone(), lacking, exchange.clone());
    persist(connect, ask, &exchange).await;
}

/// Hears what is told, by one connection after the other.
async fn persist<S, C, A>(connect: impl Fn() -> C, ask: impl Fn(Attempt) -> A, exchange: &Exchange)
where
    S: AsyncRead + Unpin,
    C: Future<Output = io::Result<S>>,
    A: Future<Output = io::Result<()>>,
{
    let mut heard = Heard::default();
    loop {
        let again = Instant::now() + AGAIN;
        if let Err(error) = hear(connect(), &ask, exchange, &mut heard).await {
            tracing::debug!("a replica is not heard, tried again: {error}");
        }
        sleep_until(again).await;
    }
}

/// Connects, and takes in what is told until it ends. What is lacking is asked for.
async fn hear<S, A>(
    connection: impl Future<Output = io::Result<S>>,
    ask: impl Fn(Attempt) -> A,
    exchange: &Exchange,
    heard: &mut Heard,
) -> io::Result<()>
where
    S: AsyncRead + Unpin,
    A: Future<Output = io::Result<()>>,
{
    let mut lines = BufReader::new(connection.await?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LONGEST);
        if timeout(SILENT, limited.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        let told: Told = serde_json::from_slice(&line)?;
        if told.instance == exchange.instance {
            // Ourselves, by another address.
            return Ok(());
        }
        for lacking in heard.take(told, exchange) {
            ask(lacking).await?;
        }
    }
}

async fn connect(peer: SocketAddr, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = timeout(ANSWER, TcpStream::connect(peer)).await??;
    let name = ServerName::try_from(identity::NAME).map_err(io::Error::other)?;
    timeout(SILENT, TlsConnector::from(config).connect(name, stream)).await?
}

/// Between two reports to one replica.
const BETWEEN: Duration = Duration::from_millis(500);

/// Between the beginnings of two attempts to reach one, at least.
const AGAIN: Duration = Duration::from_millis(200);

/// The longest wait for a connection, and so the longest between two attempts where nothing answers. The network repeats a lost
/// packet of a new connection only after a second.
const ANSWER: Duration = Duration::from_millis(500);

/// A replica that is not heard for so long, three reports, is connected to anew.
const SILENT: Duration = Duration::from_millis(1500);

/// A replica that takes nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(3);

/// The longest report: some thousand releases.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Replicas that are told at a time.
const MOST_PEERS: usize = 256;

#[cfg(test)]
mod tests;
