//! The clients: keep-alive connections that ask as fast as they are answered, or at a fixed rate.
//!
//! An own generator rather than wrk, so that the bench runs anywhere, and because wrk cannot pace: at a fixed rate every
//! request has a moment at which it is due, and one that had to wait for the answer before it counts the wait.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How requests follow one another.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// The next as soon as the last is answered, on every connection.
    Saturate,
    /// So many a second in all, evenly, whether the last ones are answered or not.
    Rate(u32),
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Load {
    /// The time that each good answer took.
    pub latencies: Vec<Duration>,
    /// Requests without a good answer.
    pub failed: u64,
}

/// Times of a measurement that half, 99% and 99.9% of the requests did not exceed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latencies {
    /// The median.
    pub p50: Duration,
    /// Of 99%.
    pub p99: Duration,
    /// Of 99.9%.
    pub p999: Duration,
}

impl Load {
    /// Quantiles; zero without requests.
    pub fn summary(mut self) -> Latencies {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let rank = (self.latencies.len() as f64 * share).ceil() as usize;
            self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Latencies { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// Asks `address` on `connections` connections for as long as `lasts`.
///
/// # Errors
/// When a connection cannot be opened at the start. A connection that breaks later counts a failure and is opened anew.
pub fn run(address: SocketAddr, connections: u32, pace: Pace, lasts: Duration) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(connect(address).await.with_context(|| format!("no connection to {address}"))?);
        }
        let begun = Instant::now();
        let mut clients = JoinSet::new();
        for (number, stream) in open.into_iter().enumerate() {
            let client = Client { address, stream, buffer: Vec::with_capacity(16 << 10) };
            let schedule = Schedule::new(pace, begun, lasts, number as u32, connections);
            clients.spawn(client.ask(schedule));
        }
        let mut sum = Load::default();
        while let Some(joined) = clients.join_next().await {
            let load = joined.context("a client panicked")?;
            sum.latencies.extend(load.latencies);
            sum.failed += load.failed;
        }
        Ok(sum)
    })
}

/// When one connection's requests are due.
struct Schedule {
    next: Option<Instant>,
    every: Duration,
    end: Instant,
}

impl Schedule {
    fn new(pace: Pace, begun: Instant, lasts: Duration, number: u32, connections: u32) -> Self {
        let end = begun + lasts;
        match pace {
            Pace::Saturate => Self { next: None, every: Duration::ZERO, end },
            Pace::Rate(rate) => {
                let every = Duration::from_secs_f64(f64::from(connections) / f64::from(rate));
                Self { next: Some(begun + every.mul_f64(f64::from(number) / f64::from(connections))), every, end }
            }
        }
    }

    /// Waits for the next request's moment, and gives the moment from which its latency counts; `None` at the end.
    ///
    /// That is when it was due where the answer before came too late for it. A client that merely slept counts from when
    /// it woke: timers are a millisecond coarse, which is not the proxy's doing.
    async fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let Some(next) = &mut self.next else { return (now < self.end).then_some(now) };
        let due = *next;
        *next += self.every;
        if due >= self.end {
            return None;
        }
        if due <= now {
            return Some(due);
        }
        tokio::time::sleep_until(due).await;
        Some(Instant::now())
    }
}

struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn ask(mut self, mut schedule: Schedule) -> Load {
        let mut load = Load::default();
        while let Some(due) = schedule.due().await {
            if self.exchange().await.is_some() {
                load.latencies.push(due.elapsed());
                continue;
            }
            load.failed += 1;
            match connect(self.address).await {
                Ok(stream) => self.stream = stream,
                Err(_) => break,
            }
        }
        load
    }

    /// One request and its whole answer, which must be a 200 with a Content-Length.
    async fn exchange(&mut self) -> Option<()> {
        self.stream.write_all(REQUEST).await.ok()?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
            if let Some(length) = whole_length(&self.buffer)
                && self.buffer.len() >= length?
            {
                return Some(());
            }
        }
    }
}

/// The length of the whole answer once its head is there; `Some(None)` when it is not the expected one.
fn whole_length(answer: &[u8]) -> Option<Option<usize>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap_or_default();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(length.filter(|_| head.starts_with("HTTP/1.1 200")).map(|length| end + 4 + length))
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: compare.example\r\nuser-agent: compare\r\naccept: */*\r\n\r\n";
