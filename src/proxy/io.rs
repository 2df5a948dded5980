//! A client's connection below hyper: the bytes read ahead to tell the protocol, the time a head began, and a close that
//! does not tear the answer out of the client's hands.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use crate::clock;

/// What a connection runs on.
pub(super) enum Transport {
    /// Plain text.
    Plain(TcpStream),
    /// TLS. Boxed: its buffers would make every plain connection large.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the bytes tell the one who watches the connection.
///
/// Atomics because hyper wants upgraded connections to be `Send`; only one thread ever touches them.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The uptime in nanoseconds at which the first byte of the head that is being read came; 0 while there is none.
    head_since: AtomicU64,
    /// Whether the client may still be sending when the connection is closed.
    linger: AtomicBool,
}

impl Wire {
    /// When the head that is being read began.
    pub(super) fn head_since(&self) -> Option<Duration> {
        let nanos = self.head_since.load(Ordering::Relaxed);
        (nanos != 0).then(|| Duration::from_nanos(nanos))
    }

    /// A head begins now: a new connection has the time of one head for its first request.
    pub(super) fn head_begins(&self) {
        let nanos = u64::try_from(clock::uptime().as_nanos()).unwrap_or(u64::MAX);
        self.head_since.store(nanos.max(1), Ordering::Relaxed);
    }

    /// The head is whole.
    pub(super) fn head_ends(&self) {
        self.head_since.store(0, Ordering::Relaxed);
    }

    /// A request was answered before its body had come: the client may still be sending it.
    pub(super) fn expect_leftovers(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    fn on_read(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_begins();
        }
    }

    /// Leftovers are possible when an answer came early, or when a head was never finished (and answered with 400 or 431).
    fn has_leftovers(&self) -> bool {
        self.linger.load(Ordering::Relaxed) || self.head_since.load(Ordering::Relaxed) != 0
    }
}

/// A client's connection.
pub(super) struct ClientIo {
    transport: Transport,
    wire: Arc<Wire>,
    ahead: Box<[u8]>,
    taken: usize,
    closing: Option<Closing>,
}

/// The state of a close that waits for the client.
struct Closing {
    sent_fin: bool,
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl ClientIo {
    /// A connection of which `ahead` has been read already.
    pub(super) fn new(transport: Transport, wire: Arc<Wire>, ahead: &[u8]) -> Self {
        Self { transport, wire, ahead: ahead.into(), taken: 0, closing: None }
    }

    /// Sends the end of the stream, then reads on for a while what nobody wants.
    ///
    /// Closing a socket that holds unread bytes makes the kernel send a reset, which destroys the answer on its way: the
    /// client would see "connection reset" instead of 413.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closing = self.closing.get_or_insert_with(|| Closing {
            sent_fin: false,
            left: LINGER_BYTES,
            until: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER_TIME)),
        });
        if !closing.sent_fin {
            ready!(Pin::new(&mut self.transport).poll_shutdown(cx))?;
            closing.sent_fin = true;
        }
        let mut scrap = [0u8; 8192];
        while closing.left > 0 && closing.until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    closing.left = closing.left.saturating_sub(buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken < this.ahead.len() {
            let rest = &this.ahead[this.taken..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            this.taken += count;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.transport).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.wire.on_read();
        }
        result
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.has_leftovers() {
            return self.poll_linger(cx);
        }
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

/// What a client that is still sending is read for after the answer: enough for what was on its way when it arrived.
const LINGER_BYTES: usize = 1 << 20;

/// And for how long.
const LINGER_TIME: Duration = Duration::from_secs(2);
