//! One new connection: TCP, then TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::outcome::Fault;
use crate::socket;

/// Bytes in both directions, plain or over TLS.
pub(super) type Stream = socket::Stream<TlsStream<TcpStream>>;

/// TLS for one connection.
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("connection refused")]
    Refused,
    #[error("{0}")]
    Failed(io::Error),
    #[error("not connected within {0:?}")]
    Timeout(Duration),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("`{0}` is neither a DNS name nor an address, so no certificate can be verified: set serverName")]
    Name(String),
}

impl ConnectError {
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Refused => Fault::ConnectRefused,
            Self::Failed(_) => Fault::ConnectFailed,
            Self::Timeout(_) => Fault::ConnectTimeout,
            Self::Tls(_) | Self::Name(_) => Fault::TlsFailed,
        }
    }
}

/// Connects to `address` within `limit`, the TLS handshake included.
pub(super) async fn connect(address: SocketAddr, tls: Option<Tls>, limit: Duration) -> Result<Stream, ConnectError> {
    let connecting = async {
        let tcp = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused,
            _ => ConnectError::Failed(error),
        })?;
        tcp.set_nodelay(true).map_err(ConnectError::Failed)?;
        // Without it a peer that vanished would be noticed by timeouts only. Not being able to set it is no reason to fail.
        let _ = SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE);
        match tls {
            None => Ok(Stream::Plain(tcp)),
            Some(Tls { config, name }) => {
                let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(ConnectError::Tls)?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    };
    tokio::time::timeout(limit, connecting).await.unwrap_or(Err(ConnectError::Timeout(limit)))
}

/// The name that the certificate of `authority` (`host:port`) must carry.
pub(super) fn server_name(authority: &str) -> Result<ServerName<'static>, ConnectError> {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::Name(host.to_owned()))
}

/// The socket behind `stream`.
pub(super) fn tcp(stream: &Stream) -> &TcpStream {
    match stream {
        Stream::Plain(stream) => stream,
        Stream::Tls(stream) => stream.get_ref().0,
    }
}

/// Whether ALPN settled on HTTP/2; `None` when nothing was settled.
pub(super) fn negotiated_http2(stream: &Stream) -> Option<bool> {
    match stream {
        Stream::Plain(_) => None,
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol().map(|protocol| protocol == b"h2"),
    }
}

/// A vanished peer is noticed after a minute: 30 s of silence, then three unanswered probes.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);

#[cfg(test)]
mod tests;
