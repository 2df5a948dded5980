//! What the clients do: how they speak to the proxy, and how long a connection lasts.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Job {
    /// HTTP/1.1 on connections that are kept.
    Plain,
    /// The same over TLS 1.3.
    Tls,
    /// A connection and a full TLS handshake for each request.
    FullHandshakes,
    /// A connection and a resumed TLS handshake for each request.
    ResumedHandshakes,
    /// HTTP/2 without TLS, on an eighth of the connections, with eight streams at a time on each.
    Http2,
}

/// What a proxy's listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front<'a> {
    /// HTTP/1.1.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls(&'a Pem),
    /// HTTP/2 from the first byte.
    Http2,
}

/// A certificate and its key, as files.
#[derive(Debug, PartialEq, Eq)]
pub struct Pem {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub both: PathBuf,
}

impl Job {
    /// What the listener speaks for it.
    pub fn front(self, pem: &Pem) -> Front<'_> {
        match self {
            Self::Plain => Front::Plain,
            Self::Tls | Self::FullHandshakes | Self::ResumedHandshakes => Front::Tls(pem),
            Self::Http2 => Front::Http2,
        }
    }

    /// The part of the fixed rate at which it is paced: a handshake costs as much as many requests.
    pub fn pace(self) -> f64 {
        match self {
            Self::FullHandshakes | Self::ResumedHandshakes => 0.1,
            Self::Plain | Self::Tls | Self::Http2 => 1.0,
        }
    }

    fn keeps_connections(self) -> bool {
        !matches!(self, Self::FullHandshakes | Self::ResumedHandshakes)
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "HTTP/1.1",
            Self::Tls => "HTTP/1.1 over TLS",
            Self::FullHandshakes => "a full TLS handshake for each request",
            Self::ResumedHandshakes => "a resumed TLS handshake for each request",
            Self::Http2 => "HTTP/2",
        })
    }
}

impl Pem {
    /// Makes a certificate for the name that clients ask for.
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).context("cannot make a certificate")?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let files = ["tls.crt", "tls.key", "tls.pem"].map(|name| folder.join(name));
        for (file, text) in files.iter().zip([certificate.clone(), key.clone(), certificate + &key]) {
            fs::write(file, text)?;
        }
        let [certificate, key, both] = files;
        Ok(Self { certificate, key, both })
    }
}

/// Opens clients' connections to one proxy.
#[derive(Clone)]
pub struct Dialler {
    address: SocketAddr,
    job: Job,
    tls: Option<TlsConnector>,
}

impl Dialler {
    /// To `address`, for `job`.
    pub fn new(address: SocketAddr, job: Job, pem: &Pem) -> anyhow::Result<Self> {
        let tls = match job.front(pem) {
            Front::Tls(pem) => Some(TlsConnector::from(Arc::new(trusting(pem, job)?))),
            Front::Plain | Front::Http2 => None,
        };
        Ok(Self { address, job, tls })
    }

    /// Whom it calls.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections for `count` clients: with HTTP/2 some share one.
    pub async fn open(&self, count: u32) -> anyhow::Result<Vec<Wire>> {
        let mut wires: Vec<Wire> = Vec::new();
        for number in 0..count {
            let shared = match wires.last() {
                Some(Wire::Http2(sender)) if number % STREAMS != 0 => Some(sender.clone()),
                _ => None,
            };
            wires.push(match shared {
                Some(sender) => Wire::Http2(sender),
                None if !self.job.keeps_connections() => Wire::None,
                None => self.connect().await.with_context(|| format!("no connection to {}", self.address))?,
            });
        }
        Ok(wires)
    }

    /// One request on `wire`, and its whole answer: its length, or `None` when it is not as it should be.
    ///
    /// A connection that is not kept is opened first; one that has failed is opened the next time.
    pub async fn exchange(&self, wire: &mut Wire, buffer: &mut Vec<u8>) -> Option<()> {
        if matches!(wire, Wire::None) {
            *wire = self.connect().await.ok()?;
        }
        let done = match wire {
            Wire::Http1(stream) => by_http1(stream.as_mut(), buffer).await,
            Wire::Http2(sender) => by_http2(sender).await,
            Wire::None => None,
        };
        if done.is_none() || !self.job.keeps_connections() {
            *wire = Wire::None;
        }
        done
    }

    async fn connect(&self) -> anyhow::Result<Wire> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.job == Job::Http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(Wire::Http2(sender));
        }
        let Some(tls) = &self.tls else { return Ok(Wire::Http1(Box::new(stream))) };
        let stream = tls.connect(HOST.try_into()?, stream).await?;
        Ok(Wire::Http1(Box::new(stream)))
    }
}

/// One client's end of a connection.
pub enum Wire {
    /// Not open.
    None,
    /// One request at a time.
    Http1(Box<dyn Duplex>),
    /// Perhaps shared.
    Http2(SendRequest<Empty<Bytes>>),
}

/// TCP, or TLS over it.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

fn trusting(pem: &Pem, job: Job) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&pem.certificate)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    if job != Job::ResumedHandshakes {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

/// A 200 with a Content-Length.
async fn by_http1(stream: &mut dyn Duplex, buffer: &mut Vec<u8>) -> Option<()> {
    stream.write_all(REQUEST).await.ok()?;
    buffer.clear();
    let mut whole = None;
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if whole.is_none() {
            whole = whole_length(buffer);
        }
        if let Some(length) = whole
            && buffer.len() >= length?
        {
            return Some(());
        }
    }
}

async fn by_http2(sender: &mut SendRequest<Empty<Bytes>>) -> Option<()> {
    let request = http::Request::get(format!("http://{HOST}/hello")).body(Empty::new()).ok()?;
    sender.ready().await.ok()?;
    let answer = sender.send_request(request).await.ok().filter(|answer| answer.status() == http::StatusCode::OK)?;
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame.ok()?;
    }
    Some(())
}

/// The length of the whole answer once its head is there; `Some(None)` when it is not the expected one.
fn whole_length(answer: &[u8]) -> Option<Option<usize>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap_or_default();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(length.filter(|_| head.starts_with("HTTP/1.1 200")).map(|length| end + 4 + length))
}

/// Whom clients ask for.
const HOST: &str = "compare.example";

/// Requests that share a connection of HTTP/2.
const STREAMS: u32 = 8;

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: compare.example\r\nuser-agent: compare\r\naccept: */*\r\n\r\n";
