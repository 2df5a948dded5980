//! A client's connection as a stream of bytes: what has been read ahead, what waits to be written, and the body being read.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::body::Decoder;
use crate::http1::framing::Framing;

/// What carries a client's bytes: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// A connection that the loop and the body of the present request share. Borrowed for the length of a poll, never longer.
pub(crate) type Shared = Rc<RefCell<Conn<dyn Transport>>>;

/// A client's connection. Holds no buffer while it is idle.
pub(crate) struct Conn<T: ?Sized> {
    /// Read and not yet understood.
    pub(super) input: BytesMut,
    /// To be written before anything else.
    pub(super) output: BytesMut,
    /// The body of the present request.
    pub(super) decoder: Decoder,
    /// The client waits for 100 (Continue) before it sends its body.
    pub(super) owes_continue: bool,
    /// What carries it.
    pub(super) transport: T,
}

/// Read at once: large enough for a body's stream, and shared by all connections of a thread.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// Where bytes arrive before it is known how many they are: idle connections need no buffer of their own.
    static ARRIVALS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Shares a connection over `transport`.
pub(crate) fn share<T: Transport + 'static>(transport: T) -> Shared {
    let (input, output) = (BytesMut::new(), BytesMut::new());
    Rc::new(RefCell::new(Conn { input, output, decoder: Decoder::new(Framing::NONE), owes_continue: false, transport }))
}

impl Conn<dyn Transport> {
    /// Reads what has come; 0 is the end of the stream.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ARRIVALS.with_borrow_mut(|arrivals| {
            let mut buffer = ReadBuf::new(arrivals);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buffer))?;
            self.input.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Whether the client has closed. What it sends further is read ahead, a little: the end of a stream shows only to who
    /// reads. Pending as well while the client still sends its body, which somebody else reads.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.decoder.is_over() && self.input.len() < READ_AHEAD {
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Writes `output`, and `large` after it, as far as the client takes it.
    pub(super) fn poll_write_out(&mut self, cx: &mut Context<'_>, large: &mut Large) -> Poll<io::Result<()>> {
        while !self.output.is_empty() || !large.is_empty() {
            let all = [IoSlice::new(&self.output), IoSlice::new(&large.data), IoSlice::new(large.tail)];
            let first = all.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
            let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, &all[first..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_output = written.min(self.output.len());
            self.output.advance(of_output);
            large.advance(written - of_output);
        }
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    /// Lets go of buffers that are empty: the connection may be idle for long.
    pub(super) fn slim(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.output.is_empty() {
            self.output = BytesMut::new();
        }
    }
}

/// Bytes of pipelined requests that are read while an answer is awaited.
const READ_AHEAD: usize = 4096;

/// A piece that is too large to be copied, and what comes after it.
#[derive(Default)]
pub(super) struct Large {
    pub(super) data: Bytes,
    pub(super) tail: &'static [u8],
}

impl Large {
    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.tail.is_empty()
    }

    fn advance(&mut self, written: usize) {
        let of_data = written.min(self.data.len());
        self.data.advance(of_data);
        self.tail = &self.tail[(written - of_data).min(self.tail.len())..];
    }
}
