//! The server side of HTTP/2: one client connection, many requests at once.
//!
//! h2 knows frames, streams and windows. What it leaves open is here: each request is answered on a task of its own, so that
//! one that stands still or panics is nobody else's affair; a client that has fallen silent is asked whether it is still
//! there; and the end is orderly. How much a client may ask for without getting anything done is [`super::ration`]'s.

mod body;
mod stream;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Handshake};
use h2::{Ping, PingPong, Reason};
use http::Request;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;

pub(crate) use self::body::RequestBody;
use super::deadline::Deadline;
use super::http1::Answer;
use super::ration::{Rationed, Signs};

/// How much a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Streams at once.
    pub(crate) streams: u32,
    /// Bytes of a head's fields.
    pub(crate) header_bytes: u32,
}

/// What answers requests.
pub(crate) trait Service: Clone + Unpin + 'static {
    /// The body of answers.
    type Body: Body<Data = Bytes> + 'static;

    /// Answers one request; never by 101, which HTTP/2 does not have. Dropped when the client takes the request back.
    fn call(self, request: Request<RequestBody>) -> impl Future<Output = Answer<Self::Body>> + 'static;
}

/// A client's connection. The future is ready when it has ended.
pub(crate) struct Server<T, S> {
    state: State<Rationed<T>>,
    service: S,
    tasks: TaskTracker,
    heart: Heart,
    finishes: bool,
}

enum State<T> {
    /// The client has yet to say that it speaks HTTP/2.
    Greeting(Handshake<T>),
    /// It has.
    Open(h2::server::Connection<T, Bytes>),
}

impl<T, S> Server<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    /// Serves the client behind `io`, each request on one of `tasks`. `signs` are told what it does, and `deadline` is when
    /// it is asked.
    pub(crate) fn new(
        io: T,
        (settings, service): (Settings, S),
        tasks: TaskTracker,
        (signs, deadline): (Rc<Signs>, Deadline),
    ) -> Self {
        let io = Rationed::new(io, signs.clone());
        let greeting = Builder::new()
            .max_concurrent_streams(settings.streams)
            .max_header_list_size(settings.header_bytes)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(Some(RESETS))
            .handshake(io);
        let heart = Heart { signs, deadline, pings: None, asked: false };
        Self { state: State::Greeting(greeting), service, tasks, heart, finishes: false }
    }

    /// Tells the client that no further requests are taken. The end comes when those under way have been answered.
    pub(crate) fn finish(&mut self) {
        self.finishes = true;
        if let State::Open(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }
}

impl<T, S> Future for Server<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let connection = match &mut this.state {
            State::Open(connection) => connection,
            State::Greeting(greeting) => {
                let Ok(mut connection) = ready!(Pin::new(greeting).poll(cx)) else { return Poll::Ready(()) };
                this.heart.begin(connection.ping_pong());
                if this.finishes {
                    connection.graceful_shutdown();
                }
                this.state = State::Open(connection);
                return Pin::new(this).poll(cx);
            }
        };
        while let Poll::Ready(accepted) = connection.poll_accept(cx) {
            // What is wrong with a client's connection is the client's business.
            let Some(Ok((request, reply))) = accepted else { return Poll::Ready(()) };
            this.tasks.spawn_local(stream::answer(this.service.clone(), request, reply));
        }
        ready!(this.heart.poll_stopped(cx));
        // What can still be written is; whoever does not answer is not waited for.
        connection.abrupt_shutdown(Reason::NO_ERROR);
        let _ = connection.poll_closed(cx);
        Poll::Ready(())
    }
}

/// Whether the client is still there.
struct Heart {
    signs: Rc<Signs>,
    deadline: Deadline,
    pings: Option<PingPong>,
    /// It was sent a PING, and nothing has come since.
    asked: bool,
}

impl Heart {
    fn begin(&mut self, pings: Option<PingPong>) {
        self.pings = pings;
        self.deadline.set(PING_INTERVAL);
    }

    /// Ready when nothing has been heard of the client for too long. Asks it before.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.signs.takes_heard() {
            self.deadline.set(PING_INTERVAL);
            self.asked = false;
        }
        loop {
            ready!(self.deadline.poll_passed(cx));
            if std::mem::replace(&mut self.asked, true) {
                return Poll::Ready(());
            }
            self.deadline.set(PING_TIMEOUT);
            if let Some(pings) = &mut self.pings {
                // The answer to the PING before makes room for this one. A client that talks but answers none is there, too.
                let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
                let _ = pings.send_ping(Ping::opaque());
            }
        }
    }
}

/// What a stream may send ahead of its reader: the specification's own default.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;

/// What all streams of a connection may send ahead: 16 full streams, so that a few slow ones do not stop the rest.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What is kept for a stream whose client does not read: of its answer, and of what comes ahead of that. h2's default of
/// 400 KiB times 100 streams is 40 MiB a client.
const SEND_BUFFER: usize = 64 * 1024;

/// After this many streams that were reset at once (rapid reset, MadeYouReset) the connection is ended.
const RESETS: usize = 20;

/// A client that has said nothing for so long is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// And has so long to say anything.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
