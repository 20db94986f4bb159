//! The directory of the dead letters, and how much of it is taken.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long after a count of the files what an operator has removed may go unnoticed.
pub(super) const RECOUNT: Duration = Duration::from_secs(5);

/// A directory with a cap.
#[derive(Debug)]
pub(super) struct Room {
    dir: PathBuf,
    max_bytes: u64,
    recount: Duration,
    used: Mutex<Used>,
    /// The bytes, as they were when they were last asked for.
    shown_bytes: AtomicU64,
}

/// How much is taken. Whoever holds it may write.
#[derive(Debug)]
pub(super) struct Used {
    bytes: u64,
    counted: Instant,
}

impl Room {
    pub(super) fn open(dir: PathBuf, max_bytes: u64) -> io::Result<Self> {
        let used = Used {
            bytes: count(&dir)?,
            counted: Instant::now(),
        };
        Ok(Self {
            dir,
            max_bytes,
            recount: RECOUNT,
            shown_bytes: AtomicU64::new(used.bytes),
            used: Mutex::new(used),
        })
    }

    #[cfg(test)]
    pub(super) fn with_recount(self, recount: Duration) -> Self {
        Self { recount, ..self }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn used_bytes(&self) -> u64 {
        // Not behind a disk that does not answer: then the number is that of before.
        let used = match self.used.try_lock() {
            Ok(used) => used,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.shown_bytes.load(Ordering::Relaxed),
        };
        self.shown_bytes.store(used.bytes, Ordering::Relaxed);
        used.bytes
    }

    /// One writer at a time: two of them must not both take the last room.
    pub(super) fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for so many bytes more. The files are counted again before the answer
    /// is no, unless that was a moment ago.
    pub(super) fn fits(&self, used: &mut Used, bytes: usize) -> io::Result<bool> {
        let bytes = bytes as u64;
        if used.bytes.saturating_add(bytes) > self.max_bytes
            && used.counted.elapsed() >= self.recount
        {
            used.bytes = count(&self.dir)?;
            used.counted = Instant::now();
        }
        Ok(used.bytes.saturating_add(bytes) <= self.max_bytes)
    }

    /// Makes what was created, renamed or removed in the directory last.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

impl Used {
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn subtract(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn count(dir: &Path) -> io::Result<u64> {
    fs::read_dir(dir)?
        .map(|entry| Ok(entry?.metadata()?.len()))
        .sum()
}
