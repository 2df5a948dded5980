//! The bytes of a connection, counted.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::Stream;
use super::pool::Slot;

/// What went over an HTTP/1 connection, and how much more may come before the response head is complete.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: Cell<u64>,
    written: Cell<u64>,
    head_left: Cell<Option<u64>>,
}

impl Meter {
    /// A new exchange begins: nothing read, nothing written, and the head must come within [`MAX_HEAD`] bytes.
    pub(super) fn begin(&self) {
        self.read.set(0);
        self.written.set(0);
        self.head_left.set(Some(MAX_HEAD));
    }

    /// The head has come; what follows is the body.
    pub(super) fn head_done(&self) {
        self.head_left.set(None);
    }

    /// Bytes read in this exchange.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    /// Bytes written in this exchange.
    pub(super) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Changes whenever a byte moves, either way.
    pub(super) fn moved(&self) -> u64 {
        self.read.get() + self.written.get()
    }

    fn count_read(&self, bytes: u64) -> io::Result<()> {
        self.read.set(self.read.get() + bytes);
        match self.head_left.get() {
            Some(left) if left < bytes => Err(io::Error::new(io::ErrorKind::InvalidData, "endless response head")),
            Some(left) => {
                self.head_left.set(Some(left - bytes));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// An HTTP/1 connection's bytes.
///
/// A write that fails does not fail the exchange: an endpoint that answers early and closes breaks our upload, but its
/// answer is still there to be read. So writing then stands still, and the reading side says how it ends.
pub(super) struct Io {
    stream: Stream,
    meter: Rc<Meter>,
    write_failed: bool,
}

impl Io {
    pub(super) fn new(stream: Stream, meter: Rc<Meter>) -> Self {
        Self { stream, meter, write_failed: false }
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                self.meter.written.set(self.meter.written.get() + bytes as u64);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(_)) => {
                self.write_failed = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(self.meter.count_read((buffer.filled().len() - before) as u64))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Pending;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(_)) => {
                self.write_failed = true;
                Poll::Pending
            }
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection that an endpoint has switched to another protocol, with whatever it has said already.
///
/// Counts as one of the endpoint's connections until it is dropped, which closes it.
pub struct Upgraded {
    early: Bytes,
    stream: Stream,
    _slot: Slot,
}

impl Upgraded {
    pub(super) fn new(early: Bytes, stream: Stream, slot: Slot) -> Self {
        Self { early, stream, _slot: slot }
    }
}

impl std::fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgraded").field("early", &self.early.len()).finish_non_exhaustive()
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..count]);
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Bytes until the response head must be complete, 1xx responses before it included: so a flood of them ends as well. Four
/// times [`super::http1::MAX_HEAD`], since a read may bring a part of the body along.
const MAX_HEAD: u64 = 4 * super::http1::MAX_HEAD as u64;
