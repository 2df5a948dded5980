//! weir alone for a long time, with reloads, changes of weight, connections that come and go, and faults: what it holds must not grow.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::load::Load;
use crate::matrix::{Cast, Proxy};
use crate::proxies::{Kind, Running};
use crate::upstream::Behaviour;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Resident memory in KiB.
    memory: u64,
    /// Open file descriptors.
    files: u64,
    /// Threads.
    threads: u64,
}

/// Runs for `time`; an error when weir grew, or lost a request.
pub fn run(time: Duration) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no folder for configurations")?;
    let mut cast = Cast::start(crate::program);
    let mut proxy = Running::start(Kind::Weir, folder.path(), cast.addresses())?;
    crate::runtime()?.block_on(async {
        let (begun, mut seen, mut failed, mut requests) = (Instant::now(), Vec::new(), 0, 0);
        println!(
            "{:>8} {:>12} {:>6} {:>8} {:>10} {:>7}",
            "seconds", "memory KiB", "files", "threads", "requests", "failed"
        );
        while begun.elapsed() < time || seen.len() < LEAST {
            // New clients each time: connections come and go.
            let load = Load::start(proxy.address, 16, 8);
            let round = u32::try_from(seen.len()).unwrap_or_default();
            trouble(&mut cast, &mut proxy, round).await;
            let done = load.stop().await;
            requests += done.len();
            for request in done.iter().filter(|request| !request.is_good() && !request.is_post) {
                println!("GET {} failed: {:?}", request.id, request.result);
                failed += 1;
            }
            tokio::time::sleep(REST).await;
            ensure!(proxy.is_alive(), "weir has ended");
            let held = held(proxy.pid())?;
            let seconds = begun.elapsed().as_secs();
            println!(
                "{seconds:>8} {:>12} {:>6} {:>8} {requests:>10} {failed:>7}",
                held.memory, held.files, held.threads
            );
            seen.push(held);
        }
        judge(&seen, failed)
    })
}

/// One kind of trouble after the other.
async fn trouble(cast: &mut Cast, proxy: &mut Running, round: u32) {
    let behaviours = [
        Behaviour::Hasty,
        Behaviour::Failing,
        Behaviour::ResettingRequests,
        Behaviour::ResettingAnswers,
        Behaviour::ResettingConnections,
        Behaviour::Slow(500),
        Behaviour::Well,
    ];
    for (step, behaviour) in (0..).zip(behaviours) {
        proxy.set_weight(10 + step * 10);
        cast.order(0, behaviour);
        cast.order(2, behaviour);
        for part in 0..4 {
            proxy.reload(round * 100 + step * 4 + part);
            tokio::time::sleep(PART).await;
        }
        cast.order(0, Behaviour::Well);
        cast.order(2, Behaviour::Well);
        // One of two at a time: only then has every request somewhere to go.
        tokio::time::sleep(PART).await;
        cast.restart(1).await;
    }
}

/// Compares the last third with the second: the first is for caches to fill.
fn judge(seen: &[Held], failed: usize) -> anyhow::Result<()> {
    let third = seen.len() / 3;
    let most = |part: &[Held], of: fn(&Held) -> u64| part.iter().map(of).max().unwrap_or_default();
    let (middle, last) = (&seen[third..2 * third], &seen[2 * third..]);
    for (what, of, slack) in [
        ("KiB of memory", (|held| held.memory) as fn(&Held) -> u64, 8192),
        ("file descriptors", |held| held.files, 64),
        ("threads", |held| held.threads, 0),
    ] {
        let (before, after) = (most(middle, of), most(last, of));
        println!("{what}: at most {before} in the middle third, {after} in the last");
        ensure!(after <= before + before / 20 + slack, "weir grew from {before} to {after} {what}");
    }
    ensure!(failed == 0, "{failed} GET failed");
    Ok(())
}

fn held(pid: u32) -> anyhow::Result<Held> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("weir has ended")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let files = fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
    let memory = field("VmRSS:").context("Linux says it")?;
    Ok(Held { memory, files, threads: field("Threads:").context("Linux says it")? })
}

/// Looks at least, so that there is something to compare.
const LEAST: usize = 6;

/// Of one kind of trouble, four times.
const PART: Duration = Duration::from_millis(250);

/// For what is under way to end.
const REST: Duration = Duration::from_millis(500);
