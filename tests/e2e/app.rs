//! A small application with a fault to order: the backends of the end-to-end tests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An application that answers with its name. Dropping it closes its port and its connections.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it behaves now.
    pub faults: Arc<Faults>,
    cancel: CancellationToken,
}

/// What goes wrong in an application; everything off at first.
#[derive(Default)]
pub struct Faults {
    /// Of a thousand requests this many fail with 500, evenly spread.
    pub failing_permille: AtomicU32,
    /// Every answer takes this many milliseconds.
    pub delay_ms: AtomicU32,
    /// Requests so far.
    pub requests: AtomicU64,
    /// POST requests so far.
    pub posts: AtomicU64,
    /// Answers wait until this is false.
    pub hang: AtomicBool,
    /// Every request to /cart fails with 500.
    pub cart_fails: AtomicBool,
    /// The `x-request-id` of every request that failed.
    pub failed: Mutex<Vec<String>>,
}

impl App {
    /// Starts an application that answers `name`.
    pub async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let faults = Arc::<Faults>::default();
        let cancel = CancellationToken::new();
        tokio::spawn(accept(listener, name, faults.clone(), cancel.clone()));
        Self { address, faults, cancel }
    }

    /// Fails this many of a thousand requests from now on.
    pub fn fail(&self, permille: u32) {
        self.faults.failing_permille.store(permille, Ordering::Relaxed);
    }

    /// Takes this long for every answer from now on.
    pub fn delay(&self, delay: Duration) {
        self.faults.delay_ms.store(u32::try_from(delay.as_millis()).expect("a short delay"), Ordering::Relaxed);
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.faults.requests.load(Ordering::Relaxed)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn accept(listener: TcpListener, name: &'static str, faults: Arc<Faults>, cancel: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => match accepted { Ok((stream, _)) => stream, Err(_) => continue },
        };
        let (faults, cancel) = (faults.clone(), cancel.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(name, faults.clone(), request));
            let builder = auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            tokio::select! {
                () = cancel.cancelled() => {}
                _ = connection => {}
            }
        });
    }
}

async fn answer(
    name: &'static str,
    faults: Arc<Faults>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = faults.requests.fetch_add(1, Ordering::Relaxed);
    if request.method() == http::Method::POST {
        faults.posts.fetch_add(1, Ordering::Relaxed);
    }
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let large = request.uri().path() == "/large";
    let is_broken = request.uri().path() == "/cart" && faults.cart_fails.load(Ordering::Relaxed);
    let _ = request.into_body().collect().await;
    while faults.hang.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delay = faults.delay_ms.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay.into())).await;
    }
    // The golden ratio spreads the failures: any run of requests has its share.
    let place = (number.wrapping_mul(618_034) % 1_000_000) / 1000;
    let failing = place < u64::from(faults.failing_permille.load(Ordering::Relaxed));
    if failing || is_broken {
        faults.failed.lock().expect("nobody panics with it").push(id);
    }
    let status = if failing || is_broken { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let body = if large { Bytes::from(vec![b'.'; LARGE]) } else { Bytes::from_static(name.as_bytes()) };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

/// Bytes of the answer at `/large`.
const LARGE: usize = 1 << 20;
