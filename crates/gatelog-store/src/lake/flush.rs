//! The flush thread: the only one that writes files and the catalogue.
//!
//! **Shape.** It takes [`Command`]s one after the other, so a flush and an opening never overlap:
//! an opening answers the position behind a flush that was under way.
//!
//! **Failure.** When rows cannot be stored, they stay visible and nothing more is taken until the
//! lake is opened again. Opening reads everything anew from the catalogue, so a commit whose answer
//! was lost is recognised, and forgets the rows in memory: the journal has them. The files
//! themselves are looked at by the first opening of the process, and by the one after a failed flush.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::catalogue::Catalogue;
use super::failure::Failure;
use super::file::{self, StoredFile};
use super::leftover;
use super::memory::{Memory, Sealed};
use super::partition;
use super::state::{Phase, Shared};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Make the lake ready for this journal, and answer its position, after that was put back.
    Open {
        journal: String,
        rewound: Option<u64>,
        answer: oneshot::Sender<Result<Option<u64>, Failure>>,
    },
    /// Store the sealed rows.
    Store(Arc<Sealed>),
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Flusher {
    pub(super) root: PathBuf,
    pub(super) catalogue: Catalogue,
    pub(super) shared: Arc<Shared>,
    /// Greater than the number of any file, also of those deleted.
    pub(super) next_id: i64,
    /// Files and catalogue are known to agree.
    pub(super) checked: bool,
}

impl Flusher {
    /// Works until the other end of `commands` is gone.
    pub(super) fn run(mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Open {
                    journal,
                    rewound,
                    answer,
                } => {
                    let position = guard(|| self.open(&journal, rewound));
                    if let Err(failure) = &position {
                        self.shared.lock().phase = Phase::Failed(failure.clone());
                    }
                    if answer.send(position).is_err() {
                        tracing::debug!("nobody waits for the opening any more");
                    }
                }
                Command::Store(sealed) => self.store(&sealed),
            }
        }
    }

    fn open(&mut self, journal: &str, rewound: Option<u64>) -> Result<Option<u64>, Failure> {
        let files = self.catalogue.files()?;
        if !self.checked {
            self.check(&files)?;
            self.checked = true;
        }
        if let Some(position) = rewound {
            self.catalogue.commit(&[], journal, position)?;
        }
        let position = self.catalogue.position(journal)?;
        self.shared
            .committed
            .store(position.unwrap_or(0), Ordering::Release);
        self.shared
            .taken
            .store(position.unwrap_or(0), Ordering::Release);
        let mut state = self.shared.lock();
        let forgotten = std::mem::replace(&mut state.memory, Memory::new());
        let sealed = state.sealed.take();
        state.files = Arc::new(files.into_iter().map(Arc::new).collect());
        state.phase = Phase::Open {
            journal: journal.to_owned(),
        };
        drop(state);
        // Giving their memory back takes a while, and needs no lock.
        drop((forgotten, sealed));
        Ok(position)
    }

    /// Makes files and catalogue agree, or tells why they cannot.
    fn check(&mut self, files: &[StoredFile]) -> Result<(), Failure> {
        leftover::verify(&self.root, files)?;
        let greatest = leftover::remove(&self.root, files, self.catalogue.has_begun()?)?;
        self.next_id = self.next_id.max(greatest + 1);
        // Before the first file, so that a catalogue without this note has none.
        self.catalogue.begin()
    }

    fn store(&mut self, sealed: &Arc<Sealed>) {
        let current = self.shared.lock().sealed.clone();
        // An opening since then has forgotten these rows.
        if !current.is_some_and(|current| Arc::ptr_eq(&current, sealed)) {
            return;
        }
        let stored = guard(|| self.write_and_commit(sealed));
        let mut state = self.shared.lock();
        match stored {
            Ok(new) => {
                let files = state.files.iter().cloned();
                state.files = Arc::new(files.chain(new.into_iter().map(Arc::new)).collect());
                state.sealed = None;
                self.shared.committed.store(sealed.end, Ordering::Release);
            }
            Err(failure) => {
                self.checked = false;
                tracing::warn!(?failure, "the lake could not store rows");
                state.phase = Phase::Failed(failure);
            }
        }
        drop(state);
        self.shared.changed.send_replace(());
    }

    fn write_and_commit(&mut self, sealed: &Sealed) -> Result<Vec<StoredFile>, Failure> {
        let mut files = Vec::new();
        for partition in partition::split(&sealed.batches) {
            let id = self.next_id;
            self.next_id += 1;
            files.push(file::write(&self.root, id, &sealed.batches, &partition)?);
            gatelog_failpoint::pass("lake.file_written");
        }
        gatelog_failpoint::pass("lake.before_commit");
        self.catalogue.commit(&files, &sealed.journal, sealed.end)?;
        gatelog_failpoint::pass("lake.committed");
        Ok(files)
    }
}

/// Makes a panic a failure like any other: a thread that is gone would hold the writer for ever.
fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure::unavailable("storing rows panicked, see stderr")))
}
