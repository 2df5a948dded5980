//! A front of the API server, for trials that come between it and weir: it passes everything on, but for watches when told.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::harness::Result;

/// The node, where the API server and its fronts are.
pub const HOST: &str = "10.200.0.1";

/// A front at a port of its own, which shows the API server's certificate.
pub struct Front {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    client: kube::Client,
    lists: AtomicUsize,
    watches: watch::Sender<Watches>,
    /// Watches that were told that they are too old: who asked, and for what.
    told: Mutex<BTreeSet<(IpAddr, String)>>,
}

/// What becomes of watches.
#[derive(Clone, Copy, PartialEq)]
enum Watches {
    /// They are passed on.
    PassOn,
    /// Those that run end, others wait.
    Wait,
    /// The next one of each is too old, and then they are passed on.
    TooOld,
}

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

impl Front {
    /// Passes on what comes, as `client`.
    pub async fn start(client: kube::Client) -> Result<Self> {
        let listener = TcpListener::bind((HOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (lists, told) = Default::default();
        let shared = Arc::new(Shared { client, lists, watches: watch::Sender::new(Watches::PassOn), told });
        tokio::task::spawn_local(serve(listener, acceptor()?, shared.clone()));
        Ok(Self { port, shared })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lists that were answered.
    pub fn lists(&self) -> usize {
        self.shared.lists.load(Ordering::Relaxed)
    }

    /// Ends all watches; new ones wait.
    pub fn end_watches(&self) {
        self.shared.watches.send_replace(Watches::Wait);
    }

    /// Answers the next watch of each kind from each address that what it asks for is too old, and passes on what comes then.
    pub fn answer_too_old(&self) {
        self.shared.watches.send_replace(Watches::TooOld);
    }
}

fn acceptor() -> Result<TlsAcceptor> {
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter("/run/cluster/pki/apiserver.crt")?.collect::<std::result::Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file("/run/cluster/pki/apiserver.key")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_no_client_auth().with_single_cert(certificates, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        tokio::task::spawn_local(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(request, peer.ip(), shared.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, from: IpAddr, shared: Arc<Shared>) -> Result<Answer> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (path, is_read) = (request.uri().path().to_owned(), request.method() == http::Method::GET);
    if !query.contains("watch=true") {
        let answer = pass_on(request, &shared).await?.map(|body| body.boxed_unsync());
        if is_read && answer.status().is_success() && query.contains("limit=") {
            shared.lists.fetch_add(1, Ordering::Relaxed);
        }
        return Ok(answer);
    }
    let mut watches = shared.watches.subscribe();
    let now = *watches.wait_for(|now| *now != Watches::Wait).await?;
    if now == Watches::TooOld && shared.told.lock().unwrap().insert((from, path.clone())) {
        // The API server says so at once, or in an event.
        let (status, text) = match path.len() % 2 {
            0 => (StatusCode::GONE, TOO_OLD.to_owned()),
            _ => (StatusCode::OK, format!("{{\"type\":\"ERROR\",\"object\":{TOO_OLD}}}\n")),
        };
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
        return Ok(Response::builder().status(status).body(body.boxed_unsync())?);
    }
    let answer = pass_on(request, &shared).await?;
    let end = async move { watches.wait_for(|now| *now == Watches::Wait).await.is_ok() };
    Ok(answer.map(|body| StreamBody::new(BodyStream::new(body).take_until(Box::pin(end))).boxed_unsync()))
}

async fn pass_on(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    // The client has an authorization of its own.
    head.headers.remove(http::header::AUTHORIZATION);
    head.headers.remove(http::header::HOST);
    Ok(shared.client.send(Request::from_parts(head, Body::from(body))).await?)
}

const TOO_OLD: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}"#;
