//! HTTP/2, against servers built on h2 itself, so that they can misbehave.

use bytes::Bytes;
use h2::server::{self, SendResponse};
use http::{Request, Response};

use super::super::super::testing::backend;
use crate::snapshot::{Backend, Protocol};

mod connections;
mod exchanges;
mod faults;
mod protocols;

type Incoming = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// An HTTP/2 server: `answer` is run with each request, its number on the connection, and the connection's.
async fn serve<F, T>(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, answer: F)
where
    F: Fn(Incoming, usize) -> T + 'static,
    T: Future<Output = ()> + 'static,
{
    let mut connection = server::handshake(stream).await.unwrap();
    let mut number = 0;
    while let Some(Ok(incoming)) = connection.accept().await {
        tokio::task::spawn_local(answer(incoming, number));
        number += 1;
    }
}

fn reply(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from(body), true).unwrap();
}

fn h2c(address: std::net::SocketAddr) -> Backend {
    Backend { protocol: Protocol::Http2, ..backend(address) }
}
