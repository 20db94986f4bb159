//! What the system tells of a process.

use std::fs;

/// Seconds of processor time that a process has used.
///
/// # Errors
/// When it is gone.
pub(super) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15 of proc(5), counted behind the name in brackets: user and system time in
    // hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}

/// The peak of its resident memory so far, in MiB.
///
/// # Errors
/// When it is gone.
pub(super) fn peak_rss_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmHWM:")
}

/// Its resident memory now, in MiB.
///
/// # Errors
/// When it is gone.
pub(super) fn rss_mib(pid: u32) -> anyhow::Result<f64> {
    memory_mib(pid, "VmRSS:")
}

fn memory_mib(pid: u32, key: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status.lines().find_map(|line| line.strip_prefix(key));
    let kib: f64 = found
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    Ok(kib / 1024.0)
}
