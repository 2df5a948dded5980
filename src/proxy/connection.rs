//! One client connection: TLS, which HTTP is spoken, and when it ends.
//!
//! [`super::http1`] and [`super::http2`] give the same handler the same requests.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, Version};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::access_log::Entry;
use super::account::Account;
use super::download::Download;
use super::forwarded;
use super::handle::handle;
use super::http1::{self, Answer};
use super::http2;
use super::incoming::Incoming;
use super::limit::Permit;
use super::ration::Signs;
use super::respond;
use super::transport::{ClientIo, Transport};
use super::view::{Listening, View};
use super::worker::Worker;
use crate::clock;
use crate::http1::Http1Error;
use crate::http1::head::Limits;
use crate::outcome::Fault;
use crate::snapshot::ClientPolicy;

/// A connection, as its exchanges see it.
pub(super) struct Connection {
    /// Who serves it.
    pub(super) worker: Rc<Worker>,
    /// Where it came in.
    pub(super) listening: Rc<Listening>,
    /// The other end.
    pub(super) peer: SocketAddr,
    peer_value: OnceCell<HeaderValue>,
    /// The name the client asked for by TLS; `None` for plain text, empty when it asked for none.
    pub(super) tls: Option<Box<str>>,
    version: Version,
    cut: Rc<Cell<bool>>,
    in_flight: Cell<usize>,
    idle_since: Cell<Duration>,
    _permit: Permit,
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let view = listening.view(&worker.current);
    // What opening needs is given back: the connection may be idle for long.
    let opened = Box::pin(open(&listening, &view, stream)).await;
    let Some(Opened { io, tls, version }) = opened else { return };
    let connection = Connection::begin((worker, listening), peer, permit, (tls, version, io.cut()));
    let policy = &view.snapshot.client;
    match version {
        Version::HTTP_2 => Box::pin(serve_http2(connection, io, policy)).await,
        _ => serve_http1(connection, io, policy).await,
    }
}

/// A connection that is ready for HTTP.
struct Opened {
    io: ClientIo,
    tls: Option<Box<str>>,
    version: Version,
}

/// Shakes hands, and finds out which HTTP is spoken; `None` when the client fails to, or takes too long, or the listener closes.
async fn open(listening: &Listening, view: &View, stream: TcpStream) -> Option<Opened> {
    let closed = async {
        listening.closing.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        opened = listen(view, stream) => opened,
        () = closed => None,
    }
}

async fn listen(view: &View, stream: TcpStream) -> Option<Opened> {
    match view.listener(view.first)?.tls.clone() {
        None => open_plain(view.snapshot.client.header, stream).await,
        // A handshake needs ten times the memory of a client that says nothing yet.
        Some(config) => Box::pin(open_tls(view, config, stream)).await,
    }
}

async fn open_plain(patience: Duration, mut stream: TcpStream) -> Option<Opened> {
    let mut ahead = [0; PREFACE.len()];
    let count = timeout(patience, read_ahead(&mut stream, &mut ahead)).await.ok()?.ok()?;
    let version = if ahead == *PREFACE { Version::HTTP_2 } else { Version::HTTP_11 };
    let io = ClientIo::new(Transport::Plain(stream), &ahead[..count]);
    (count > 0).then_some(Opened { io, tls: None, version })
}

async fn open_tls(view: &View, config: Arc<ServerConfig>, stream: TcpStream) -> Option<Opened> {
    let policy = &view.snapshot.client;
    let stream = if view.is_shared() {
        timeout(policy.handshake, accept_by_name(view, stream)).await.ok()??
    } else {
        timeout(policy.handshake, TlsAcceptor::from(config).accept(stream)).await.ok()?.ok()?
    };
    let session = stream.get_ref().1;
    let version = if session.alpn_protocol() == Some(b"h2") { Version::HTTP_2 } else { Version::HTTP_11 };
    let tls = Some(session.server_name().unwrap_or_default().into());
    let io = ClientIo::new(Transport::Tls(Box::new(stream)), &[]);
    Some(Opened { io, tls, version })
}

/// Shakes hands as the listener does whose host the client asks for; `None` when there is no such listener.
async fn accept_by_name(view: &View, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.ok()?;
    let listener = view.listener_of(start.client_hello().server_name().unwrap_or_default())?;
    let config = view.listener(listener)?.tls.clone()?;
    start.into_stream(config).await.ok()
}

/// Reads until the bytes are HTTP/2's preface, or differ from it.
async fn read_ahead(stream: &mut TcpStream, ahead: &mut [u8; PREFACE.len()]) -> std::io::Result<usize> {
    let mut count = 0;
    while count < PREFACE.len() && ahead[..count] == PREFACE[..count] {
        let more = stream.read(&mut ahead[count..]).await?;
        if more == 0 {
            break;
        }
        count += more;
    }
    Ok(count)
}

async fn serve_http1(connection: Rc<Connection>, io: ClientIo, policy: &ClientPolicy) {
    let settings = http1::Settings {
        limits: Limits { bytes: policy.header_bytes, fields: policy.header_count },
        header: policy.header,
        keep_alive: policy.keep_alive,
        write: WRITE_PATIENCE,
    };
    let deadline = connection.listening.watch.deadline();
    // The error of a client's connection is the client's business.
    let _ = http1::serve(io, Rc::new(settings), deadline, Http1(connection)).await;
}

/// Answers the requests of a connection that speaks HTTP/1.
struct Http1(Rc<Connection>);

impl http1::Service for Http1 {
    type Body = Download;

    fn call(&self, request: Request<http1::RequestBody>) -> impl Future<Output = Answer<Download>> {
        handle(self.0.clone(), request.map(Incoming::Http1))
    }

    fn refuse(&self, error: Http1Error) -> Response<Download> {
        let fault = match error {
            Http1Error::TooLarge | Http1Error::TooMany => Fault::HeadersTooLarge,
            _ => Fault::BadRequest,
        };
        let (connection, view) = (&self.0, self.0.view());
        let mut account = Account::refused(connection.worker.index, fault);
        account.close(view.first, view.unrouted(view.first), Duration::ZERO);
        if let Some(log) = &view.log {
            let entry = Entry::unread();
            connection.worker.log.write(|line| {
                log.render(line, &entry, (connection, view.listener(view.first)), &account, Duration::ZERO)
            });
        }
        respond::to_nobody(fault, &connection.worker.dates)
    }
}

async fn serve_http2(connection: Rc<Connection>, io: ClientIo, policy: &ClientPolicy) {
    let settings = http2::Settings {
        streams: policy.http2_streams,
        header_bytes: u32::try_from(policy.header_bytes).unwrap_or(u32::MAX),
    };
    let signs = Rc::<Signs>::default();
    let (tasks, deadline) = (connection.worker.tasks.clone(), connection.listening.watch.deadline());
    let mut server = http2::Server::new(io, (settings, Http2(connection.clone())), tasks, (signs.clone(), deadline));
    // Stays where it is: an argument would be kept twice.
    connection.watch_http2(&mut server, &signs).await;
}

/// Answers the requests of a connection that speaks HTTP/2.
#[derive(Clone)]
struct Http2(Rc<Connection>);

impl http2::Service for Http2 {
    type Body = Download;

    fn call(self, request: Request<http2::RequestBody>) -> impl Future<Output = Answer<Download>> {
        handle(self.0, request.map(Incoming::Http2))
    }
}

impl Connection {
    /// A connection from `peer` at a listening socket of a worker; `cut` ends it for the client.
    pub(super) fn begin(
        (worker, listening): (Rc<Worker>, Rc<Listening>),
        peer: SocketAddr,
        permit: Permit,
        (tls, version, cut): (Option<Box<str>>, Version, Rc<Cell<bool>>),
    ) -> Rc<Self> {
        worker.serves();
        let (peer_value, in_flight, idle_since) = (OnceCell::new(), Cell::new(0), Cell::new(clock::uptime()));
        let _permit = permit;
        Rc::new(Self { worker, listening, peer, peer_value, tls, version, cut, in_flight, idle_since, _permit })
    }

    /// The snapshot in force, through this connection's listener.
    pub(super) fn view(&self) -> Rc<View> {
        self.listening.view(&self.worker.current)
    }

    /// The other end's address, as backends are told of it.
    pub(super) fn peer_value(&self) -> &HeaderValue {
        self.peer_value.get_or_init(|| forwarded::address_value(self.peer.ip()))
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The client does not take its response. Where that stops all others too (HTTP/1), it is the end of the connection;
    /// a stream of HTTP/2 waits alone.
    pub(super) fn gives_up_response(&self) {
        if self.version < Version::HTTP_2 {
            self.cut.set(true);
        }
    }

    /// An exchange begins.
    pub(super) fn exchange_begins(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// An exchange is over, at `now`.
    pub(super) fn exchange_ends(&self, now: Duration) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.idle_since.set(now);
    }

    /// Drives `server` to its end: its own, or an orderly one when it was idle for too long or the listener leaves.
    ///
    /// The timer is not set anew by requests; when it rings, it is looked up how long the connection has been idle.
    ///
    /// Once its ration is spent it gets the time to hear of its end, and no more.
    async fn watch_http2(&self, server: &mut http2::Server<ClientIo, Http2>, signs: &Signs) {
        // Whoever connects while weir leaves is told so too, but not before it has asked: what it asks then would be refused.
        let late = self.listening.leaving.is_cancelled();
        let keep_alive = if late { LAST_WORDS } else { self.view().snapshot.client.keep_alive };
        let mut alarm = std::pin::pin!(tokio::time::sleep(keep_alive));
        let (mut told, mut floods) = (false, false);
        loop {
            tokio::select! {
                biased;
                () = &mut *server => return,
                () = self.listening.leaving.cancelled(), if !told && !late => {
                    told = true;
                    server.finish();
                    alarm.as_mut().reset(Instant::now() + LAST_WORDS);
                }
                () = signs.spent(), if !floods => {
                    tracing::debug!(peer = %self.peer, "a client floods its HTTP/2 connection, which is ended");
                    (told, floods) = (true, true);
                    server.finish();
                    alarm.as_mut().reset(Instant::now() + LAST_WORDS);
                }
                () = alarm.as_mut() => {
                    let limit = if told { LAST_WORDS } else { keep_alive };
                    let left = (self.idle_since.get() + limit).saturating_sub(clock::uptime());
                    let (is_idle, is_over) = (self.in_flight.get() == 0, left.is_zero());
                    let is_to_go = if is_idle { is_over } else { late };
                    if floods || (told && is_idle && is_over) {
                        return;
                    }
                    let next = if !told && is_to_go {
                        told = true;
                        server.finish();
                        LAST_WORDS
                    } else if is_idle && !is_over {
                        left
                    } else {
                        limit
                    };
                    alarm.as_mut().reset(Instant::now() + next);
                }
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.served();
    }
}

/// What a client sends first when it speaks HTTP/2 from the start (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client may take nothing of what is written to it.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// On the way down: how long an idle connection may still send a request, which a client may have on the way at this moment.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an asynchronous function of five arguments returns.
    fn size_of_future<A, B, C, D, E, F: Future>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_by_http2_is_small() {
        fn size_of_future<'a, F: Future>(_: impl FnOnce(Rc<Connection>, ClientIo, &'a ClientPolicy) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_future(serve_http2);
        assert!(size <= 2048, "{size} bytes");
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let size = size_of_future(serve);
        assert!(size <= 768, "{size} bytes");
    }
}
