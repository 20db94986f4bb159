//! What the writer, the flush thread and the queries share.
//!
//! **Invariants.** A row is in exactly one of: memory, the sealed rows, the files. It moves under
//! the lock, so a query sees it exactly once. Nothing is read or written on disk under the lock.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use tokio::sync::watch;

use super::failure::Failure;
use super::file::StoredFile;
use super::memory::{Memory, Sealed};

/// The state, and the news that it changed.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told when sealed rows are stored, or could not be.
    pub(super) changed: watch::Sender<()>,
    /// The committed journal position.
    pub(super) committed: AtomicU64,
    /// The journal position behind the rows in memory.
    pub(super) taken: AtomicU64,
}

/// Where the rows are.
#[derive(Debug)]
pub(super) struct State {
    pub(super) files: Arc<Vec<Arc<StoredFile>>>,
    /// Rows that the flush thread is writing.
    pub(super) sealed: Option<Arc<Sealed>>,
    pub(super) memory: Memory,
    pub(super) phase: Phase,
}

/// Whether the lake can be written.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not opened yet, or being opened.
    Closed,
    /// Rows come from this journal.
    Open { journal: String },
    /// Rows could not be stored: the lake has to be opened again.
    Failed(Failure),
}

/// The rows as they are at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) files: Arc<Vec<Arc<StoredFile>>>,
    pub(super) batches: Vec<RecordBatch>,
}

impl Shared {
    /// A lake with these files, not opened.
    pub(super) fn new(files: Vec<StoredFile>) -> Self {
        Self {
            state: Mutex::new(State {
                files: Arc::new(files.into_iter().map(Arc::new).collect()),
                sealed: None,
                memory: Memory::new(),
                phase: Phase::Closed,
            }),
            changed: watch::Sender::new(()),
            committed: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// The state. A panic while it was held leaves rows that cannot be trusted to be complete, and
    /// a failure that the next opening clears.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            self.state.clear_poison();
            let mut state = PoisonError::into_inner(poisoned);
            state.memory = Memory::new();
            state.phase = Phase::Failed(Failure::unavailable("a write panicked"));
            state
        })
    }
}

impl State {
    /// All rows.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot, ArrowError> {
        let mut batches = self
            .sealed
            .as_ref()
            .map(|sealed| sealed.batches.clone())
            .unwrap_or_default();
        batches.extend(self.memory.batches()?);
        Ok(Snapshot {
            files: Arc::clone(&self.files),
            batches,
        })
    }
}

impl Snapshot {
    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        let stored: u64 = self.files.iter().map(|file| file.rows).sum();
        let in_memory: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        stored + in_memory as u64
    }
}
