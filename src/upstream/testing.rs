//! What the tests of this module share: endpoints that follow a script, and a worker to send from.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{RequestBody, Reuse, SendError, UpstreamBody, Upstreams};
use crate::balancer::Balancer;
use crate::endpoint::Endpoint;
use crate::health::outlier::OutlierPolicy;
use crate::snapshot::{Backend, BackendTls, Protocol, Queue};
use crate::stats::PerWorker;
use crate::types::Ratio;

/// Runs a test as a worker would run: one thread, a `LocalSet`; and not for ever.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(30), test).await };
    tokio::task::LocalSet::new().block_on(&runtime, limited).expect("the test hangs")
}

/// A backend with generous limits and one endpoint.
pub(crate) fn backend(address: SocketAddr) -> Backend {
    Backend {
        name: "shop".parse().unwrap(),
        endpoints: vec![Arc::new(Endpoint::new(1, address, &address.to_string()))],
        unresolved: false,
        protocol: Protocol::Auto,
        tls: None,
        balancer: Balancer::RoundRobin,
        cursor: PerWorker::new(1),
        outlier: OutlierPolicy {
            enabled: false,
            consecutive_failures: 5,
            ejection: Duration::from_secs(10),
            max_ejected: Ratio::ONE,
        },
        probe: None,
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(60),
        max_connections: 100,
        max_pending: 100,
        queue: Queue::none(),
        budget: Arc::default(),
    }
}

/// One worker and one backend with one endpoint.
pub(crate) struct Bench {
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) backend: Arc<Backend>,
}

impl Bench {
    pub(crate) fn new(backend: Backend) -> Self {
        Self { upstreams: Upstreams::new(0), backend: Arc::new(backend) }
    }

    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::new(backend(address))
    }

    pub(crate) fn over_tls(address: SocketAddr, config: Arc<rustls::ClientConfig>, name: &str) -> Self {
        let server_name = Some(name.to_owned().try_into().unwrap());
        Self::new(Backend { tls: Some(BackendTls { config, server_name }), ..backend(address) })
    }

    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        reuse: Reuse,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let (head, body) = request.into_parts();
        self.upstreams.send(&self.backend, &self.backend.endpoints[0], &head, body, reuse).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Response<UpstreamBody>, SendError> {
        self.send(request("GET", path, RequestBody::empty()), Reuse::Any).await
    }

    /// The whole answer to a GET: status and body.
    pub(crate) async fn get_text(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await.unwrap();
        let status = response.status().as_u16();
        (status, text(response).await)
    }

    /// Connections: open, idle.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.upstreams.counts(&self.backend.endpoints[0])
    }
}

pub(crate) fn request(method: &str, path: &str, body: RequestBody) -> Request<RequestBody> {
    Request::builder().method(method).uri(path).header("host", "shop.test").body(body).unwrap()
}

/// A body's text; panics when it breaks off.
pub(crate) async fn text(response: Response<UpstreamBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An endpoint at a port of its own: `script` is run with each connection and its number, from 0.
pub(crate) async fn endpoint<F, T>(script: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> T + 'static,
    T: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::task::spawn_local(script(stream, number));
        }
    });
    address
}

/// Reads a request head and returns it; `None` when the connection ends instead.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Answers every request of a connection with the same bytes.
pub(crate) async fn always(mut stream: TcpStream, answer: &'static str) {
    while read_head(&mut stream).await.is_some() {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads until the other side closes. Returns everything.
pub(crate) async fn read_all<S: AsyncRead + Unpin>(stream: &mut S) -> Bytes {
    let mut all = BytesMut::new();
    while let Ok(1..) = stream.read_buf(&mut all).await {}
    all.freeze()
}

/// An authority of our own, in memory and in a file.
pub(crate) struct Authority {
    pub(crate) folder: tempfile::TempDir,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: rcgen::Issuer::new(params, key) }
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A file's path and contents.
    pub(crate) fn read(&self, name: &str) -> (std::path::PathBuf, Vec<u8>) {
        (self.file(name), std::fs::read(self.file(name)).unwrap())
    }

    /// Writes a certificate for `host` and its key to NAME.pem and NAME.key.
    pub(crate) fn issue(&self, name: &str, host: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        params.subject_alt_names.push(rcgen::SanType::URI(format!("spiffe://{host}/{name}").try_into().unwrap()));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// A server for `host`, which asks for a certificate of this authority if `ask` says so.
    pub(crate) fn server(&self, host: &str, alpn: &[&[u8]], ask: bool) -> tokio_rustls::TlsAcceptor {
        use rustls_pki_types::pem::PemObject;
        self.issue("server", host);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = vec![rustls_pki_types::CertificateDer::from_pem_file(self.file("server.pem")).unwrap()];
        let key = rustls_pki_types::PrivateKeyDer::from_pem_file(self.file("server.key")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls_pki_types::CertificateDer::from_pem_file(self.file("ca.pem")).unwrap()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let builder =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = if ask {
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config).into()
    }

    pub(crate) fn client(&self, alpn: super::tls::Alpn) -> Arc<rustls::ClientConfig> {
        let (path, bytes) = self.read("ca.pem");
        super::tls::client_config(Some(super::tls::Pem { path: &path, bytes: &bytes }), None, &[], alpn).unwrap()
    }
}
