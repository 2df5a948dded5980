//! One client connection: TLS, which HTTP is spoken, and when it ends.
//!
//! hyper reads and writes; this watches. One timer for each connection asks now and then what is due, so that neither a
//! request nor its end sets or moves a timer.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::account;
use super::handle::handle;
use super::io::{ClientIo, Transport, Wire};
use super::limit::Permit;
use super::view::{Listening, View};
use super::worker::{LocalExecutor, Worker};
use crate::clock;
use crate::snapshot::ClientPolicy;

/// A connection, as its exchanges see it.
pub(super) struct Connection {
    /// Who serves it.
    pub(super) worker: Rc<Worker>,
    /// Where it came in.
    pub(super) listening: Rc<Listening>,
    /// The other end.
    pub(super) peer: SocketAddr,
    /// The name the client asked for by TLS; `None` for plain text, empty when it asked for none.
    pub(super) tls: Option<Box<str>>,
    wire: Arc<Wire>,
    version: Cell<Version>,
    in_flight: Cell<usize>,
    idle_since: Cell<Duration>,
    stage: Cell<Stage>,
    killed: Notify,
    _permit: Permit,
}

/// Whether a connection takes further requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It does.
    Open,
    /// The next response says that it is the last. Those that are idle end soon.
    Closing,
    /// hyper has been told to end it.
    Told,
}

/// What is to be done with a connection now.
enum Due {
    /// Nothing, until then.
    Later(Duration),
    /// Let it end in an orderly way.
    Finish,
    /// Drop it.
    Drop,
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
    let policy = &view.snapshot.client;
    let wire = Arc::new(Wire::default());
    wire.head_begins();
    let closed = async {
        listening.closing.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let opened = tokio::select! {
        opened = open(&view, stream, &wire) => opened,
        () = closed => None,
    };
    let Some(Opened { io, tls, version }) = opened else { return };
    let connection = Rc::new(Connection {
        worker,
        listening,
        peer,
        tls,
        wire,
        version: Cell::new(version),
        in_flight: Cell::new(0),
        idle_since: Cell::new(clock::uptime()),
        stage: Cell::new(Stage::Open),
        killed: Notify::new(),
        _permit: permit,
    });
    match version {
        Version::HTTP_2 => serve_h2(connection, io, policy).await,
        _ => serve_h1(connection, io, policy).await,
    }
}

/// A connection that is ready for HTTP.
struct Opened {
    io: ClientIo,
    tls: Option<Box<str>>,
    version: Version,
}

/// Shakes hands, and finds out which HTTP is spoken; `None` when the client fails to, or takes too long.
async fn open(view: &View, mut stream: TcpStream, wire: &Arc<Wire>) -> Option<Opened> {
    let policy = &view.snapshot.client;
    let Some(config) = view.listener()?.tls.clone() else {
        let mut ahead = [0; PREFACE.len()];
        let count = timeout(policy.header, read_ahead(&mut stream, &mut ahead)).await.ok()?.ok()?;
        let version = if ahead == *PREFACE { Version::HTTP_2 } else { Version::HTTP_11 };
        let io = ClientIo::new(Transport::Plain(stream), wire.clone(), &ahead[..count]);
        return (count > 0).then_some(Opened { io, tls: None, version });
    };
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = timeout(policy.handshake, handshake).await.ok()?.ok()?;
    let session = stream.get_ref().1;
    let version = if session.alpn_protocol() == Some(b"h2") { Version::HTTP_2 } else { Version::HTTP_11 };
    let tls = Some(session.server_name().unwrap_or_default().into());
    let io = ClientIo::new(Transport::Tls(Box::new(stream)), wire.clone(), &[]);
    Some(Opened { io, tls, version })
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

async fn serve_h1(connection: Rc<Connection>, io: ClientIo, policy: &ClientPolicy) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .max_header_size(policy.header_bytes)
        .max_buf_size(policy.header_bytes.saturating_mul(2).max(LEAST_BUFFER))
        .header_read_timeout(None);
    if policy.header_count != HYPERS_HEADER_COUNT {
        builder.max_headers(policy.header_count);
    }
    let handler = connection.clone();
    let service = service_fn(move |request| answer(handler.clone(), request));
    let serving = builder.serve_connection(TokioIo::new(io), service).with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let result = connection.clone().watch(serving.as_mut(), |serving| serving.graceful_shutdown()).await;
    if let Some(Err(error)) = result {
        connection.count_refused(&error);
    }
}

async fn serve_h2(connection: Rc<Connection>, io: ClientIo, policy: &ClientPolicy) {
    let mut builder = hyper::server::conn::http2::Builder::new(LocalExecutor(connection.worker.clone()));
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .max_concurrent_streams(policy.http2_streams)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_pending_accept_reset_streams(H2_RESETS)
        .max_local_error_reset_streams(H2_RESETS)
        .keep_alive_interval(H2_PING)
        .max_header_list_size(u32::try_from(policy.header_bytes).unwrap_or(u32::MAX));
    let handler = connection.clone();
    let service = service_fn(move |request| answer(handler.clone(), request));
    let serving = builder.serve_connection(TokioIo::new(io), service);
    let mut serving = std::pin::pin!(serving);
    let _ = connection.watch(serving.as_mut(), |serving| serving.graceful_shutdown()).await;
}

async fn answer(
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<http::Response<super::download::Download>, Infallible> {
    Ok(handle(connection, request).await)
}

impl Connection {
    /// The snapshot in force, through this connection's listener.
    pub(super) fn view(&self) -> Rc<View> {
        self.listening.view(&self.worker.current)
    }

    /// What is spoken.
    pub(super) fn version(&self) -> Version {
        self.version.get()
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A request's head is whole.
    pub(super) fn exchange_begins(&self) {
        self.wire.head_ends();
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// An exchange is over. What was read since its head was its body.
    pub(super) fn exchange_ends(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.idle_since.set(clock::uptime());
        self.wire.head_ends();
    }

    /// The request body was not read to its end, and will not be.
    pub(super) fn leaves_body(&self) {
        if self.version() < Version::HTTP_2 {
            self.wire.expect_leftovers();
        }
    }

    /// Whether the response that is about to be sent is the last on this connection.
    pub(super) fn is_closing(&self) -> bool {
        self.stage.get() != Stage::Open
    }

    /// Drops the connection, with all that is under way on it.
    pub(super) fn kill(&self) {
        self.killed.notify_one();
    }

    /// Drives `serving` to its end; `None` when it was dropped before.
    async fn watch<F, E>(
        self: Rc<Self>,
        mut serving: Pin<&mut F>,
        finish: impl Fn(Pin<&mut F>),
    ) -> Option<Result<(), E>>
    where
        F: Future<Output = Result<(), E>>,
    {
        let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            tokio::select! {
                biased;
                result = serving.as_mut() => return Some(result),
                () = self.killed.notified() => return None,
                () = self.listening.closing.cancelled(), if self.stage.get() == Stage::Open => {
                    self.stage.set(Stage::Closing);
                    self.idle_since.set(clock::uptime());
                    // HTTP/2 can say "no more" without a race; HTTP/1 cannot take back a connection that is idle.
                    if self.version() == Version::HTTP_2 {
                        finish(serving.as_mut());
                        self.stage.set(Stage::Told);
                    }
                    alarm.as_mut().reset(Instant::now());
                }
                () = alarm.as_mut() => match self.due(clock::uptime()) {
                    Due::Later(wait) => alarm.as_mut().reset(Instant::now() + wait),
                    Due::Drop => return None,
                    Due::Finish => {
                        self.stage.set(Stage::Told);
                        finish(serving.as_mut());
                        alarm.as_mut().reset(Instant::now() + LAST_WORDS);
                    }
                },
            }
        }
    }

    /// What is to be done at `now`. Looks again at least every time for a head: so a head that began after one look is due
    /// no earlier than the next.
    fn due(&self, now: Duration) -> Due {
        let view = self.view();
        let policy = &view.snapshot.client;
        if self.in_flight.get() > 0 {
            return Due::Later(if self.is_closing() { LAST_WORDS } else { policy.header });
        }
        if self.stage.get() == Stage::Told {
            return Due::Drop;
        }
        let left = |since: Duration, limit: Duration| (since + limit).saturating_sub(now);
        if self.version() < Version::HTTP_2
            && let Some(since) = self.wire.head_since()
        {
            let left = left(since, policy.header);
            return if left.is_zero() { Due::Drop } else { Due::Later(left) };
        }
        let limit = if self.is_closing() { LAST_WORDS } else { policy.keep_alive };
        let left = left(self.idle_since.get(), limit);
        if left.is_zero() { Due::Finish } else { Due::Later(left.min(policy.header).max(SHORTEST_LOOK)) }
    }

    /// hyper has refused a head by itself: it counts where requests without a route do.
    fn count_refused(&self, error: &hyper::Error) {
        let status = match (error.is_parse_too_large(), error.is_parse()) {
            (true, _) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            (false, true) => StatusCode::BAD_REQUEST,
            (false, false) => return,
        };
        if let Some(traffic) = self.view().unrouted() {
            account::count_refused(traffic.of(self.worker.index), status);
        }
    }
}

/// What a client sends first when it speaks HTTP/2 from the start (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The smallest buffer that hyper takes.
const LEAST_BUFFER: usize = 8192;

/// hyper parses up to this many fields without an allocation; setting even the same number costs one for each request.
const HYPERS_HEADER_COUNT: usize = 100;

/// What a stream may send ahead of its reader: the specification's own default.
const H2_STREAM_WINDOW: u32 = 64 * 1024 - 1;

/// What all streams of a connection may send ahead: 16 full streams, so that a few slow ones do not stop the rest.
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What is kept for a stream whose client does not read. hyper's default of 400 KiB times 100 streams is 40 MiB a client.
const H2_SEND_BUFFER: usize = 64 * 1024;

/// After this many streams that were reset at once (rapid reset, MadeYouReset) the connection is ended.
const H2_RESETS: usize = 20;

/// How often a client that has streams open is asked whether it is still there.
const H2_PING: Duration = Duration::from_secs(20);

/// On the way down: how long an idle connection may still send a request, which a client may have on the way at this moment.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The timer's own grain.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
