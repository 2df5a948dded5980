//! Switching protocols (WebSocket and others): only when this request asked for it, and only once the backend has agreed.
//!
//! Until the backend's 101 every byte of the client is HTTP, so nothing can be smuggled past weir by an upgrade that the
//! backend refuses.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::attempts::Answer;
use super::download::Download;
use super::exchange::{Exchange, Ticket};
use super::hop;
use crate::outcome::Outcome;

/// The client's side of a switch, if its request asks for one.
pub(super) fn switch_of<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    hop::upgrade_of(request.version(), request.method(), request.headers())?;
    Some(hyper::upgrade::on(request))
}

/// Whether a 101 with `headers` is what was asked for.
pub(super) fn is_agreed(asked: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    let given = headers.get(header::UPGRADE);
    matches!((asked, given), (Some(asked), Some(given)) if asked.as_bytes().eq_ignore_ascii_case(given.as_bytes()))
}

/// Tells the client that the backend has agreed, and connects the two.
///
/// The exchange counts as a success from here on; it ends with the last byte of both.
pub(super) fn switch(ticket: Ticket, mut answer: Answer, client: Option<OnUpgrade>) -> Response<Download> {
    let backend = answer.response.body_mut().upgraded();
    ticket.keep_busy(answer.in_flight);
    let mut response = Response::new(Download::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = std::mem::take(answer.response.headers_mut());
    ticket.answers(StatusCode::SWITCHING_PROTOCOLS, None, response.headers());
    ticket.ended(Outcome::Success);
    if let (Some(client), Some(backend)) = (client, backend) {
        let tasks = ticket.connection.worker.tasks.clone();
        tasks.spawn_local(async move {
            let Ok(client) = client.await else { return };
            let mut backend = backend;
            let mut client = Counted { io: TokioIo::new(client), exchange: Rc::clone(&ticket) };
            ticket.watch.download_awaited();
            let copying = tokio::io::copy_bidirectional(&mut client, &mut backend);
            let copied = ticket.guard(copying).await;
            if let Err(fault) = copied {
                ticket.note(|account| account.fault = Some(fault));
            }
        });
    }
    response
}

/// The client's side, which notes what passes.
struct Counted<T> {
    io: T,
    exchange: Rc<Exchange>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.exchange.watch.upload_moved();
            self.exchange.note(|account| account.received += count as u64);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            let count = *count as u64;
            self.exchange.watch.upload_moved();
            self.exchange.note(|account| account.sent += count);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
