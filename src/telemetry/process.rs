//! The process itself, read from `/proc`; where there is none, these metrics are left out.

use std::fs;

use prometheus::proto::MetricFamily;

use super::family::Family;
use super::names::{PROCESS_CPU, PROCESS_FDS, PROCESS_MAX_FDS, PROCESS_MEMORY};

/// What can be read now.
pub(super) fn families() -> Vec<MetricFamily> {
    let values = [
        (PROCESS_CPU, cpu_seconds()),
        (PROCESS_MEMORY, resident_bytes()),
        (PROCESS_FDS, open_fds()),
        (PROCESS_MAX_FDS, max_fds()),
    ];
    values.into_iter().filter_map(|(metric, value)| Some(Family::single(metric, value?))).collect()
}

/// User and system time: the 14th and 15th word of `stat`, of which the second may hold spaces but ends with `)`.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace().skip(11);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kibibytes * 1024) as f64)
}

/// The folder holds one entry for each; the one that reads it is among them.
fn open_fds() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `USER_HZ`: Linux tells user space 100 on every machine that weir is built for, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;
