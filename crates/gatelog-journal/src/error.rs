//! Why the journal did not do what it was asked.

use std::io;
use std::path::PathBuf;

use crate::Position;

/// The result of the journal.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The segments have reached [`max_bytes`](crate::Config::max_bytes). The sender tries again
    /// when readers have passed some; the operator looks at the reader that lags.
    #[error("the journal is full: {used_bytes} of {max_bytes} bytes wait for their readers")]
    Full {
        /// Bytes in use.
        used_bytes: u64,
        /// The cap.
        max_bytes: u64,
    },
    /// The disk has less free than [`reserve_bytes`](crate::Config::reserve_bytes), which are for
    /// the stores. The sender tries again later; the operator makes room.
    #[error("the disk is full: {free_bytes} bytes are free, {reserve_bytes} are kept for stores")]
    DiskFull {
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that have to be.
        reserve_bytes: u64,
    },
    /// More waits for the disk than [`max_waiting_bytes`](crate::Config::max_waiting_bytes). The
    /// sender tries again in a moment.
    #[error("the disk is slower than the senders: {waiting_bytes} bytes wait to be written")]
    Overloaded {
        /// Bytes that wait.
        waiting_bytes: usize,
    },
    /// The journal is being closed. The sender tries again, elsewhere or later.
    #[error("the journal is closed")]
    Closed,
    /// A write or sync failed, and nothing is taken until a fresh segment could be begun, which is
    /// tried again and again. The sender tries again later; the operator looks at the disk.
    #[error("the journal takes nothing since a write failed: {reason}")]
    Poisoned {
        /// What failed.
        reason: String,
    },
    /// The frame is empty or larger than 256 MiB: a mistake of the caller.
    #[error("a frame of {length} bytes cannot be appended (1 byte to 256 MiB)")]
    FrameSize {
        /// Its length.
        length: usize,
    },
    /// Another process holds the directory. Stop it, or use another directory.
    #[error("{path} is in use by another process")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A later program has written here. The operator starts that one, or lets it drain the journal
    /// and gives this one an empty directory.
    #[error("{path} has format version {found}; this program reads version {reads}")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads.
        reads: u32,
    },
    /// A reader asked for a position that is none of this journal: the journal was restored from an
    /// old copy, or has lost its end. What was stored behind the reader's
    /// [released](crate::ReaderHandle::released) position is not what the journal holds there.
    #[error("position {asked} is none of this journal, which ends at {end}")]
    ForeignPosition {
        /// What was asked for.
        asked: Position,
        /// Where the journal ends.
        end: Position,
    },
    /// The operating system refused; the operator looks at the file, its rights and the disk.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: what was tried, on which file.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// The error and what caused it, in one line.
    pub(crate) fn chain(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}
