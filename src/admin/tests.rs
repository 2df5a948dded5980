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
async fn everything_else_needs_the_token() {
    let surface = Surface::start().await;
    for line in [
        "GET /releases",
        "GET /releases/shop",
        "GET /releases/shop/history",
        "GET /releases?watch=1",
        "GET /config",
        "GET /routes",
        "GET /backends",
        "GET /listeners",
        "GET /nowhere",
        "POST /releases/shop/abort",
        "POST /reload",
        "DELETE /releases/shop",
    ] {
        let reply = surface.anonymous(line).await;
        assert_eq!(reply.status, 401, "{line}");
        assert_eq!(reply.field("www-authenticate"), Some("Bearer realm=\"weir\""), "{line}");
        assert!(reply.json()["hint"].as_str().unwrap().contains("admin.json"), "{line}: {}", reply.body);
    }
    assert_eq!(surface.weight(), "5%");
}

#[tokio::test]
async fn metrics_and_version_are_open_on_loopback() {
    let surface = Surface::start().await;
    let metrics = surface.anonymous("GET /metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.field("content-type"), Some("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("\nweir_build_info{version="), "{}", metrics.body);
    let version = surface.anonymous("GET /version").await.json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_after_ten_must_wait() {
    let surface = Surface::start().await;
    let wrong = format!("GET /releases HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer wrong", surface.address);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(surface.raw(&wrong, "").await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    let good = surface.get("/releases").await.status;
    assert_eq!(good, 200, "on loopback another user's guesses must not lock the operator out");
}

#[tokio::test]
async fn a_token_in_another_scheme_or_in_the_url_is_none() {
    let surface = Surface::start().await;
    let (address, token) = (surface.address, &surface.token);
    let basic = format!("GET /releases HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {token}");
    let query = format!("GET /releases?token={token} HTTP/1.1\r\nhost: {address}");
    assert_eq!(surface.raw(&basic, "").await.status, 401);
    assert_eq!(surface.raw(&query, "").await.status, 401);
}

#[tokio::test]
async fn a_foreign_host_is_refused_even_with_the_token() {
    let surface = Surface::start().await;
    for (host, expected) in [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.1", 421),
        ("user@localhost", 400),
        ("", 400),
        ("localhost", 200),
        ("LOCALHOST:9180", 200),
        ("127.0.0.1", 200),
        ("weir.example.com:443", 200),
    ] {
        let head = format!("GET /version HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}", surface.token);
        assert_eq!(surface.raw(&head, "").await.status, expected, "{host:?}");
    }
    let twice = "GET /version HTTP/1.1\r\nhost: localhost\r\nhost: localhost";
    assert_eq!(surface.raw(twice, "").await.status, 400);
}

#[tokio::test]
async fn requests_from_other_sites_are_refused() {
    let surface = Surface::start().await;
    for fields in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        for line in ["POST /releases/shop/promote", "GET /releases", "OPTIONS /releases/shop/promote"] {
            let reply = surface.call(line, fields, "").await;
            assert_eq!(reply.status, 403, "{line} with {fields}");
            assert!(!reply.head.contains("access-control"), "{}", reply.head);
        }
    }
    assert_eq!(surface.weight(), "5%");
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", surface.address);
    assert_eq!(surface.call("GET /releases", &own, "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_a_form_could_send_is_refused() {
    let surface = Surface::start().await;
    let body = r#"{"weight":"50%"}"#;
    for fields in ["content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n", ""] {
        assert_eq!(surface.call("POST /releases/shop/weight", fields, body).await.status, 415, "{fields:?}");
    }
    assert_eq!(surface.weight(), "5%");
    let charset = "content-type: application/json; charset=utf-8\r\n";
    assert_eq!(surface.call("POST /releases/shop/weight", charset, body).await.status, 200);
    assert_eq!(surface.weight(), "50%");
}

#[tokio::test]
async fn get_never_changes_anything() {
    let surface = Surface::start().await;
    for action in ["promote", "abort", "pause", "resume", "retry", "weight"] {
        let reply = surface.get(&format!("/releases/shop/{action}")).await;
        assert_eq!((reply.status, reply.field("allow")), (405, Some("POST")), "{action}");
    }
    assert_eq!(surface.get("/reload").await.status, 405);
    assert_eq!(surface.weight(), "5%");
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
async fn commands_move_the_release_and_say_what_happened() {
    let surface = Surface::start().await;
    let reply = surface.post("/releases/shop/weight", r#"{"weight":"12.5%"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    assert_eq!(answer["release"]["weight"], "12.5%");
    assert_eq!(answer["message"], "shop is paused: its canary shop-v2 has 12.5% of the traffic now, 5% before");
    assert_eq!(surface.post("/releases/shop/abort", "").await.json()["release"]["phase"], "aborted");
    assert_eq!(surface.post("/releases/shop/retry", "{}").await.status, 200);
    assert_eq!(surface.post("/releases/shop/promote", "").await.json()["release"]["weight"], "100%");
}

#[tokio::test]
async fn a_command_that_does_not_fit_is_409_with_the_reason() {
    let surface = Surface::start().await;
    surface.post("/releases/shop/promote", "").await;
    let reply = surface.post("/releases/shop/abort", "").await;
    assert_eq!(reply.status, 409);
    assert!(reply.json()["error"].as_str().unwrap().contains("promoted"), "{}", reply.body);
}

#[tokio::test]
async fn a_wrong_body_is_400_with_an_example() {
    let surface = Surface::start().await;
    for body in ["", "{", "[]", r#"{"weight":"101%"}"#, r#"{"weight":5}"#, r#"{"weight":"5%","more":1}"#] {
        let reply = surface.post("/releases/shop/weight", body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(reply.json()["hint"], r#"send {"weight": "10%"}"#);
    }
    assert_eq!(surface.post("/releases/shop/abort", r#"{"weight":"5%"}"#).await.status, 400);
    assert_eq!(surface.weight(), "5%");
}

#[tokio::test]
async fn a_body_too_large_is_cut() {
    let surface = Surface::start().await;
    let body = format!(r#"{{"weight":"{}"}}"#, "9".repeat(17 * 1024));
    assert_eq!(surface.post("/releases/shop/weight", &body).await.status, 413);
}

#[tokio::test]
async fn a_head_too_large_is_cut() {
    let surface = Surface::start().await;
    let large = format!("x: {}\r\n", "y".repeat(20 * 1024));
    assert_eq!(surface.call("GET /releases", &large, "").await.status, 431);
    let many = "x: y\r\n".repeat(80);
    assert_eq!(surface.call("GET /releases", &many, "").await.status, 431);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_cut() {
    let surface = Surface::start().await;
    let mut stream = TcpStream::connect(surface.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: local").await.unwrap();
    let mut answer = Vec::new();
    let before = tokio::time::Instant::now();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(before.elapsed() <= Duration::from_secs(11), "{:?}", before.elapsed());
}

#[tokio::test]
async fn callers_beyond_the_limit_are_dropped_and_the_others_served() {
    let surface = Surface::start().await;
    let mut idle = Vec::new();
    for _ in 0..128 {
        let mut stream = TcpStream::connect(surface.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_until(&mut stream, "ok\n").await;
        idle.push(stream);
    }
    let mut further = TcpStream::connect(surface.address).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, further.read_to_end(&mut answer)).await.expect("it is dropped at once");
    assert!(answer.is_empty());
    idle[0].write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut idle[0], "ok\n").await;
}

#[tokio::test]
async fn no_answer_carries_a_secret() {
    let surface = Surface::start().await;
    for path in ["/config", "/routes", "/releases", "/metrics", "/backends", "/listeners", "/releases/shop/history"] {
        let reply = surface.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let whole = reply.head + &reply.body;
        assert!(!whole.contains("S3CRET") && !whole.contains(&surface.token), "{path}: {whole}");
    }
    assert_eq!(surface.get("/routes").await.json()[0]["release"], "shop");
    assert_eq!(surface.get("/listeners").await.json(), json!([{ "name": "web", "address": "127.0.0.1:8080" }]));
}

#[tokio::test]
async fn answers_are_not_stored_nor_sniffed_and_have_the_callers_id() {
    let surface = Surface::start().await;
    let reply = surface.call("GET /releases", "x-request-id: abc-1\r\n", "").await;
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    assert_eq!(reply.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.field("x-request-id"), Some("abc-1"));
    let own = surface.get("/releases").await;
    assert_eq!(own.field("x-request-id").map(str::len), Some(16));
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

#[tokio::test]
async fn reload_answers_what_became_of_it() {
    let mut surface = Surface::start().await;
    let mut reloads = std::mem::replace(&mut surface.reloads, mpsc::channel(1).1);
    tokio::spawn(async move {
        for result in [Ok(2), Err("weir.yaml:3:1: no backend `shop-v3`".to_owned())] {
            reloads.recv().await.unwrap().send(result).unwrap();
        }
    });
    assert_eq!(surface.post("/reload", "").await.status, 200);
    let bad = surface.post("/reload", "").await;
    assert_eq!(bad.status, 422);
    assert!(bad.json()["error"].as_str().unwrap().contains("shop-v3"), "{}", bad.body);
    let gone = surface.post("/reload", "").await;
    assert_eq!(gone.status, 503);
}

#[test]
fn an_address_that_others_reach_needs_a_token_of_its_own() {
    let public: SocketAddr = "0.0.0.0:9180".parse().unwrap();
    let refused = Access::open(public, None).unwrap_err();
    assert!(refused.to_string().contains("tokenFile"), "{refused}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    assert!(Access::open(public, Some(&file)).is_ok());
}

#[test]
fn the_token_is_the_one_in_the_file_and_the_last_good_one_while_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let (first, second) = ("0123456789abcdef", "fedcba9876543210");
    std::fs::write(&file, first).unwrap();
    let access = Access::open("0.0.0.0:9180".parse().unwrap(), Some(&file)).unwrap();
    let now = || access.token().reveal().to_owned();
    assert_eq!(now(), first);
    std::fs::write(&file, second).unwrap();
    assert_eq!(now(), second);
    std::fs::write(&file, "short").unwrap();
    assert_eq!(now(), second);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(now(), second);
}

#[tokio::test]
async fn from_afar_metrics_need_the_token_too() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let mut surface = Surface::start().await;
    surface.address.set_port(listener.local_addr().unwrap().port());
    let serving = tokio::spawn(serve(listener, surface.state.clone(), surface.cancel.clone()));
    assert_eq!(surface.anonymous("GET /metrics").await.status, 401);
    assert_eq!(surface.get("/metrics").await.status, 200);
    assert_eq!(surface.anonymous("GET /livez").await.status, 200);
    surface.cancel.cancel();
    serving.await.unwrap().unwrap();
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
