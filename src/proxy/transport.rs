//! What carries a client's bytes: TCP, or TLS over it, with what was read ahead to tell the protocol.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::socket::Stream;

/// What a connection runs on.
pub(super) type Transport = Stream<TlsStream<TcpStream>>;

/// A client's connection, of which some bytes may have been read ahead.
pub(super) struct ClientIo {
    transport: Transport,
    ahead: Bytes,
    cut: Rc<Cell<bool>>,
}

impl ClientIo {
    /// A connection of which `ahead` has been read already.
    pub(super) fn new(transport: Transport, ahead: &[u8]) -> Self {
        Self { transport, ahead: Bytes::copy_from_slice(ahead), cut: Rc::default() }
    }

    /// What cuts the connection off when it is set: the next write fails.
    pub(super) fn cut(&self) -> Rc<Cell<bool>> {
        self.cut.clone()
    }

    fn check(&self) -> io::Result<()> {
        if self.cut.get() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.transport).poll_read(cx, buffer);
        }
        let ahead = this.ahead.split_to(this.ahead.len().min(buffer.remaining()));
        buffer.put_slice(&ahead);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.transport).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
