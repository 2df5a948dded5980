//! The server side of HTTP/1.1: one client connection, request after request.
//!
//! Everything of an exchange happens on the connection's own task: no channel, no further task, and while the connection is
//! idle no buffer. What is ambiguous is refused by [`crate::http1`], answered with an error and ends the connection.
//! Invariant: bytes of the next request are looked at only when the body of this one has been taken whole.

mod body;
mod conn;
mod respond;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{Method, Request, Response, Version};
use http_body::Body;

pub(crate) use self::body::{RequestBody, RequestBodyError};
pub(crate) use self::conn::Transport;
use self::conn::{Shared, share};
use super::deadline::Deadline;
use crate::http1::Http1Error;
use crate::http1::body::Decoder;
use crate::http1::framing::{Framing, keeps_alive, of_request};
use crate::http1::head::{Limits, RequestHead, take_request};

/// How long a client may take, and how much it may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Of a head.
    pub(crate) limits: Limits,
    /// For a whole head from its first byte.
    pub(crate) header: Duration,
    /// Between two requests.
    pub(crate) keep_alive: Duration,
    /// For the client to take what is written, each time.
    pub(crate) write: Duration,
}

/// What answers requests.
pub(crate) trait Service {
    /// The body of answers.
    type Body: Body<Data = Bytes> + 'static;

    /// Answers one request. Dropped when the client goes away.
    fn call(&self, request: Request<RequestBody>) -> impl Future<Output = Answer<Self::Body>>;

    /// Answers what is no request.
    fn refuse(&self, error: Http1Error) -> Response<Self::Body>;
}

/// A response, and what the connection becomes after it.
pub(crate) struct Answer<B> {
    /// The response. With 101 the connection is the tunnel's.
    pub(crate) response: Response<B>,
    /// The other end of a tunnel; only with 101.
    pub(crate) tunnel: Option<Box<dyn Transport>>,
}

/// How a connection ended.
#[derive(Debug)]
enum End {
    /// Both sides are done.
    Closed,
    /// weir closes, and the client may still be sending: it must not lose the last answer to a reset.
    Linger,
}

/// Serves requests until the connection ends. Once weir leaves it ends after the next answer, which says so; once it drains,
/// soon where it is idle.
pub(crate) async fn serve<T, S>(transport: T, settings: Rc<Settings>, deadline: Deadline, service: S) -> io::Result<()>
where
    T: Transport + 'static,
    S: Service,
{
    let conn = share(transport);
    let mut patience = settings.keep_alive;
    while wait(&conn, patience, &deadline).await? {
        // In a box of its own: an idle connection does not keep the room that an exchange needs.
        match Box::pin(burst(&conn, &settings, &deadline, &service)).await? {
            After::Idle(so_long) => patience = settings.keep_alive.saturating_sub(so_long),
            After::End(End::Closed) => return Ok(()),
            After::End(End::Linger) => return Box::pin(linger(&conn, &deadline)).await,
        }
        conn.borrow_mut().slim();
    }
    Ok(())
}

/// What comes after a burst of requests.
enum After {
    /// Nothing, for so long already.
    Idle(Duration),
    /// The end of the connection.
    End(End),
}

/// Requests for as long as the next one comes soon after the answer to the last.
///
/// Room for an exchange is kept from one to the next: a busy client does not cost an allocation for each request. Where many
/// clients are busy at once, only some keep it.
async fn burst<S: Service>(conn: &Shared, settings: &Settings, deadline: &Deadline, service: &S) -> io::Result<After> {
    let pause = PAUSE.min(settings.keep_alive);
    loop {
        if let Some(end) = exchange(conn, settings, deadline, service).await? {
            return Ok(After::End(end));
        }
        let Some(_room) = deadline.keep_room() else { return Ok(After::Idle(Duration::ZERO)) };
        match next(conn, pause, deadline).await? {
            Next::Request => {}
            Next::Nothing => return Ok(After::Idle(pause)),
            Next::Closed => return Ok(After::End(End::Closed)),
        }
    }
}

/// A client that says nothing for so long is idle.
const PAUSE: Duration = Duration::from_secs(1);

/// What comes after an answer.
#[derive(Clone, Copy)]
enum Next {
    /// The first bytes of a request.
    Request,
    /// Nothing soon; or weir drains, and [`wait`] knows what to do then.
    Nothing,
    /// The client has closed.
    Closed,
}

/// Waits a little for the first bytes of a request.
async fn next(conn: &Shared, pause: Duration, deadline: &Deadline) -> io::Result<Next> {
    deadline.set(pause);
    poll_fn(|cx| {
        let conn = &mut *conn.borrow_mut();
        if !conn.input.is_empty() {
            return Poll::Ready(Ok(Next::Request));
        }
        match conn.poll_fill(cx)? {
            Poll::Ready(0) => Poll::Ready(Ok(Next::Closed)),
            Poll::Ready(_) => Poll::Ready(Ok(Next::Request)),
            Poll::Pending if deadline.is_draining() => Poll::Ready(Ok(Next::Nothing)),
            Poll::Pending => deadline.poll_passed(cx).map(|()| Ok(Next::Nothing)),
        }
    })
    .await
}

/// Waits for the first bytes of a request; false when none will come: the client has closed, or its time is over.
///
/// Draining shortens that time, but does not end it: the client may have a request on the way at this moment, and would see
/// a reset.
async fn wait(conn: &Shared, keep_alive: Duration, deadline: &Deadline) -> io::Result<bool> {
    deadline.set(keep_alive);
    let mut draining = false;
    poll_fn(|cx| {
        let conn = &mut *conn.borrow_mut();
        if !conn.input.is_empty() {
            return Poll::Ready(Ok(true));
        }
        match conn.poll_fill(cx)? {
            Poll::Ready(bytes) => Poll::Ready(Ok(bytes > 0)),
            Poll::Pending => {
                if deadline.is_draining() && !std::mem::replace(&mut draining, true) {
                    deadline.set(keep_alive.min(LAST_WORDS));
                }
                deadline.poll_passed(cx).map(|()| Ok(false))
            }
        }
    })
    .await
}

/// How long an idle connection may still begin a request once weir drains.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One request and its answer; how the connection ends, if it does.
async fn exchange<S: Service>(
    conn: &Shared,
    settings: &Settings,
    deadline: &Deadline,
    service: &S,
) -> io::Result<Option<End>> {
    let (head, framing) = match read_head(conn, settings, deadline).await? {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(Some(End::Closed)),
        Err(error) => {
            respond::refuse(conn, service.refuse(error)).await?;
            return Ok(Some(End::Linger));
        }
    };
    let (method, version) = (head.method.clone(), head.version);
    let wanted = keeps_alive(version, &head.headers, head.marks);
    let request = request(conn, head, framing);
    let answered = {
        // Pinned where it is made: it has some kilobytes, which are not to be moved for every request.
        let service = std::pin::pin!(service.call(request));
        answer(conn, service).await?
    };
    let Some(Answer { response, tunnel }) = answered else { return Ok(Some(End::Closed)) };
    let keep = wanted && !deadline.is_leaving() && body_is_nearly_over(conn);
    let whole = respond::write(conn, (&method, version), response, keep, deadline, settings.write).await?;
    if let Some(mut other) = tunnel {
        return respond::tunnel(conn, &mut *other).await.map(|()| Some(End::Closed));
    }
    if !whole {
        return Ok(Some(End::Closed));
    }
    if keep && discard_body(conn, deadline, settings.header).await? { Ok(None) } else { Ok(Some(End::Linger)) }
}

/// Waits for the whole head, and says how the body after it is delimited; `None` when it does not come in time or at all.
async fn read_head(
    conn: &Shared,
    settings: &Settings,
    deadline: &Deadline,
) -> io::Result<Result<Option<(RequestHead, Framing)>, Http1Error>> {
    deadline.set(settings.header);
    let head: io::Result<_> = poll_fn(|cx| {
        let conn = &mut *conn.borrow_mut();
        loop {
            match take_request(&mut conn.input, settings.limits) {
                Ok(None) => {}
                taken => return Poll::Ready(Ok(taken)),
            }
            match conn.poll_fill(cx)? {
                Poll::Ready(0) => return Poll::Ready(Ok(Ok(None))),
                Poll::Ready(_) => {}
                Poll::Pending => return deadline.poll_passed(cx).map(|()| Ok(Ok(None))),
            }
        }
    })
    .await;
    deadline.clear();
    let head = head?;
    Ok(head.and_then(|head| {
        let framed = |head: RequestHead| {
            let framing = of_request(head.version, &head.headers, head.marks)?;
            Ok((head, framing))
        };
        head.map(framed).transpose()
    }))
}

/// The request, with its body still on the wire.
fn request(conn: &Shared, head: RequestHead, framing: Framing) -> Request<RequestBody> {
    let RequestHead { method, target, version, headers, marks } = head;
    {
        let conn = &mut *conn.borrow_mut();
        conn.decoder = Decoder::new(framing);
        let says_so =
            || headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let expects = marks.expect && says_so();
        conn.knows_informational = version == Version::HTTP_11;
        conn.owes_continue = expects && version == Version::HTTP_11 && !conn.decoder.is_over();
    }
    let mut request = Request::new(RequestBody(conn.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    request
}

/// Waits for the answer, and sends informational responses ahead of it; `None` when the client closed before.
fn answer<B>(
    conn: &Shared,
    mut service: Pin<&mut impl Future<Output = Answer<B>>>,
) -> impl Future<Output = io::Result<Option<Answer<B>>>> {
    poll_fn(move |cx| {
        if let Poll::Ready(answer) = service.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(answer)));
        }
        let conn = &mut *conn.borrow_mut();
        if !conn.output.is_empty()
            && let Poll::Ready(Err(error)) = conn.poll_write_out(cx)
        {
            return Poll::Ready(Err(error));
        }
        conn.poll_gone(cx).map_ok(|()| None)
    })
}

/// Whether what is left of the request's body is little enough to read it for the sake of the connection.
fn body_is_nearly_over(conn: &Shared) -> bool {
    let conn = conn.borrow();
    !conn.owes_continue && conn.decoder.remaining().is_some_and(|bytes| bytes <= DISCARDED)
}

/// Bytes of a body nobody wanted that are read to keep the connection.
const DISCARDED: u64 = 64 * 1024;

/// Takes what is left of the request's body; whether the connection is at the next request then.
async fn discard_body(conn: &Shared, deadline: &Deadline, patience: Duration) -> io::Result<bool> {
    deadline.set(patience);
    let done = poll_fn(|cx| {
        loop {
            match conn.borrow_mut().poll_body(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Pending => return deadline.poll_passed(cx).map(|()| false),
            }
        }
    })
    .await;
    deadline.clear();
    Ok(done)
}

/// Says that no more will be written and reads until the client has understood: a close with unread bytes would be a reset,
/// which takes the last answer with it.
async fn linger(conn: &Shared, deadline: &Deadline) -> io::Result<()> {
    deadline.set(LINGER);
    let mut read = 0;
    poll_fn(|cx| {
        let conn = &mut *conn.borrow_mut();
        if Pin::new(&mut conn.transport).poll_shutdown(cx)?.is_pending() {
            return deadline.poll_passed(cx).map(Ok);
        }
        loop {
            conn.input = BytesMut::new();
            match conn.poll_fill(cx)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(bytes) if read + bytes > LINGER_BYTES => return Poll::Ready(Ok(())),
                Poll::Ready(bytes) => read += bytes,
                Poll::Pending => return deadline.poll_passed(cx).map(Ok),
            }
        }
    })
    .await
}

/// How long a closing connection is listened to.
const LINGER: Duration = Duration::from_secs(2);

/// And how much of it.
const LINGER_BYTES: usize = 256 * 1024;

/// Whether a response to `method` may have a body.
fn has_body(method: &Method, response: &Response<impl Body>) -> bool {
    let status = response.status();
    *method != Method::HEAD && !status.is_informational() && !matches!(status.as_u16(), 204 | 304)
}

#[cfg(test)]
mod tests;
