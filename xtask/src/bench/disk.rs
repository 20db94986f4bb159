//! What the disk can do in the same run: append and fdatasync, nothing else.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::quantile;

/// Between two of the moments from which the time to the next sync is counted.
const EVERY_MOMENT: Duration = Duration::from_micros(100);

/// Times of appends of one size, each followed by fdatasync.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyncTimes {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// The same from a random moment until an append that begins after it is synced, as a record would
    /// wait. One sync in a thousand that takes 5 ms is nothing in `p99_ms`; of the moments it is more.
    pub(super) waited_p99_ms: f64,
    /// Bytes written and synced in a second.
    pub(super) mib_per_second: f64,
}

/// Appends `count` blocks of `bytes` to a new file, each synced.
pub(super) fn sync_times(dir: &Path, bytes: usize, count: usize) -> anyhow::Result<SyncTimes> {
    let mut left = count;
    append(dir, bytes, || {
        let more = left > 0;
        left = left.saturating_sub(1);
        more
    })
}

/// The same for as long as `work` takes, with a pause between two that leaves the processors to it.
pub(super) fn sync_times_beside<T>(
    dir: &Path,
    bytes: usize,
    pause: Duration,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(SyncTimes, T)> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            append(dir, bytes, || {
                std::thread::sleep(pause);
                !over.load(Ordering::Relaxed)
            })
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        let times = appending
            .join()
            .map_err(|_| anyhow!("the appends panicked"))??;
        Ok((times, done?))
    })
}

fn append(dir: &Path, bytes: usize, mut more: impl FnMut() -> bool) -> anyhow::Result<SyncTimes> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let block = vec![7u8; bytes];
    let mut times = Vec::new();
    let mut waits = Vec::new();
    let begun = Instant::now();
    let mut moment = begun;
    while more() {
        let before = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        let after = Instant::now();
        times.push((after - before).as_secs_f64() * 1000.0);
        while moment < before {
            waits.push((after - moment).as_secs_f64() * 1000.0);
            moment += EVERY_MOMENT;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let mib = (bytes * times.len()) as f64 / f64::from(1 << 20);
    let mib_per_second = mib / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(SyncTimes {
        p50_ms: quantile(&mut times, 0.5),
        p99_ms: quantile(&mut times, 0.99),
        waited_p99_ms: quantile(&mut waits, 0.99),
        mib_per_second,
    })
}
