//! A disk that refuses what it is told to refuse, and counts what it is asked.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use gatelog_journal::filesystem::{Disk, Filesystem, Handle, Mode};

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Open,
    Rename,
    Remove,
    SyncDir,
    Read,
    Write,
    SetLength,
    Sync,
}

/// The disk. Clones are of the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    refused: Vec<(Ask, &'static str, i32)>,
    /// Bytes of a file that cannot be read.
    unreadable: Vec<(String, Range<u64>)>,
    /// What it was asked, and for which file.
    asked: Vec<(Ask, String)>,
    free_bytes: Option<u64>,
    /// Syncs of data wait, and how many do.
    held: bool,
    waiting: usize,
}

pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

impl Faulty {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// From now on this is refused for files whose name contains `part`.
    pub(crate) fn refuse(&self, ask: Ask, part: &'static str, errno: i32) {
        self.state().refused.push((ask, part, errno));
    }

    /// From now on these bytes of the file of this name cannot be read.
    pub(crate) fn make_unreadable(&self, name: &str, bytes: Range<u64>) {
        self.state().unreadable.push((name.to_owned(), bytes));
    }

    /// Nothing is refused any more.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.refused.clear();
        state.unreadable.clear();
    }

    /// How often it was asked this for files whose name contains `part`.
    pub(crate) fn count(&self, ask: Ask, part: &str) -> usize {
        let state = self.state();
        let asked = state.asked.iter();
        asked
            .filter(|(asked, name)| *asked == ask && name.contains(part))
            .count()
    }

    /// What it says is free; `None` for the truth.
    pub(crate) fn set_free_bytes(&self, bytes: Option<u64>) {
        self.state().free_bytes = bytes;
    }

    /// Whether syncs of data wait.
    pub(crate) fn hold_syncs(&self, held: bool) {
        self.state().held = held;
        self.0.changed.notify_all();
    }

    /// Waits until a sync waits.
    pub(crate) fn await_held_sync(&self) {
        let state = self.state();
        drop(
            self.0
                .changed
                .wait_while(state, |state| state.waiting == 0)
                .unwrap(),
        );
    }

    fn ask(&self, ask: Ask, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        state.asked.push((ask, name.to_string()));
        let refused = state
            .refused
            .iter()
            .find(|(refused, part, _)| *refused == ask && name.contains(part));
        match refused {
            Some((_, _, errno)) => Err(io::Error::from_raw_os_error(*errno)),
            None => Ok(()),
        }
    }
}

impl Faulty {
    fn ask_to_read(&self, path: &Path, bytes: Range<u64>) -> io::Result<()> {
        self.ask(Ask::Read, path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let overlaps = |(of, spoilt): &(String, Range<u64>)| {
            *of == name && spoilt.start < bytes.end && bytes.start < spoilt.end
        };
        if self.state().unreadable.iter().any(overlaps) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }
}

impl Filesystem for Faulty {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        Disk.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        Disk.lock(path)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn Handle>> {
        self.ask(Ask::Open, path)?;
        let file = FaultyFile {
            disk: self.clone(),
            path: path.to_owned(),
            file: Disk.open(path, mode)?,
        };
        Ok(Box::new(file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Ask::Rename, to)?;
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Ask::Remove, path)?;
        Disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.ask(Ask::SyncDir, dir)?;
        Disk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let told = self.state().free_bytes;
        told.map_or_else(|| Disk.free_bytes(dir), Ok)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: Faulty,
    path: PathBuf,
    file: Box<dyn Handle>,
}

impl FaultyFile {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.held {
            state.waiting += 1;
            self.disk.0.changed.notify_all();
            state = self
                .disk
                .0
                .changed
                .wait_while(state, |state| state.held)
                .unwrap();
            state.waiting -= 1;
        }
        drop(state);
        self.disk.ask(Ask::Sync, &self.path)
    }
}

impl Handle for FaultyFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        self.disk.ask_to_read(&self.path, offset..end)?;
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.ask(Ask::Write, &self.path)?;
        self.file.write_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.disk.ask(Ask::SetLength, &self.path)?;
        self.file.set_length(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()?;
        self.file.sync_all()
    }
}
