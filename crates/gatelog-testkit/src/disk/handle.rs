//! Open files, locks and stalls: what is given back when it is dropped.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gatelog_journal::filesystem::Handle;

use super::Shared;
use super::fault::Op;
use super::names::FileId;

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) shared: Arc<Shared>,
    pub(crate) file: FileId,
    /// By which it was opened.
    pub(crate) path: PathBuf,
}

impl Handle for OpenFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.shared.state();
        state.read(self.file, &self.path, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.shared.state();
        state.write(self.file, &self.path, bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.shared.state().length(self.file)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.shared.state().set_length(self.file, &self.path, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.shared.not_stalled();
        state.sync(self.file, &self.path, Op::SyncData)
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.shared.not_stalled();
        state.sync(self.file, &self.path, Op::SyncAll)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.shared.state().close(self.file);
    }
}

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct HeldLock {
    pub(crate) shared: Arc<Shared>,
    pub(crate) path: PathBuf,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.shared.state().locks.remove(&self.path);
    }
}

/// No sync returns while this lives.
#[derive(Debug)]
#[must_use = "the disk goes on when this is dropped"]
pub struct Stall(pub(crate) Arc<Shared>);

impl Drop for Stall {
    fn drop(&mut self) {
        self.0.state().is_stalled = false;
        self.0.goes_on.notify_all();
    }
}
