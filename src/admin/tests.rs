//! The rules of the control surface, each with a real socket.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::SystemClock;
use crate::config::{self, Resolved};
use crate::engine::{Engine, StateDir};
use crate::snapshot::Leaves;

mod browsers;
mod commands;
mod identity;
mod limits;

/// A control surface with one release, `shop`, at 5%.
struct Surface {
    address: SocketAddr,
    token: String,
    state: AdminState,
    reloads: mpsc::Receiver<ReloadRequest>,
    cancel: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    _state_dir: tempfile::TempDir,
}

/// What came back.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Surface {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reload, reloads) = mpsc::channel(1);
        let access = Access::open(address, None).unwrap().with_hosts(vec!["weir.example.com".to_owned()]);
        let state_dir = tempfile::tempdir().unwrap();
        let leaves = Arc::new(Leaves::new(1));
        let loaded = config::parse(Path::new("weir.yaml"), CONFIG.to_owned()).unwrap();
        let snapshot = config::compile(&loaded, &leaves, &Resolved::new(), 1).unwrap().snapshot;
        let current = Arc::new(Current::new(snapshot));
        let folder = StateDir::open(state_dir.path()).unwrap();
        let (mut engine, control) = Engine::open(folder, Arc::new(SystemClock), leaves.failed.clone()).unwrap();
        engine.restore(&current.load());
        let shown = Shown {
            loaded: Arc::new(loaded),
            listeners: vec![ListenerView { name: "web".parse().unwrap(), address: "127.0.0.1:8080".parse().unwrap() }],
        };
        let state = AdminState {
            metrics: Arc::new(Metrics::new(current.clone(), leaves, Default::default, || true)),
            current,
            shown: Arc::new(ArcSwap::from_pointee(shown)),
            control,
            readiness: Arc::default(),
            access: Arc::new(access),
            reload,
        };
        let token = state.access.token().reveal().to_owned();
        let cancel = CancellationToken::new();
        tokio::spawn(engine.run(state.current.clone(), cancel.clone()));
        let serving = tokio::spawn(serve(listener, state.clone(), cancel.clone()));
        Self { address, token, state, reloads, cancel, serving, _state_dir: state_dir }
    }

    /// Sends a head (without its blank line) and a body on a new connection, and reads until weir closes it.
    async fn raw(&self, head: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let text = format!("{head}\r\nconnection: close\r\n{length}\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it answers in time");
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A request with the token, further fields (each ending in CRLF) and a body.
    async fn call(&self, line: &str, fields: &str, body: &str) -> Reply {
        let head =
            format!("{line} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{fields}", self.address, self.token);
        self.raw(head.trim_end_matches("\r\n"), body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(&format!("GET {path}"), "", "").await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        let fields = if body.is_empty() { "" } else { JSON };
        self.call(&format!("POST {path}"), fields, body).await
    }

    /// Without a token.
    async fn anonymous(&self, line: &str) -> Reply {
        self.raw(&format!("{line} HTTP/1.1\r\nhost: {}", self.address), "").await
    }

    fn weight(&self) -> String {
        self.state.control.status()[0].weight.to_string()
    }
}

#[tokio::test]
async fn probes_need_no_identity_and_any_host() {
    let surface = Surface::start().await;
    let live = surface.raw("GET /livez HTTP/1.1\r\nhost: pod.example", "").await;
    assert_eq!((live.status, live.body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn readiness_follows_start_and_drain() {
    let surface = Surface::start().await;
    let starting = surface.anonymous("GET /readyz").await;
    assert_eq!((starting.status, starting.body.as_str()), (503, "starting\n"));
    surface.state.readiness.ready();
    assert_eq!(surface.anonymous("GET /readyz").await.status, 200);
    surface.state.readiness.drain();
    surface.state.readiness.ready();
    let draining = surface.anonymous("GET /readyz").await;
    assert_eq!((draining.status, draining.body.as_str()), (503, "draining\n"));
    assert_eq!(surface.anonymous("GET /livez").await.status, 200);
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let surface = Surface::start().await;
    for line in ["POST /releases", "DELETE /releases/shop", "PUT /config", "POST /livez"] {
        let reply = surface.call(line, "", "").await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD")), "{line}");
        assert!(reply.json()["error"].is_string());
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_with_what_is() {
    let surface = Surface::start().await;
    let reply = surface.get("/releases/shup").await;
    assert_eq!((reply.status, &reply.json()["hint"]), (404, &"there is shop".into()));
    assert_eq!(surface.post("/releases/shup/abort", "").await.status, 404);
    assert_eq!(surface.get("/releases/shup/history").await.status, 404);
    assert_eq!(surface.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn head_has_no_body() {
    let surface = Surface::start().await;
    let reply = surface.call("HEAD /releases", "", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    let watching = surface.call("HEAD /releases?watch=1", "", "").await;
    assert_eq!((watching.status, watching.body.as_str()), (200, ""));
}

#[tokio::test]
async fn watching_gives_the_present_and_every_change() {
    for (accept, prefix) in [("", "{"), ("accept: text/event-stream\r\n", "event: releases\ndata: {")] {
        let surface = Surface::start().await;
        let mut stream = TcpStream::connect(surface.address).await.unwrap();
        let (address, token) = (surface.address, &surface.token);
        let head = format!(
            "GET /releases?watch=1 HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{accept}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let first = read_until(&mut stream, "}\n").await;
        assert!(first.contains(prefix) && first.contains(r#""weight":"5%""#), "{first}");
        surface.post("/releases/shop/abort", "").await;
        let later = read_until(&mut stream, r#""phase":"aborted""#).await;
        assert!(later.contains(prefix), "{later}");
        surface.cancel.cancel();
        read_until(&mut stream, "0\r\n\r\n").await;
        tokio::time::timeout(PATIENCE, surface.serving).await.expect("it ends").unwrap().unwrap();
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(end) {
            let mut piece = vec![0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "ended early: {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it comes in time");
    text
}

const JSON: &str = "content-type: application/json\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &str = r#"
listeners: [{ name: web, address: "127.0.0.1:8080" }]
routes: [{ release: shop }]
backends:
  shop-v1: { endpoints: ["127.0.0.1:9001"] }
  shop-v2: { endpoints: ["127.0.0.1:9002"] }
releases:
  shop: { stable: shop-v1, canary: shop-v2, steps: [5%], overrides: [{ to: canary, header: x-tester, value: S3CRET-0123456789 }] }
"#;
