//! What a process and its children use, from /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// What has been used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time, user and system, of all threads of the process and its children.
    pub cpu: Duration,
    /// Time that the machine's cores were idle, summed.
    pub idle: Duration,
    /// Bytes of memory at this moment; what processes share is divided among them.
    pub memory: u64,
}

/// What process `pid` and its descendants use.
///
/// # Errors
/// When the process is gone.
pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let stats = stats();
    anyhow::ensure!(stats.contains_key(&pid), "process {pid} has ended");
    let family: Vec<_> = stats.keys().copied().filter(|other| descends(*other, pid, &stats)).collect();
    let ticks = family.iter().filter_map(|member| stats.get(member)).map(|stat| stat.ticks).sum();
    let memory = family.iter().filter_map(|member| proportional_memory(*member)).sum();
    Ok(Usage { cpu: duration(ticks), idle: idle()?, memory })
}

struct Stat {
    parent: u32,
    ticks: u64,
}

/// Every process that can be read.
fn stats() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The fields behind the name, which is in brackets and may hold anything: state, parent, ..., utime (12th), stime.
fn stat(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

fn descends(pid: u32, ancestor: u32, stats: &HashMap<u32, Stat>) -> bool {
    let parents = std::iter::successors(Some(pid), |pid| stats.get(pid).map(|stat| stat.parent).filter(|it| *it > 0));
    parents.take(100).any(|pid| pid == ancestor)
}

fn proportional_memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix("kB")?;
    Some(kibibytes.trim().parse::<u64>().ok()? * 1024)
}

fn idle() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks = text.lines().next().and_then(|line| line.split_whitespace().nth(4)?.parse().ok());
    Ok(duration(ticks.context("/proc/stat has no idle time")?))
}

/// Linux counts in hundredths of a second towards user space, whatever its own clock.
fn duration(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}
