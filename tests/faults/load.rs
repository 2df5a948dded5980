//! Constant load: clients on kept-alive connections that ask one request after the other, and note what became of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Vec<Request>>,
}

struct Shared {
    address: SocketAddr,
    next: AtomicU64,
    answered: AtomicU64,
    stop: AtomicBool,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Unique within the load.
    pub id: u64,
    /// POST, or GET.
    pub is_post: bool,
    /// When it was sent.
    pub began: Instant,
    /// When it had its answer, or none.
    pub ended: Instant,
    /// Its status, once the answer was whole; or what went wrong.
    pub result: Result<u16, String>,
}

impl Request {
    /// Whether it had a whole answer that is no error.
    pub fn is_good(&self) -> bool {
        matches!(self.result, Ok(200..500))
    }
}

impl Load {
    /// `getting` clients that send GET and `posting` ones that send POST to `address`, until they are stopped or nobody
    /// listens there.
    pub fn start(address: SocketAddr, getting: usize, posting: usize) -> Self {
        let shared = Arc::new(Shared {
            address,
            next: AtomicU64::new(1),
            answered: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let mut clients = JoinSet::new();
        for number in 0..getting + posting {
            clients.spawn(Client { shared: shared.clone(), stream: None, is_post: number >= getting }.run());
        }
        Self { shared, clients }
    }

    /// Waits until they have had `more` further answers.
    pub async fn answers(&self, more: u64) {
        let goal = self.shared.answered.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.shared.answered.load(Ordering::Relaxed) < goal {
            assert!(begun.elapsed() < Duration::from_secs(60), "clients are not answered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets them end their requests, and gives all there were.
    pub async fn stop(self) -> Vec<Request> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }

    /// Waits until they have found nobody listening, and gives all requests there were.
    pub async fn forsaken(self) -> Vec<Request> {
        self.clients.join_all().await.concat()
    }
}

struct Client {
    shared: Arc<Shared>,
    stream: Option<TcpStream>,
    is_post: bool,
}

impl Client {
    async fn run(mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let Ok(stream) = self.connection().await else { break };
            let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            let patience = if self.is_post { POST_PATIENCE } else { GET_PATIENCE };
            let done = tokio::time::timeout(patience, exchange(stream, id, self.is_post)).await;
            let result = match done.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok((status, stream)) => {
                    self.stream = stream;
                    self.shared.answered.fetch_add(1, Ordering::Relaxed);
                    Ok(status)
                }
                Err(error) => Err(error),
            };
            requests.push(Request { id, is_post: self.is_post, began, ended: Instant::now(), result });
            tokio::time::sleep(PAUSE).await;
        }
        requests
    }

    /// The connection that is open, unless it has been closed meanwhile; or a new one.
    async fn connection(&mut self) -> std::io::Result<TcpStream> {
        if let Some(stream) = self.stream.take() {
            let mut byte = [0];
            match stream.try_read(&mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(stream),
                _ => drop(stream),
            }
        }
        let stream = TcpStream::connect(self.shared.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Sends one request; gives the status once the answer is whole, and the connection if it stays open.
async fn exchange(mut stream: TcpStream, id: u64, is_post: bool) -> Result<(u16, Option<TcpStream>), String> {
    let request = if is_post {
        format!("POST /{id} HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 5\r\n\r\norder")
    } else {
        format!("GET /{id} HTTP/1.1\r\nhost: shop.test\r\n\r\n")
    };
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("while sending: {error}"))?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut answer).await {
            Ok(0) => return Err(format!("closed after {} bytes", answer.len())),
            Err(error) => return Err(format!("after {} bytes: {error}", answer.len())),
            Ok(_) => {}
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(parsed) = head.parse(&answer) else { return Err("no HTTP".to_owned()) };
        let httparse::Status::Complete(length) = parsed else { continue };
        let field = |name: &str| {
            let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| String::from_utf8_lossy(field.value).into_owned())
        };
        let body: usize =
            field("content-length").and_then(|text| text.parse().ok()).ok_or("an answer without length")?;
        if answer.len() >= length + body {
            let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            return Ok((head.code.unwrap_or_default(), (!closes).then_some(stream)));
        }
    }
}

/// After which a client that wants to read goes away.
const GET_PATIENCE: Duration = Duration::from_secs(4);

/// After which a client that wants something done goes away.
const POST_PATIENCE: Duration = Duration::from_secs(15);

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);
