//! Connections that are kept alive and shared by visitors, one visit at a time each.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Connections to one address. Opens a new one when none is idle.
pub(super) struct Clients {
    address: SocketAddr,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

impl Clients {
    /// None open yet.
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, idle: RefCell::default() }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// A connection that turns out to be closed before anything was sent is replaced, as browsers do.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> io::Result<(StatusCode, Bytes)> {
        let mut request = request;
        loop {
            let (mut sender, fresh) = match self.take_idle().await {
                Some(sender) => (sender, false),
                None => (self.connect().await?, true),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let status = response.status();
                    let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
                    self.idle.borrow_mut().push(sender);
                    return Ok((status, body));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) | None => return Err(io::Error::other(error.into_error())),
                },
            }
        }
    }

    async fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let mut sender = self.idle.borrow_mut().pop()?;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends when its sender is dropped, or when weir closes it.
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}
