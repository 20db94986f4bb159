//! Errors that a test asks for.

use std::io;
use std::path::Path;

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Opening a file that is there; also the lock.
    Open,
    /// Opening a file that is not there, and so making it.
    Create,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Cutting or extending.
    SetLength,
    /// `fdatasync`.
    SyncData,
    /// `fsync`.
    SyncAll,
    /// Giving another name.
    Rename,
    /// Removing.
    Remove,
    /// Syncing a directory.
    SyncDir,
    /// Listing a directory.
    List,
}

impl Op {
    /// Whether it changes what is on the disk, or what is sure to be.
    pub(crate) fn is_change(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List)
    }
}

/// What the disk answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
    /// `EMFILE`.
    TooManyFiles,
    /// `EACCES`.
    Denied,
    /// `EROFS`.
    ReadOnly,
    /// Of a write, a part is written, then it answers `EIO`; of another operation as [`Self::Io`].
    Torn,
}

impl Failure {
    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Io | Self::Torn => 5,
            Self::NoSpace => 28,
            Self::TooManyFiles => 24,
            Self::Denied => 13,
            Self::ReadOnly => 30,
        })
    }
}

/// An error to come: the first time the operation is asked for, and only then, unless
/// [`after`](Self::after) and [`times`](Self::times) say otherwise.
#[derive(Clone, Debug)]
pub struct Fault {
    op: Op,
    failure: Failure,
    part: String,
    after: u64,
    times: u64,
}

impl Fault {
    /// This failure of this operation, on any path.
    pub fn new(op: Op, failure: Failure) -> Self {
        Self {
            op,
            failure,
            part: String::new(),
            after: 0,
            times: 1,
        }
    }

    /// Only on paths with this in them: those by which files were opened, whatever they are called now.
    pub fn on(mut self, part: &str) -> Self {
        part.clone_into(&mut self.part);
        self
    }

    /// Lets this many pass before.
    pub fn after(mut self, passes: u64) -> Self {
        self.after = passes;
        self
    }

    /// Fails so many times.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Fails until the disk is [healed](super::SimulatedDisk::heal).
    pub fn for_ever(self) -> Self {
        self.times(u64::MAX)
    }

    /// The failure, if it is due.
    pub(crate) fn due(&mut self, op: Op, path: &Path) -> Option<Failure> {
        let is_meant = op == self.op && path.to_string_lossy().contains(&self.part);
        if !is_meant || self.times == 0 {
            return None;
        }
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.failure)
    }
}
