//! weir beside nginx, HAProxy and Envoy: what a request costs each of them, on the same machine, in the same minutes.
//!
//! Every proxy gets the same job in its own words: two workers, a 90/10 split between two backends, connections kept alive on
//! both sides, no access log. Rounds are interleaved (A B C, A B C, ...), so that a machine that slows down slows down all of
//! them. The figure to look at is CPU time per request: it holds even where the machine, not the proxy, was the bottleneck.
//!
//! `cargo bench --bench compare`; see benches/README.md.

#![allow(unreachable_pub, reason = "a program exports nothing; `pub` marks what a module offers to its neighbours")]

mod backend;
mod change;
mod configs;
mod job;
mod load;
mod process;
#[path = "../program.rs"]
mod program;
mod proxies;
mod report;
mod scale;
mod split;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

use self::backend::Backends;
use self::job::{Dialler, Job, Pem};
use self::load::Pace;
use self::proxies::{Kind, Proxy};
use self::report::{Paced, Round, Saturated};

/// Compares weir with nginx, HAProxy and Envoy on loopback.
#[derive(Parser, Debug)]
#[command(name = "compare")]
struct Args {
    /// Rounds; the median of them is shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement: one saturated and one paced for each proxy and round
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// What clients do, one comparison after the other
    #[arg(long, value_delimiter = ',', default_value = "plain")]
    job: Vec<Job>,
    /// Connections that clients keep open
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=8_000))]
    connections: u32,
    /// Idle connections whose memory is measured at the end of each comparison; 0 for none
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=8_000))]
    idle: u32,
    /// Requests a second in the paced measurement; less for large bodies, and a tenth where each request is a handshake
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Bytes of each answer's body
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    body: u32,
    /// Only these proxies: weir, nginx, haproxy, envoy
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Instead: how weir's cost grows with what it has to do
    #[arg(long, conflicts_with = "weight_change")]
    scale: bool,
    /// Instead: what clients see of changes of weir's weight under full load
    #[arg(long)]
    weight_change: bool,
    /// `cargo bench` says so; nothing depends on it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no folder for configurations")?;
    let pem = Pem::make(folder.path())?;
    let lasts = Duration::from_secs(args.seconds);
    if args.scale {
        return scale::tables(folder.path(), &pem, lasts);
    }
    if args.weight_change {
        return change::show(folder.path(), &pem, args.connections, lasts);
    }
    args.job.iter().try_for_each(|job| compare(*job, args, folder.path(), &pem))
}

/// A proxy, and the way to it.
struct Contender {
    proxy: Proxy,
    dialler: Dialler,
}

fn compare(job: Job, args: &Args, folder: &Path, pem: &Pem) -> anyhow::Result<()> {
    println!("{job}, answers of {} bytes, {} connections", args.body, args.connections);
    let backends = Backends::start(args.body as usize, 2)?;
    let mut contenders = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| args.only.is_empty() || args.only.contains(kind)) {
        match Proxy::start(kind, folder, job.front(pem), backends.pair())? {
            Some(proxy) => {
                let dialler = Dialler::new(proxy.address, job, pem)?;
                contenders.push(Contender { proxy, dialler });
            }
            None => println!("{kind}: not installed, left out ({})", kind.installed_by()),
        }
    }
    for Contender { proxy, dialler } in &contenders {
        let [stable, canary] = split::measure(dialler, &backends)?;
        println!("{}: {} shares {stable} to {canary} of {}", proxy.kind, proxy.version, stable + canary);
    }
    let mut rounds: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
    for number in 1..=args.rounds {
        for (contender, rounds) in contenders.iter().zip(&mut rounds) {
            let round = measure(contender, job, args)?;
            println!("round {number} of {}: {}", args.rounds, report::line(contender.proxy.kind, &round));
            rounds.push(round);
        }
    }
    let names: Vec<_> = contenders.iter().map(|contender| contender.proxy.kind).collect();
    print!("\n{}", report::table(&names, &rounds));
    for Contender { proxy, dialler } in contenders.iter().filter(|_| args.idle > 0) {
        let used = load::idle(dialler, args.idle, || proxy.usage())?;
        println!("{}: {:.1} MiB with {} idle connections", proxy.kind, report::mebibytes(used.memory), args.idle);
    }
    println!();
    Ok(())
}

/// One saturated and one paced measurement of one proxy.
fn measure(Contender { proxy, dialler }: &Contender, job: Job, args: &Args) -> anyhow::Result<Round> {
    let lasts = Duration::from_secs(args.seconds);
    let clients = |pace, lasts| load::run(dialler, args.connections, pace, lasts);
    // Warm: connections to backends are open, memory is in place.
    clients(Pace::Saturate, Duration::from_millis(300))?;
    let (before, begun) = (proxy.usage()?, Instant::now());
    let load = clients(Pace::Saturate, lasts)?;
    let (after, took) = (proxy.usage()?, begun.elapsed());
    let saturated = Saturated {
        requests: load.answers.len() as u64,
        failed: load.failed,
        took,
        cpu: after.cpu.saturating_sub(before.cpu),
        idle: after.idle.saturating_sub(before.idle),
        memory: after.memory,
        latencies: load.summary(),
    };
    let load = clients(Pace::Rate(rate(job, args)), lasts)?;
    let paced = Paced { failed: load.failed, latencies: load.summary() };
    Ok(Round { saturated, paced })
}

/// Requests a second that leave a machine of two cores some room.
fn rate(job: Job, args: &Args) -> u32 {
    let by_size = PACED_BYTES / args.body.max(1);
    (f64::from(args.rate.min(by_size)) * job.pace()).max(1.0) as u32
}

/// Bytes a second that a paced measurement moves at most.
const PACED_BYTES: u32 = 100 << 20;
