//! Backends that cost as little as a backend can: they read to the end of a request head and write the same answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Some backends, on a thread of their own until this is dropped.
pub struct Backends {
    addresses: Vec<SocketAddr>,
    served: Vec<Arc<AtomicU64>>,
    _end: oneshot::Sender<()>,
}

impl Backends {
    /// Starts `count`, at least two; each answers with `body` bytes.
    pub fn start(body: usize, count: usize) -> anyhow::Result<Self> {
        let answer: Arc<[u8]> = answer(body).into();
        let sockets: Vec<_> =
            (0..count.max(2)).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let addresses = sockets.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?;
        let served: Vec<Arc<AtomicU64>> = sockets.iter().map(|_| Arc::default()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = served.clone();
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                for (socket, served) in sockets.into_iter().zip(counters) {
                    tokio::spawn(accept(socket, answer.clone(), served));
                }
                let _ = ended.await;
            });
        };
        std::thread::Builder::new().name("backends".to_owned()).spawn(serve).context("no thread for the backends")?;
        Ok(Self { addresses, served, _end: end })
    }

    /// Where all of them listen.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the first two listen: stable and canary.
    pub fn pair(&self) -> [SocketAddr; 2] {
        [self.addresses[0], self.addresses[1]]
    }

    /// Requests that each of these two has answered.
    pub fn served(&self) -> [u64; 2] {
        [&self.served[0], &self.served[1]].map(|count| count.load(Ordering::Relaxed))
    }
}

fn answer(body: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {body}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + body, b'.');
    answer
}

async fn accept(socket: std::net::TcpListener, answer: Arc<[u8]>, served: Arc<AtomicU64>) {
    let registered = socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket));
    let listener = registered.expect("a fresh socket can be registered on a fresh runtime");
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer.clone(), served.clone()));
        }
    }
}

/// Answers each request head; requests have no body and may arrive in pieces.
async fn serve(mut stream: TcpStream, answer: Arc<[u8]>, served: Arc<AtomicU64>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        while let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            served.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}
