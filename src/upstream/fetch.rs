//! One request at a time, for probes, checks and the command line: its own connection, everything bounded.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::task::JoinSet;

use super::connect::{self, ConnectError, Stream, Tls};
use super::tls::{self, Alpn, TlsError};

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest time for everything, name resolution included.
    pub timeout: Duration,
    /// The most bytes of the response's body; more is [`FetchError::TooLarge`].
    pub limit: usize,
    /// What to trust for `https`, and who to be; `None`: the machine's own authorities, and nobody.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The name that the server's certificate must carry; `None`: the URI's host.
    pub server_name: Option<ServerName<'static>>,
    /// Where to connect; `None`: where the URI's host says.
    pub address: Option<SocketAddr>,
    /// What is spoken.
    pub version: Version,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2; without TLS with prior knowledge.
    Http2,
}

impl Default for Options {
    /// Ten seconds, one mebibyte, HTTP/1.1, everything else by the URI.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            limit: 1 << 20,
            tls: None,
            server_name: None,
            address: None,
            version: Version::Http1,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URI is no use.
    #[error("`{0}` is not an address to fetch: write it like http://host:port/path or https://host/path")]
    BadUri(Uri),
    /// The host has no address.
    #[error("cannot resolve `{host}`: {error}")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// No connection.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why.
        error: String,
    },
    /// No TLS client.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection broke, or what came is not HTTP.
    #[error("no whole answer: {0}")]
    Broken(String),
    /// Nothing whole within [`Options::timeout`].
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The body is too large.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Sends `request`, whose URI is absolute (`http` or `https`), and reads the whole answer. No redirect is followed.
///
/// Needs a tokio runtime, nothing else; the future may be sent between threads. Dropping it closes the connection.
///
/// # Errors
/// When there is no whole answer; any status is an answer.
pub async fn fetch(request: Request<Bytes>, options: &Options) -> Result<Response<Bytes>, FetchError> {
    let whole = async {
        let stream = open(request.uri(), options).await?;
        match options.version {
            Version::Http1 => by_http1(stream, outgoing(request)?, options.limit).await,
            Version::Http2 => by_http2(stream, request.map(Full::new), options.limit).await,
        }
    };
    tokio::time::timeout(options.timeout, whole).await.unwrap_or(Err(FetchError::Timeout(options.timeout)))
}

/// Connects to the first address that lets us.
async fn open(uri: &Uri, options: &Options) -> Result<Stream, FetchError> {
    let bad = || FetchError::BadUri(uri.clone());
    let authority = uri.authority().ok_or_else(bad)?;
    let https = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(bad()),
    };
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let addresses = match options.address {
        Some(address) => vec![address],
        None => resolve(host, port).await?,
    };
    let mut last = None;
    for address in addresses {
        let tls = if https { Some(client(host, options)?) } else { None };
        match connect::connect(address, tls, options.timeout).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(FetchError::Connect { address, error: error.to_string() }),
        }
    }
    Err(last.unwrap_or_else(|| FetchError::Resolve {
        host: host.to_owned(),
        error: std::io::Error::new(std::io::ErrorKind::NotFound, "it has no addresses"),
    }))
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
    let failed = |error| FetchError::Resolve { host: host.to_owned(), error };
    Ok(tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect())
}

fn client(host: &str, options: &Options) -> Result<Tls, FetchError> {
    let config = match &options.tls {
        Some(config) => config.clone(),
        None => tls::client_config(None, None, &[], Alpn::Http1)?,
    };
    // Whatever it offers elsewhere.
    let config = tls::offering(&config, if options.version == Version::Http1 { Alpn::Http1 } else { Alpn::Http2 });
    let name = match &options.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned())
            .map_err(|_| FetchError::Broken(ConnectError::Name(host.to_owned()).to_string()))?,
    };
    Ok(Tls { config, name })
}

/// In origin form, with a Host, for one exchange.
fn outgoing(mut request: Request<Bytes>) -> Result<Request<Full<Bytes>>, FetchError> {
    let uri = request.uri().clone();
    let authority = uri.authority().ok_or_else(|| FetchError::BadUri(uri.clone()))?.as_str();
    // Not for the wire: a name and a password before the host.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = HeaderValue::from_str(host).map_err(|_| FetchError::BadUri(uri.clone()))?;
    request.headers_mut().entry(HOST).or_insert(host);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    *request.version_mut() = http::Version::HTTP_11;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    Ok(request.map(Full::new))
}

async fn by_http1(stream: Stream, request: Request<Full<Bytes>>, limit: usize) -> Result<Response<Bytes>, FetchError> {
    let builder = http1::Builder::new();
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    drive(connection, whole(sender.send_request(request), limit)).await
}

async fn by_http2(
    stream: Stream,
    mut request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, FetchError> {
    if let Some(host) = request.headers_mut().remove(HOST) {
        let mut parts = request.uri().clone().into_parts();
        parts.authority = Authority::try_from(host.as_bytes()).ok();
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| FetchError::BadUri(request.uri().clone()))?;
    }
    *request.version_mut() = http::Version::HTTP_2;
    let tasks = Tasks::default();
    let handshake = http2::Builder::new(Executor(Arc::downgrade(&tasks))).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    drive(connection, whole(sender.send_request(request), limit)).await
}

/// Waits for the head, then reads the body.
async fn whole(
    head: impl Future<Output = hyper::Result<Response<Incoming>>>,
    limit: usize,
) -> Result<Response<Bytes>, FetchError> {
    let (parts, body) = head.await.map_err(|error| broken(&error))?.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| match error {
        error if error.is::<LengthLimitError>() => FetchError::TooLarge(limit),
        error => broken(error.as_ref()),
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Runs a connection for as long as its answer is wanted, both on this task.
async fn drive<T>(connection: impl Future, answer: impl Future<Output = T>) -> T {
    let mut connection = Some(Box::pin(connection));
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        if let Some(running) = &mut connection
            && running.as_mut().poll(cx).is_ready()
        {
            connection = None;
        }
        let polled: Poll<T> = answer.as_mut().poll(cx);
        polled
    })
    .await
}

/// The tasks behind an HTTP/2 connection, which end with the request.
type Tasks = Arc<Mutex<JoinSet<()>>>;

#[derive(Clone)]
struct Executor(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}

/// An error with its causes: hyper's own texts say what happened, and their causes why.
fn broken(error: &(dyn std::error::Error + 'static)) -> FetchError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    FetchError::Broken(text)
}

#[cfg(test)]
mod tests;
