//! The clients: keep-alive connections that ask as fast as they are answered, or at a fixed rate.
//!
//! An own generator rather than wrk, so that the bench runs anywhere, and because wrk cannot pace: at a fixed rate every
//! request has a moment at which it is due, and one that had to wait for the answer before it counts the wait.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::job::{Dialler, Wire};

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
    /// When each good answer came, from the beginning, and the time that it took.
    pub answers: Vec<(Duration, Duration)>,
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
    pub fn summary(&self) -> Latencies {
        Latencies::of(self.answers.iter().map(|(_, took)| *took).collect())
    }
}

impl Latencies {
    /// Quantiles; zero of none.
    pub fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| {
            let rank = (latencies.len() as f64 * share).ceil() as usize;
            latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// `clients` clients ask for as long as `lasts`.
///
/// # Errors
/// When a connection cannot be opened at the start. A connection that breaks later counts a failure and is opened anew.
pub fn run(dialler: &Dialler, clients: u32, pace: Pace, lasts: Duration) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let wires = dialler.open(clients).await?;
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        for (number, wire) in wires.into_iter().enumerate() {
            let client = Client { dialler: dialler.clone(), wire, buffer: Vec::with_capacity(16 << 10) };
            asking.spawn(client.ask(Schedule::new(pace, begun, lasts, number as u32, clients), begun));
        }
        let mut sum = Load::default();
        while let Some(joined) = asking.join_next().await {
            let load = joined.context("a client panicked")?;
            sum.answers.extend(load.answers);
            sum.failed += load.failed;
        }
        Ok(sum)
    })
}

/// Opens `connections`, asks once on each, and `look`s when they have been idle for a while.
///
/// # Errors
/// When a connection cannot be opened, or `look` fails.
pub fn idle<T>(dialler: &Dialler, connections: u32, look: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut wires = dialler.open(connections).await?;
        let mut buffer = Vec::new();
        for wire in &mut wires {
            dialler.exchange(wire, &mut buffer).await.context("a request failed")?;
        }
        // What has just served gives back what it needed for that a little later.
        tokio::time::sleep(SETTLED).await;
        look()
    })
}

/// How long connections are idle before it is looked what they cost.
const SETTLED: Duration = Duration::from_secs(3);

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
    dialler: Dialler,
    wire: Wire,
    buffer: Vec<u8>,
}

impl Client {
    async fn ask(mut self, mut schedule: Schedule, begun: Instant) -> Load {
        let mut load = Load::default();
        while let Some(due) = schedule.due().await {
            if self.dialler.exchange(&mut self.wire, &mut self.buffer).await.is_some() {
                let now = Instant::now();
                load.answers.push((now - begun, now - due));
            } else {
                load.failed += 1;
                // A proxy that is gone is not asked as fast as it refuses.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        load
    }
}
