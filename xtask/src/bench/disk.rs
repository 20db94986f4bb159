//! What the disk can do in the same run: append and fdatasync, nothing else.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::quantile;

/// Times of appends of one size, each followed by fdatasync.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncTimes {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Bytes written and synced in a second.
    pub(super) mib_per_second: f64,
}

/// Appends `count` blocks of `bytes` to a new file, each synced.
pub(super) fn sync_times(dir: &Path, bytes: usize, count: usize) -> anyhow::Result<SyncTimes> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let block = vec![7u8; bytes];
    let mut times = Vec::new();
    let begun = Instant::now();
    for _ in 0..count {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64() * 1000.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let mib = (bytes * count) as f64 / f64::from(1 << 20);
    let mib_per_second = mib / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(SyncTimes {
        p50_ms: quantile(&mut times, 0.5),
        p99_ms: quantile(&mut times, 0.99),
        mib_per_second,
    })
}
