//! A client's connection as a stream of bytes: what has been read ahead, what waits to be written, and the body being read.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::http1::body::Decoder;
use crate::http1::framing::Framing;
use crate::http1::outbox::Outbox;
use crate::socket;

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
    pub(super) output: Outbox,
    /// The body of the present request.
    pub(super) decoder: Decoder,
    /// The client waits for 100 (Continue) before it sends its body.
    pub(super) owes_continue: bool,
    /// The client speaks a version that has informational responses.
    pub(super) knows_informational: bool,
    /// What carries it.
    pub(super) transport: T,
}

/// Shares a connection over `transport`.
pub(crate) fn share<T: Transport + 'static>(transport: T) -> Shared {
    let decoder = Decoder::new(Framing::NONE);
    let conn = Conn {
        input: BytesMut::new(),
        output: Outbox::default(),
        decoder,
        owes_continue: false,
        knows_informational: false,
        transport,
    };
    Rc::new(RefCell::new(conn))
}

impl Conn<dyn Transport> {
    /// Reads what has come; 0 is the end of the stream.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        socket::poll_fill(&mut self.transport, &mut self.input, cx)
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

    /// Writes `output`, as far as the client takes it; ready when all is written.
    pub(super) fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket::poll_write_out(&mut self.transport, &mut self.output, cx)
    }

    /// Lets go of buffers that are empty: the connection may be idle for long.
    pub(super) fn slim(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.output.slim();
    }
}

/// Bytes of pipelined requests that are read while an answer is awaited.
const READ_AHEAD: usize = 4096;
