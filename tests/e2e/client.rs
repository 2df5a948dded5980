//! An HTTP/1.1 client on one kept-alive connection, and a steady stream of visitors made of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One kept-alive connection.
pub struct Client {
    address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    async fn try_connect(address: SocketAddr) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    /// GETs `path`.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    /// GETs `path` with further fields.
    pub async fn get_with(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().uri(path).header("host", "shop.test");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::default()).expect("a valid request")).await
    }

    /// Sends a request; panics when there is no whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a request, on a new connection where weir has announced the end of this one.
    pub async fn try_send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        if self.sender.ready().await.is_err() {
            *self = Self::try_connect(self.address).await?;
            self.sender.ready().await?;
        }
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Reply { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

/// Visitors that come steadily until they are stopped.
pub struct Visitors {
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

/// What visitors saw.
#[derive(Default)]
pub struct Seen {
    stop: AtomicBool,
    /// Whole answers below 500.
    pub good: AtomicU64,
    /// Answers from 500.
    pub bad: AtomicU64,
    /// Requests without a whole answer.
    pub broken: AtomicU64,
}

impl Visitors {
    /// `count` visitors that each GET `/`, `/` and `/cart` one after the other with `pause` between.
    pub fn start(address: SocketAddr, count: usize, pause: Duration) -> Self {
        let seen = Arc::<Seen>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            tasks.spawn(visit(address, pause, seen.clone()));
        }
        Self { seen, tasks }
    }

    /// Waits until they have had `more` further answers.
    pub async fn answers(&self, more: u64) {
        let goal = self.seen.good.load(Ordering::Relaxed) + more;
        let wait = async {
            while self.seen.good.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(super::weir::PATIENCE, wait).await.expect("visitors are answered in time");
    }

    /// Ends them: `(good, bad, broken)`.
    pub async fn stop(self) -> (u64, u64, u64) {
        self.seen.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.seen.good), read(&self.seen.bad), read(&self.seen.broken))
    }
}

async fn visit(address: SocketAddr, pause: Duration, seen: Arc<Seen>) {
    let mut client = None;
    let mut paths = ["/", "/", "/cart"].into_iter().cycle();
    while !seen.stop.load(Ordering::Relaxed) {
        let path = paths.next().expect("a cycle has no end");
        let count = match once(address, path, &mut client).await {
            Some(status) if status.is_server_error() => &seen.bad,
            Some(_) => &seen.good,
            None => &seen.broken,
        };
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
}

async fn once(address: SocketAddr, path: &str, client: &mut Option<Client>) -> Option<StatusCode> {
    if client.is_none() {
        *client = Client::try_connect(address).await.ok();
    }
    let request =
        Request::builder().uri(path).header("host", "shop.test").body(Full::default()).expect("a valid request");
    let reply = client.as_mut()?.try_send(request).await;
    match reply {
        Ok(reply) => Some(reply.status),
        Err(_) => {
            *client = None;
            None
        }
    }
}
