//! How a machine or a process ends.

/// How it ends, and with it what is left on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: the kernel has everything, and keeps it.
    Process,
    /// The power fails when nothing was written back that nobody had synced.
    LoseUnsynced,
    /// The power fails: of everything that was not synced any part is there, writes torn at any
    /// byte or sector, lengths without their bytes, names or not.
    PowerFailure {
        /// Decides which part.
        seed: u64,
    },
}
