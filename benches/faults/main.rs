//! weir beside nginx and HAProxy when things go wrong: which requests each of them loses, and which it executes twice.
//!
//! Every proxy stands in front of two stable processes and two of the canary, under the same constant load of GET and POST,
//! and goes through the same faults, one after the other; see `tests/faults`, which holds weir to its part.
//!
//! `cargo bench --bench faults`; see benches/README.md.

#![allow(unreachable_pub, reason = "a program exports nothing; `pub` marks what a module offers to its neighbours")]

#[path = "../../tests/faults/load.rs"]
mod load;
#[path = "../../tests/faults/matrix.rs"]
mod matrix;
#[path = "../compare/process.rs"]
#[allow(dead_code, reason = "not all that is measured there is of interest here")]
mod process;
#[path = "../program.rs"]
mod program;
mod proxies;
mod soak;
#[path = "../../tests/faults/upstream.rs"]
mod upstream;

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use weir::types::Span;

use self::load::Load;
use self::matrix::{Cast, Fault, Toll};
use self::proxies::{Kind, Running};

/// Puts weir, nginx and HAProxy through faults, and counts what each of them loses.
#[derive(Parser, Debug)]
#[command(name = "faults")]
struct Args {
    /// Only these proxies: weir, nginx, haproxy
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Instead: let weir alone run for so long, with reloads, weight changes and faults, and watch what it holds
    #[arg(long, value_name = "TIME")]
    soak: Option<Span>,
    /// `cargo bench` says so; nothing depends on it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if upstream::is_asked_for() {
        upstream::serve();
    }
    let args = Args::parse();
    let done = match args.soak {
        Some(Span(time)) => soak::run(time),
        None => compare(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The upstreams are this program, started again.
fn program() -> Command {
    Command::new(std::env::current_exe().expect("this program has a path"))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let kinds = Kind::ALL.into_iter().filter(|kind| args.only.is_empty() || args.only.contains(kind));
    let mut columns = Vec::new();
    for kind in kinds {
        let Some(version) = proxies::version(kind) else {
            println!("{kind}: not installed, left out (Debian: apt-get install {kind})");
            continue;
        };
        println!("{kind}: {version}");
        let mut tolls = Vec::new();
        for fault in FAULTS {
            let toll = suffer(kind, fault).with_context(|| format!("{kind}, {fault}"))?;
            println!("  {:28} {}", fault.to_string(), line(&toll));
            for (cause, count) in &toll.causes {
                println!("    {count} x {cause}");
            }
            tolls.push(toll);
        }
        columns.push((kind, tolls));
    }
    print!("\n{}", table(&columns));
    Ok(())
}

fn suffer(kind: Kind, fault: Fault) -> anyhow::Result<Toll> {
    let folder = tempfile::tempdir().context("no folder for configurations")?;
    let cast = Cast::start(program);
    let mut proxy = Running::start(kind, folder.path(), cast.addresses())?;
    runtime()?.block_on(async {
        let load = Load::start(proxy.address, 16, 8);
        Ok(cast.suffer(fault, load, &mut proxy).await)
    })
}

fn line(toll: &Toll) -> String {
    format!(
        "{:5} GET, {:4} failed; {:5} POST, {:4} failed, {:3} lost, {:3} doubled; {} resets; slowest {:4.1} s",
        toll.gets,
        toll.failed_gets,
        toll.posts,
        toll.failed_posts,
        toll.lost_posts,
        toll.doubled_posts,
        toll.resets,
        toll.slowest.as_secs_f64()
    )
}

/// One row for each fault: failed GET, lost POST, doubled POST of each proxy.
fn table(columns: &[(Kind, Vec<Toll>)]) -> String {
    let mut text = format!("{:28}", "failed GET/lost/doubled POST");
    for (kind, _) in columns {
        let _ = write!(text, "{:>18}", kind.to_string());
    }
    text.push('\n');
    for (row, fault) in FAULTS.iter().enumerate() {
        let _ = write!(text, "{:28}", fault.to_string());
        for (_, tolls) in columns {
            let _ = write!(text, "{:>18}", cell(std::slice::from_ref(&tolls[row])));
        }
        text.push('\n');
    }
    let _ = write!(text, "{:28}", "in all");
    for (_, tolls) in columns {
        let _ = write!(text, "{:>18}", cell(tolls));
    }
    text.push('\n');
    let _ = write!(text, "{:28}", "of requests");
    for (_, tolls) in columns {
        let _ = write!(text, "{:>18}", tolls.iter().map(|toll| toll.gets + toll.posts).sum::<u64>());
    }
    text.push('\n');
    text
}

fn cell(tolls: &[Toll]) -> String {
    let sum = |part: fn(&Toll) -> u64| tolls.iter().map(part).sum::<u64>();
    format!("{} / {} / {}", sum(|toll| toll.failed_gets), sum(|toll| toll.lost_posts), sum(|toll| toll.doubled_posts))
}

/// In this order.
const FAULTS: [Fault; 11] = [
    Fault::Kill,
    Fault::Freeze,
    Fault::ResetConnections,
    Fault::ResetRequests,
    Fault::ResetAnswers,
    Fault::Slow,
    Fault::Errors,
    Fault::IdleCloses,
    Fault::Restarts,
    Fault::Reloads,
    Fault::Termination,
];

/// How long anything may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);
