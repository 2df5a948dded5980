//! Switching protocols (WebSocket and others): only when this request asked for it, and only once the backend has agreed.
//!
//! Until the backend's 101 every byte of the client is HTTP, so nothing can be smuggled past weir by an upgrade that the
//! backend refuses.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::attempts::Answered;
use super::download::Download;
use super::evidence::Ending;
use super::exchange::Ticket;
use super::http1::Answer;
use crate::outcome::Fault;
use crate::upstream::Upgraded;

/// Whether a 101 with `headers` is what was asked for.
pub(super) fn is_agreed(asked: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    let given = headers.get(header::UPGRADE);
    matches!((asked, given), (Some(asked), Some(given)) if asked.as_bytes().eq_ignore_ascii_case(given.as_bytes()))
}

/// Tells the client that the backend has agreed, and hands its connection the backend's.
///
/// The exchange counts as a success from here on; it ends with the last byte of both.
pub(super) fn switch(ticket: Ticket, mut answered: Answered) -> Answer<Download> {
    let backend = answered.response.body_mut().upgraded();
    ticket.keep_busy(answered.in_flight);
    let mut response = Response::new(Download::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = std::mem::take(answered.response.headers_mut());
    ticket.answers(StatusCode::SWITCHING_PROTOCOLS, None, response.headers());
    ticket.ended(Ending::Good);
    ticket.still.download_awaited();
    let tunnel = backend.map(|backend| Box::new(Tunnel { backend, ticket }) as Box<dyn super::http1::Transport>);
    Answer { response, tunnel }
}

/// The backend's end of a tunnel, which notes what passes and ends when nothing has for too long.
struct Tunnel {
    backend: Upgraded,
    ticket: Ticket,
}

impl Tunnel {
    /// An error once the exchange has been given up.
    fn check(&self, cx: &mut Context<'_>) -> std::io::Result<()> {
        match self.ticket.poll_given_up(cx) {
            Poll::Ready(fault) => {
                self.ticket.note(|account| account.fault = Some(fault));
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, Fault::message(fault)))
            }
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.backend).poll_read(cx, buffer);
        if polled.is_pending() {
            self.check(cx)?;
        }
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.ticket.still.upload_moved();
            self.ticket.note(|account| account.sent += count as u64);
        }
        polled
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.backend).poll_write(cx, bytes);
        match &polled {
            Poll::Ready(Ok(count)) => {
                let count = *count as u64;
                self.ticket.still.upload_moved();
                self.ticket.note(|account| account.received += count);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.check(cx)?,
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.backend).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.backend).poll_shutdown(cx)
    }
}
