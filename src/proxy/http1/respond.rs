//! Answers onto the wire.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Version};
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::conn::{Shared, Transport};
use super::{Deadline, has_body};
use crate::http1::encode::{self, Length};
use crate::http1::outbox::{Delimited, Outbox};

/// Writes an answer. Whether all of it was written as announced: if not, the connection must be broken off, so that the
/// client cannot take it for whole.
pub(super) async fn write<B: Body<Data = Bytes>>(
    conn: &Shared,
    (method, version): (&Method, Version),
    response: Response<B>,
    keep: bool,
    deadline: &Deadline,
    patience: Duration,
) -> io::Result<bool> {
    let (delimited, length) = delimit(method, version, &response);
    let connection = connection(version, keep && delimited != Delimited::Close, response.status());
    let (status, headers) = (response.status(), response.headers());
    encode::response_head(conn.borrow_mut().output.small(), version, status, headers, length, connection);
    let body = std::pin::pin!(response.into_body());
    let mut writer = Writer::new(body, delimited);
    let written = poll_fn(|cx| {
        let written = writer.poll(conn, cx);
        if written.is_ready() {
            return written;
        }
        if conn.borrow().output.is_empty() {
            return conn.borrow_mut().poll_gone(cx).map_ok(|()| false);
        }
        if !writer.waits {
            deadline.set(patience);
            writer.waits = true;
        }
        deadline.poll_passed(cx).map(|()| Ok(false))
    });
    let whole = written.await?;
    deadline.clear();
    Ok(whole && delimited != Delimited::Close)
}

/// Writes the answer to what is no request, and that the connection ends.
pub(super) async fn refuse<B: Body<Data = Bytes>>(conn: &Shared, response: Response<B>) -> io::Result<()> {
    let version = Version::HTTP_11;
    let (delimited, length) = delimit(&Method::GET, version, &response);
    let (status, headers) = (response.status(), response.headers());
    encode::response_head(conn.borrow_mut().output.small(), version, status, headers, length, Some("close"));
    let body = std::pin::pin!(response.into_body());
    let mut writer = Writer::new(body, delimited);
    poll_fn(|cx| writer.poll(conn, cx)).await.map(drop)
}

/// Copies bytes both ways until both ends are done.
pub(super) async fn tunnel(conn: &Shared, other: &mut dyn Transport) -> io::Result<()> {
    let mut client = Client(conn.clone());
    let mut other = other;
    tokio::io::copy_bidirectional(&mut client, &mut other).await.map(drop)
}

/// Decides how the body is delimited, and what the head says of it.
fn delimit<B: Body>(method: &Method, version: Version, response: &Response<B>) -> (Delimited, Length) {
    if !has_body(method, response) {
        let status = response.status();
        let never = status.is_informational() || status == StatusCode::NO_CONTENT;
        return (Delimited::Absent, if never { Length::Unsaid } else { Length::AsItSays });
    }
    match response.body().size_hint().exact() {
        Some(length) => (Delimited::Length(length), Length::Bytes(length)),
        None if version == Version::HTTP_10 => (Delimited::Close, Length::Unsaid),
        None => (Delimited::Chunked, Length::Chunked),
    }
}

/// What the Connection field says: only what differs from the version's default.
fn connection(version: Version, keep: bool, status: StatusCode) -> Option<&'static str> {
    match (version, keep) {
        _ if status == StatusCode::SWITCHING_PROTOCOLS => None,
        (Version::HTTP_10, true) => Some("keep-alive"),
        (_, false) => Some("close"),
        _ => None,
    }
}

/// Moves a body onto the wire, piece by piece.
struct Writer<'a, B> {
    body: Pin<&'a mut B>,
    delimited: Delimited,
    progress: Progress,
    /// Whether it has had to wait since it last made headway; only then is there a deadline.
    waits: bool,
}

/// How far a body has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// More is to come.
    Flowing,
    /// All of it has been taken.
    Ended,
    /// It broke off: what was taken is written, then the connection must be broken off too.
    Broken,
}

impl<'a, B: Body<Data = Bytes>> Writer<'a, B> {
    fn new(body: Pin<&'a mut B>, delimited: Delimited) -> Self {
        let progress = if delimited == Delimited::Absent { Progress::Ended } else { Progress::Flowing };
        Self { body, delimited, progress, waits: false }
    }

    /// Whether all was written as announced, once nothing more can be.
    fn poll(&mut self, conn: &Shared, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            // Pieces that are there already join the head in one write.
            while self.progress == Progress::Flowing && conn.borrow().output.has_room() {
                let Poll::Ready(frame) = self.body.as_mut().poll_frame(cx) else { break };
                self.take(&mut conn.borrow_mut().output, frame);
            }
            if self.progress == Progress::Flowing && conn.borrow().output.is_empty() {
                return Poll::Pending;
            }
            ready!(conn.borrow_mut().poll_write_out(cx))?;
            self.waits = false;
            match self.progress {
                Progress::Flowing => {}
                Progress::Ended => return Poll::Ready(Ok(true)),
                Progress::Broken => return Poll::Ready(Ok(false)),
            }
        }
    }

    fn take(&mut self, output: &mut Outbox, frame: Option<Result<Frame<Bytes>, B::Error>>) {
        let (progress, taken) = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => (Progress::Flowing, self.delimited.data(output, data)),
            Some(Ok(Err(frame))) => match frame.into_trailers() {
                Ok(trailers) => (Progress::Ended, self.delimited.trailers(output, &trailers)),
                Err(_) => (Progress::Flowing, Ok(())),
            },
            Some(Err(_)) => (Progress::Broken, Ok(())),
            None => (Progress::Ended, self.delimited.end(output)),
        };
        self.progress = if taken.is_ok() { progress } else { Progress::Broken };
    }
}

/// The client's end of a tunnel: what was read ahead comes first.
struct Client(Shared);

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let conn = &mut *self.0.borrow_mut();
        if conn.input.is_empty() {
            return Pin::new(&mut conn.transport).poll_read(cx, buffer);
        }
        let ahead = conn.input.split_to(conn.input.len().min(buffer.remaining()));
        buffer.put_slice(&ahead);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().transport).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().transport).poll_shutdown(cx)
    }
}
