//! A change of weight under full load: whether anything of it can be seen from outside.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::backend::Backends;
use crate::configs;
use crate::job::{Dialler, Front, Job, Pem};
use crate::load::{self, Latencies, Load, Pace};
use crate::program;
use crate::proxies::Proxy;

/// Changes weir's weight under load every `lasts`, and prints what the clients saw of it.
///
/// # Errors
/// When weir does not start, or refuses the change.
pub fn show(folder: &Path, pem: &Pem, connections: u32, lasts: Duration) -> anyhow::Result<()> {
    let backends = Backends::start(128, 2)?;
    let [stable, canary] = backends.pair();
    let proxy = Proxy::weir(folder, |address| configs::weir(address, Front::Plain, [stable, canary]))?;
    let dialler = Dialler::new(proxy.address, Job::Plain, pem)?;
    let whole = lasts * (WEIGHTS.len() as u32 + 1);
    let asking = std::thread::spawn(move || load::run(&dialler, connections, Pace::Saturate, whole));
    for weight in WEIGHTS {
        std::thread::sleep(lasts);
        let mut command = Command::new(program::weir());
        let asked = command.args(["set-weight", "compare", weight, "--state-dir"]).arg(proxy.state_dir()).output()?;
        ensure!(asked.status.success(), "set-weight: {}", String::from_utf8_lossy(&asked.stderr));
    }
    let load = asking.join().ok().context("the clients panicked")??;
    let changes: Vec<Duration> = (1..=WEIGHTS.len() as u32).map(|number| lasts * number).collect();
    print!("{}", seen(&load, &changes, whole));
    Ok(())
}

/// The time after each change, beside all other time.
fn seen(load: &Load, changes: &[Duration], whole: Duration) -> String {
    let is_near = |at: Duration| changes.iter().any(|change| (*change..*change + NEAR).contains(&at));
    let per_window = |near: bool| {
        // Without the first and the last, which are not whole.
        let windows = (1..(whole.as_millis() / WINDOW.as_millis()) as u32 - 1).map(|number| WINDOW * number);
        let counts = windows
            .filter(|from| is_near(*from) == near)
            .map(|from| load.answers.iter().filter(|(at, _)| (from..from + WINDOW).contains(at)).count() as u32);
        let mut counts: Vec<_> = counts.collect();
        counts.sort_unstable();
        (counts.first().copied().unwrap_or(0), counts.get(counts.len() / 2).copied().unwrap_or(0))
    };
    let row = |name: &str, near: bool| {
        let of = load.answers.iter().filter(|(at, _)| is_near(*at) == near).map(|(_, took)| *took).collect();
        let Latencies { p50, p99, p999 } = Latencies::of(of);
        let (least, median) = per_window(near);
        let [p50, p99, p999] = [p50, p99, p999].map(|time| time.as_micros());
        format!("{name:24}{median:>10}{least:>10}{p50:>10}{p99:>10}{p999:>10}\n")
    };
    format!(
        "{:24}{:>10}{:>10}{:>10}{:>10}{:>10}\n{}{}{} requests failed\n",
        "answers in 100 ms",
        "median",
        "least",
        "p50 us",
        "p99 us",
        "p99.9 us",
        row("within 1 s of a change", true),
        row("at other times", false),
        load.failed
    )
}

/// From 10%.
const WEIGHTS: [&str; 4] = ["50%", "1%", "100%", "10%"];

/// How long after a change something of it might be seen; the command itself takes some of it.
const NEAR: Duration = Duration::from_secs(1);

const WINDOW: Duration = Duration::from_millis(100);
