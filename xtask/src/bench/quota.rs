//! A process with a share of the processors and of the memory, as a container has it.

use std::fs;
use std::path::{Path, PathBuf};

/// A control group with one process in it; removed when dropped, which it can be when the process has
/// ended.
#[derive(Debug)]
pub(super) struct Quota {
    dirs: Vec<PathBuf>,
}

impl Quota {
    /// Puts a process into a group with so many hundredths of a processor and so many MiB. Version 1 or 2
    /// of control groups, whichever the system has.
    ///
    /// # Errors
    /// When the system does not permit it.
    pub(super) fn put(pid: u32, cpu_percent: u64, mib: u64) -> anyhow::Result<Self> {
        let name = format!("gatelog-bench-{pid}");
        let root = Path::new("/sys/fs/cgroup");
        let period_us = 100_000;
        let quota_us = (period_us * cpu_percent / 100).to_string();
        let bytes = (mib << 20).to_string();
        let settings = if root.join("cgroup.controllers").exists() {
            let max = format!("{quota_us} {period_us}");
            vec![(
                root.join(name),
                vec![("cpu.max", max), ("memory.max", bytes)],
            )]
        } else {
            vec![
                (
                    root.join("cpu").join(&name),
                    vec![("cpu.cfs_quota_us", quota_us)],
                ),
                (
                    root.join("memory").join(&name),
                    vec![("memory.limit_in_bytes", bytes)],
                ),
            ]
        };
        let mut group = Self { dirs: Vec::new() };
        for (dir, values) in settings {
            fs::create_dir(&dir)?;
            group.dirs.push(dir.clone());
            for (key, value) in values {
                fs::write(dir.join(key), value)?;
            }
            fs::write(dir.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        for dir in &self.dirs {
            // It stays when the process is still there.
            let _removed = fs::remove_dir(dir).is_ok();
        }
    }
}
