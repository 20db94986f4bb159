//! A disk in memory that fails, fills up and forgets as real ones do, the same way each time.
//!
//! **Shape.** [`SimulatedDisk`] is a [`Filesystem`] of one machine. It keeps what was synced apart
//! from what was only written; [`crash`](SimulatedDisk::crash) cuts the power and gives back the
//! disk as the next start finds it. [`Fault`]s make chosen operations fail. Everything that is left
//! to chance follows from a seed.
//!
//! **What it is strict about**, because real systems are, some of the time:
//! - Unsynced writes survive in any choice, torn at any byte or at sectors, or as a length without
//!   its bytes. So do unsynced names: a file that was itself synced is missing if its directory was
//!   not, a rename is seen old or new.
//! - After a failed sync the written bytes are still read back, and a later sync does not write
//!   them: they may be on the disk or not, until they are written again ("fsyncgate").
//! - A file that is removed takes its room until nobody has it open.
//!
//! **Limits.** Directories are there once something is in them; links there are none. A failed sync
//! of a directory can be repeated, as on file systems with a log of their own.

mod chance;
mod content;
mod crash;
mod fault;
mod handle;
mod history;
mod names;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use gatelog_journal::filesystem::{Filesystem, Handle, Mode};

pub use crash::Crash;
pub use fault::{Failure, Fault, Op};
pub use handle::Stall;
use handle::{HeldLock, OpenFile};
use state::State;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    goes_on: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state once no stall is in the way.
    fn not_stalled(&self) -> MutexGuard<'_, State> {
        let stalled = |state: &mut State| state.is_stalled && !state.is_off;
        self.goes_on
            .wait_while(self.state(), stalled)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedDisk {
    /// An empty disk without end. The seed decides what torn writes leave.
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(seed))
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            goes_on: Condvar::new(),
        }))
    }

    /// As a [`Filesystem`] to hand over.
    pub fn filesystem(&self) -> Arc<dyn Filesystem> {
        Arc::new(self.clone())
    }

    /// Cuts the power, or kills the process, and answers the disk as the next start finds it. This
    /// disk answers every later operation with an error; asked again, it answers what else could
    /// have been found.
    pub fn crash(&self, how: Crash) -> Self {
        let mut state = self.0.state();
        state.is_off = true;
        let after = state.after(how);
        drop(state);
        self.0.goes_on.notify_all();
        Self::of(after)
    }

    /// Lets the power fail by itself during the change with this number, counted as
    /// [`changes`](Self::changes) does: it is begun, not done, and answers an error.
    pub fn fail_power_at(&self, change: u64) {
        self.0.state().off_at = Some(change);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.0.state().is_off
    }

    /// Lets operations fail.
    pub fn fail(&self, fault: Fault) {
        self.0.state().faults.push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.0.state().faults.clear();
    }

    /// Lets no sync return until what this answers is dropped.
    pub fn stall(&self) -> Stall {
        self.0.state().is_stalled = true;
        Stall(Arc::clone(&self.0))
    }

    /// Sets how many bytes fit in all; beyond it writes answer `ENOSPC`.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.0.state().capacity_bytes = bytes;
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        let state = self.0.state();
        state.capacity_bytes.saturating_sub(state.free_bytes())
    }

    /// How often this was asked for since the start, failures included.
    pub fn count(&self, op: Op) -> u64 {
        self.0.state().counts.get(&op).copied().unwrap_or_default()
    }

    /// How many operations that change the disk or sync it were asked for since the start.
    pub fn changes(&self) -> u64 {
        self.0.state().changes
    }

    /// The last operations but reads, oldest first, for the message of a test that failed.
    pub fn last_operations(&self) -> Vec<String> {
        self.0.state().last.iter().cloned().collect()
    }

    /// Every file, with the bytes that are read from it.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.0.state().files()
    }

    /// Puts a file there, durable; in the place of one that is there.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.tamper(path, |content| bytes.clone_into(content));
    }

    /// Changes the bytes of a file as a broken disk or a curious hand does.
    pub fn tamper(&self, path: &Path, how: impl Fn(&mut Vec<u8>)) {
        self.0.state().tamper(path, how);
    }

    /// Flips a bit of a file, counted from the lowest of its first byte; beyond the end none.
    pub fn flip(&self, path: &Path, bit: usize) {
        self.tamper(path, |bytes| {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// Cuts a file to so many bytes.
    pub fn truncate(&self, path: &Path, bytes: usize) {
        self.tamper(path, |content| content.truncate(bytes));
    }

    /// Takes a file away.
    pub fn take_away(&self, path: &Path) {
        self.0.state().tamper_remove(path);
    }
}

impl Filesystem for SimulatedDisk {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        if self.is_off() {
            Err(state::off())
        } else {
            Ok(())
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        drop(self.open(path, Mode::Create)?);
        if !self.0.state().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(HeldLock {
            shared: Arc::clone(&self.0),
            path: path.to_owned(),
        }))
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn Handle>> {
        let mut state = self.0.state();
        if mode == Mode::CreateNew && state.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let make = matches!(mode, Mode::Create | Mode::CreateNew);
        let file = state.open(path, make)?;
        drop(state);
        Ok(Box::new(OpenFile {
            shared: Arc::clone(&self.0),
            file,
            path: path.to_owned(),
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.state().list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.state().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.state().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.not_stalled().sync_dir(dir)
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let state = self.0.state();
        if state.is_off {
            return Err(state::off());
        }
        Ok(state.free_bytes())
    }
}
