//! weir beside nginx and HAProxy: what a request costs each of them, on the same machine, in the same minutes.
//!
//! Every proxy gets the same job in its own words: two workers, a 90/10 split between two backends, connections kept alive on
//! both sides, no access log. Rounds are interleaved (A B C, A B C, ...), so that a machine that slows down slows down all of
//! them. The figure to look at is CPU time per request: it holds even where the machine, not the proxy, was the bottleneck.
//!
//! `cargo bench --bench compare`; see benches/README.md.

#![allow(unreachable_pub, reason = "a program exports nothing; `pub` marks what a module offers to its neighbours")]

mod backend;
mod load;
mod process;
mod proxies;
mod report;
mod split;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

use self::backend::Backends;
use self::proxies::{Kind, Proxy};
use self::report::{Paced, Round, Saturated};

/// Compares weir with nginx and HAProxy on loopback.
#[derive(Parser, Debug)]
#[command(name = "compare")]
struct Args {
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement: one saturated and one paced for each proxy and round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Connections that clients keep open
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Requests a second in the paced measurement
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Bytes of each answer's body
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    body: u32,
    /// Only these proxies: weir, nginx, haproxy
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// `cargo bench` says so; nothing depends on it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match compare(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no folder for configurations")?;
    let backends = Backends::start(args.body as usize)?;
    let mut proxies = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| args.only.is_empty() || args.only.contains(kind)) {
        match Proxy::start(kind, folder.path(), backends.addresses())? {
            Some(proxy) => proxies.push(proxy),
            None => println!("{kind}: not installed, left out (Debian: apt-get install {kind})"),
        }
    }
    for proxy in &proxies {
        let [stable, canary] = split::measure(proxy.address, &backends)?;
        println!("{}: {} shares {stable} to {canary} of {}", proxy.kind, proxy.version, stable + canary);
    }
    let mut rounds: Vec<Vec<Round>> = proxies.iter().map(|_| Vec::new()).collect();
    for number in 1..=args.rounds {
        for (proxy, rounds) in proxies.iter().zip(&mut rounds) {
            let round = measure(proxy, args)?;
            println!("round {number} of {}: {}", args.rounds, report::line(proxy.kind, &round));
            rounds.push(round);
        }
    }
    let names: Vec<_> = proxies.iter().map(|proxy| proxy.kind).collect();
    print!("\n{}", report::table(&names, &rounds));
    Ok(())
}

/// One saturated and one paced measurement of one proxy.
fn measure(proxy: &Proxy, args: &Args) -> anyhow::Result<Round> {
    let lasts = Duration::from_secs(args.seconds);
    // Warm: connections to backends are open, memory is in place.
    saturate(proxy.address, args, Duration::from_millis(300))?;
    let (before, begun) = (proxy.usage()?, Instant::now());
    let load = saturate(proxy.address, args, lasts)?;
    let (after, took) = (proxy.usage()?, begun.elapsed());
    let saturated = Saturated {
        requests: load.latencies.len() as u64,
        failed: load.failed,
        took,
        cpu: after.cpu.saturating_sub(before.cpu),
        idle: after.idle.saturating_sub(before.idle),
        memory: after.memory,
        latencies: load.summary(),
    };
    let load = load::run(proxy.address, args.connections, load::Pace::Rate(args.rate), lasts)?;
    let paced = Paced { failed: load.failed, latencies: load.summary() };
    Ok(Round { saturated, paced })
}

fn saturate(address: SocketAddr, args: &Args, lasts: Duration) -> anyhow::Result<load::Load> {
    load::run(address, args.connections, load::Pace::Saturate, lasts)
}
