//! What containers print: kept in files, a time before each line, and served where the API server asks for it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use k8s_openapi::jiff::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio_rustls::TlsAcceptor;

use super::super::HOME;
use super::super::network::NODE;

/// Where a kubelet listens.
pub(super) const PORT: u16 = 10250;

/// Keeps what `child` prints until it ends.
pub(super) fn keep(child: &mut Child, folder: &str, container: &str, restarts: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).append(true).open(format!("{folder}/{container}.{restarts}.log"))?;
    tokio::spawn(copy(child.stdout.take().context("it was piped")?, file.try_clone()?));
    tokio::spawn(copy(child.stderr.take().context("it was piped")?, file));
    Ok(())
}

async fn copy(from: impl AsyncRead + Unpin, mut to: File) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line).await {
        let mut stamped = format!("{} ", Timestamp::now()).into_bytes();
        stamped.append(&mut line);
        if to.write_all(&stamped).is_err() {
            return;
        }
    }
}

/// Serves `/containerLogs/NAMESPACE/POD/CONTAINER` from now on.
pub(super) async fn listen() -> anyhow::Result<()> {
    let listener = TcpListener::bind((NODE, PORT)).await?;
    let certified = rcgen::generate_simple_self_signed(vec![NODE.to_string()])?;
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())?;
    tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config))));
    Ok(())
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = hyper::service::service_fn(answer);
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What is asked of a log.
#[derive(Debug, Default)]
struct Wanted {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail: Option<usize>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "follow" => wanted.follow = value == "true",
                "previous" => wanted.previous = value == "true",
                "timestamps" => wanted.timestamps = value == "true",
                "tailLines" => wanted.tail = value.parse().ok(),
                "sinceTime" => wanted.since = value.replace("%3A", ":").replace("%2B", "+").parse().ok(),
                "sinceSeconds" => {
                    let age = value.parse().ok().map(Duration::from_secs);
                    wanted.since = age.and_then(|age| Timestamp::now().checked_sub(age).ok());
                }
                _ => {}
            }
        }
        wanted
    }

    /// The wanted lines of `text`.
    fn cut(&self, text: &str) -> String {
        let lines =
            text.split_inclusive('\n').filter_map(|line| line.split_once(' ').map(|(time, rest)| (line, time, rest)));
        let young = lines.filter(|(_, time, _)| match (self.since, time.parse::<Timestamp>()) {
            (Some(since), Ok(time)) => time >= since,
            _ => true,
        });
        let lines: Vec<_> = young.map(|(line, _, rest)| if self.timestamps { line } else { rest }).collect();
        let skipped = self.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        lines[skipped..].concat()
    }
}

type Body = StreamBody<std::pin::Pin<Box<dyn stream::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, http::Error> {
    let wanted = Wanted::parse(request.uri().query().unwrap_or_default());
    let parts: Vec<_> = request.uri().path().trim_start_matches('/').split('/').collect();
    let file = match parts.as_slice() {
        ["containerLogs", namespace, pod, container] => find(namespace, pod, container, wanted.previous),
        _ => None,
    };
    let Some(file) = file else {
        let text = Bytes::from_static(b"there is no such log\n");
        let body = stream::iter([Ok(Frame::data(text))]);
        return Response::builder().status(StatusCode::NOT_FOUND).body(StreamBody::new(Box::pin(body)));
    };
    Response::builder().body(StreamBody::new(Box::pin(stream::unfold((file, wanted, 0), next))))
}

/// What the log has beyond the first bytes; when it is followed, as soon as there is something.
async fn next(
    state: (String, Wanted, usize),
) -> Option<(Result<Frame<Bytes>, std::io::Error>, (String, Wanted, usize))> {
    let (file, mut wanted, mut read) = state;
    loop {
        // The file is gone when its pod is.
        let bytes = std::fs::read(&file).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole > read {
            let part = wanted.cut(&text[read..whole]);
            wanted.tail = None;
            read = whole;
            return Some((Ok(Frame::data(Bytes::from(part))), (file, wanted, read)));
        }
        if !wanted.follow {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The newest log of a container, or the one before.
fn find(namespace: &str, pod: &str, container: &str, previous: bool) -> Option<String> {
    let prefix = format!("{namespace}_{pod}_");
    let folders = std::fs::read_dir(format!("{HOME}/pods")).ok()?.flatten();
    let folder = folders
        .map(|entry| entry.path())
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix)))?;
    let logs = (0..).map(|number| folder.join(format!("{container}.{number}.log")));
    let mut logs: Vec<_> = logs.take_while(|log| log.exists()).collect();
    let newest = logs.pop();
    let log = if previous { logs.pop() } else { newest };
    log.map(|log| log.display().to_string())
}
