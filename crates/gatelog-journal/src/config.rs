//! How a journal is set up.

use std::time::Duration;

/// The settings of a [`Journal`](crate::Journal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of all segment files together; beyond it appends are refused. Default 10 GiB.
    pub max_bytes: u64,
    /// Bytes that have to be free on the disk; with less, appends are refused, so that stores have
    /// room to take what waits. Default 256 MiB; 0 takes what there is.
    pub reserve_bytes: u64,
    /// Bytes after which a segment is sealed, a quarter of `max_bytes` at the most. Default 64 MiB.
    /// Recovery reads at most one segment, and the disk is given back in pieces of this size.
    pub segment_bytes: u64,
    /// Bytes that may wait for the disk; beyond it appends are refused. Default 64 MiB.
    pub max_waiting_bytes: usize,
    /// How long a reader tries to read a place, while the file around it can be read, before that
    /// counts as damage. Default 1 min.
    pub unreadable_patience: Duration,
    /// What an acknowledgement waits for.
    pub sync: Sync,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_bytes: 10 << 30,
            reserve_bytes: 256 << 20,
            segment_bytes: 64 << 20,
            max_waiting_bytes: 64 << 20,
            unreadable_patience: Duration::from_mins(1),
            sync: Sync::Fsync,
        }
    }
}

/// What an acknowledgement waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// `fdatasync` has returned: the frame survives a power failure.
    Fsync,
    /// The kernel has the frame: it survives the end of the process, not that of the machine.
    /// Unsafe for records that must not be lost.
    None,
}
