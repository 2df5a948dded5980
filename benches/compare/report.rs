//! The measurements as text: a line for each, and a table of medians with ratios.

use std::fmt::Write as _;
use std::time::Duration;

use crate::load::Latencies;
use crate::proxies::Kind;

/// Both measurements of one proxy in one round.
#[derive(Debug)]
pub struct Round {
    /// As fast as it goes.
    pub saturated: Saturated,
    /// At the same fixed rate for all.
    pub paced: Paced,
}

/// A measurement in which every connection asks as fast as it is answered.
#[derive(Debug)]
pub struct Saturated {
    /// Good answers.
    pub requests: u64,
    /// Requests without one.
    pub failed: u64,
    /// Wall time.
    pub took: Duration,
    /// The proxy's CPU time.
    pub cpu: Duration,
    /// Idle time of all cores.
    pub idle: Duration,
    /// The proxy's memory at the end, in bytes.
    pub memory: u64,
    /// Times of the answers.
    pub latencies: Latencies,
}

/// A measurement at a fixed rate.
#[derive(Debug)]
pub struct Paced {
    /// Requests without a good answer.
    pub failed: u64,
    /// Times of the answers, from the moment each request was due.
    pub latencies: Latencies,
}

impl Saturated {
    /// CPU seconds for a million requests.
    fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() / self.requests.max(1) as f64 * 1e6
    }

    fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// Cores that the proxy kept busy.
    fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    fn idle_cores(&self) -> f64 {
        self.idle.as_secs_f64() / self.took.as_secs_f64()
    }
}

/// One round in one line.
pub fn line(kind: Kind, Round { saturated, paced }: &Round) -> String {
    format!(
        "{kind:8} {:6.1} CPU s/million  {:7.0} requests/s  {:4.2} cores busy  paced p50 {} us, p99 {} us  {} failed",
        saturated.cpu_per_million(),
        saturated.per_second(),
        saturated.cores(),
        paced.latencies.p50.as_micros(),
        paced.latencies.p99.as_micros(),
        saturated.failed + paced.failed,
    )
}

/// Medians of all rounds, each with its ratio to the other proxies, and what limits their meaning.
pub fn table(proxies: &[Kind], rounds: &[Vec<Round>]) -> String {
    let mut text = format!("{:34}", "median of the rounds");
    for proxy in proxies {
        let _ = write!(text, "{:>12}", proxy.to_string());
    }
    let rivals: Vec<_> = (1..proxies.len()).filter(|_| proxies[0] == Kind::Weir).collect();
    for rival in &rivals {
        let _ = write!(text, "{:>15}", format!("weir/{}", proxies[*rival]));
    }
    text.push('\n');
    for (name, decimals, figure) in FIGURES {
        let medians: Vec<f64> = rounds.iter().map(|rounds| median(rounds.iter().map(figure).collect())).collect();
        let _ = write!(text, "{name:34}");
        for median in &medians {
            let _ = write!(text, "{median:>12.decimals$}");
        }
        for rival in &rivals {
            let _ = match medians[*rival] {
                0.0 => write!(text, "{:>15}", "-"),
                median => write!(text, "{:>15.2}", medians[0] / median),
            };
        }
        text.push('\n');
    }
    text + &limits(proxies, rounds)
}

type Figure = (&'static str, usize, fn(&Round) -> f64);

const FIGURES: [Figure; 10] = [
    ("CPU s per million requests", 1, |round| round.saturated.cpu_per_million()),
    ("requests per second, saturated", 0, |round| round.saturated.per_second()),
    ("p50 us, saturated", 0, |round| micros(round.saturated.latencies.p50)),
    ("p99 us, saturated", 0, |round| micros(round.saturated.latencies.p99)),
    ("p50 us, at the fixed rate", 0, |round| micros(round.paced.latencies.p50)),
    ("p99 us, at the fixed rate", 0, |round| micros(round.paced.latencies.p99)),
    ("p99.9 us, at the fixed rate", 0, |round| micros(round.paced.latencies.p999)),
    ("memory MiB (proportional)", 1, |round| mebibytes(round.saturated.memory)),
    ("cores busy, saturated", 2, |round| round.saturated.cores()),
    ("requests failed", 0, |round| (round.saturated.failed + round.paced.failed) as f64),
];

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Says where a proxy was not the bottleneck: its two workers were not busy.
fn limits(proxies: &[Kind], rounds: &[Vec<Round>]) -> String {
    let mut text = String::new();
    for (proxy, rounds) in proxies.iter().zip(rounds) {
        let cores = median(rounds.iter().map(|round| round.saturated.cores()).collect());
        let idle = median(rounds.iter().map(|round| round.saturated.idle_cores()).collect());
        if cores < WORKERS * BUSY {
            let _ = writeln!(
                text,
                "{proxy} was not the bottleneck: {cores:.2} of its {WORKERS} workers' cores were busy and {idle:.2} cores \
                 idle; clients and backends had the rest. Its CPU time per request holds, its requests per second do not."
            );
        }
    }
    text
}

/// The middle one, or the mean of the middle two; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Workers of each proxy.
const WORKERS: f64 = 2.0;

/// The part of its workers that a proxy which is the bottleneck keeps busy at least.
const BUSY: f64 = 0.9;
