//! Two backends that cost as little as a backend can: they read to the end of a request head and write the same answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The two backends, on a thread of their own for as long as the process lives.
pub struct Backends {
    addresses: [SocketAddr; 2],
    served: [Arc<AtomicU64>; 2],
}

impl Backends {
    /// Starts both; each answers with `body` bytes.
    pub fn start(body: usize) -> anyhow::Result<Self> {
        let answer: Arc<[u8]> = answer(body).into();
        let served = [Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default()];
        let sockets = [std::net::TcpListener::bind("127.0.0.1:0")?, std::net::TcpListener::bind("127.0.0.1:0")?];
        let addresses = [sockets[0].local_addr()?, sockets[1].local_addr()?];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = served.clone();
        let serve = move || {
            runtime.block_on(async {
                let mut accepting = tokio::task::JoinSet::new();
                for (socket, served) in sockets.into_iter().zip(counters) {
                    accepting.spawn(accept(socket, answer.clone(), served));
                }
                accepting.join_all().await;
            });
        };
        std::thread::Builder::new().name("backends".to_owned()).spawn(serve).context("no thread for the backends")?;
        Ok(Self { addresses, served })
    }

    /// Where they listen: stable and canary.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Requests that each has answered.
    pub fn served(&self) -> [u64; 2] {
        self.served.each_ref().map(|count| count.load(Ordering::Relaxed))
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
