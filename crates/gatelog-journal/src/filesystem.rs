//! What the journal asks of a file system, so that tests can give it one that fails and forgets.
//!
//! **Shape.** [`Filesystem`] opens, lists, renames and removes; [`Handle`] reads, writes and syncs
//! one file. [`Disk`] is the operating system's.
//!
//! **What survives a power failure**, as POSIX and Linux promise it and as the journal relies on it:
//! bytes written to a file once its [`sync_data`](Handle::sync_data) or
//! [`sync_all`](Handle::sync_all) has returned; a name made, changed or removed in a directory once
//! [`sync_dir`](Filesystem::sync_dir) has returned. Of anything else any part may be lost, in any
//! order, or be torn. After a failed sync it is not known what was written.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file system.
#[expect(clippy::missing_errors_doc, reason = "said once, at the first")]
pub trait Filesystem: Debug + Send + Sync {
    /// Makes the directory and those above it, if they are not there.
    ///
    /// # Errors
    /// The system's; so for all that follow.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that is this file, made if it is not there, for as long as what is answered
    /// lives.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;

    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn Handle>>;

    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives a file another name, in the place of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that can still be written below this directory.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file.
#[expect(clippy::missing_errors_doc, reason = "said once, at the first")]
pub trait Handle: Debug + Send + Sync {
    /// Fills `bytes` from this offset.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; the system's, so for all that
    /// follow.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at this offset. After an error any part of them may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// How many bytes the file has.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Makes durable what was written, and the length.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`sync_data`](Self::sync_data), with all that the file system keeps about the file.
    fn sync_all(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To be read; it has to be there.
    Read,
    /// To be read and written; it has to be there.
    Write,
    /// To be read and written; made if it is not there.
    Create,
    /// To be read and written; it must not be there.
    CreateNew,
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Filesystem for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let file = open(path, Mode::Create)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(open(path, mode)?))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn open(path: &Path, mode: Mode) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(mode != Mode::Read)
        .create(mode == Mode::Create)
        .create_new(mode == Mode::CreateNew)
        .truncate(false)
        .open(path)
}

impl Handle for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}
