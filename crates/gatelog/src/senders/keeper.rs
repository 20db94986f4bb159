//! The thread that keeps what is known of senders on disk, and tells of their losses.
//!
//! **Shape.** First it reads what the last checkpoint does not have (`restore`). A checkpoint is
//! written when [`EVERY_BYTES`] of journal have passed since the last one, when something has changed
//! and [`EVERY`] has passed, and at the end. Then the journal's reader `senders` is released up to it.
//!
//! **Failure.** Where a checkpoint cannot be written, the reader is released all the same: on a
//! full disk nothing could be deleted otherwise. The window of repetitions has a hole only if the
//! process crashes before the next checkpoint.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_journal::{Journal, Position, Reader};

use super::{Moment, Senders, checkpoint, restore};

/// Bytes of journal after which a checkpoint is due. A large one is due later: it is not to cost
/// more than a quarter of what the journal writes. In a small journal an eighth of its cap.
const EVERY_BYTES: u64 = 32 << 20;

/// The time after which one is due if anything has changed.
const EVERY: Duration = Duration::from_mins(1);

/// How often the thread looks.
const TICK: Duration = Duration::from_millis(200);

/// How often it looks for losses.
const LOSS_TICK: Duration = Duration::from_secs(5);

/// The running thread.
#[derive(Debug)]
pub struct Keeper {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Thread {
    data_dir: PathBuf,
    senders: Arc<Senders>,
    journal: Arc<Journal>,
    reader: Reader,
    max_every_bytes: u64,
    /// The last checkpoint, or the last attempt.
    last: Last,
    warned: Option<Instant>,
}

/// When and where a checkpoint was made.
struct Last {
    position: Position,
    at: Instant,
    /// How many bodies there had been.
    uses: u64,
    bytes: u64,
}

impl Keeper {
    /// Starts the thread, before anything is appended, with the position that
    /// [`restore`](super::restore) has told, the journal's reader [`READER`](super::READER) and the
    /// journal's cap in bytes. When it knows all that was sent before, it begins with a checkpoint.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        data_dir: PathBuf,
        senders: Arc<Senders>,
        journal: Arc<Journal>,
        mut reader: Reader,
        wanted: Position,
        journal_bytes: u64,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let end = journal.end();
        let thread = move || {
            restore::catch_up(&senders, &journal, &mut reader, wanted, end);
            let thread = Thread {
                data_dir,
                senders,
                journal,
                reader,
                max_every_bytes: journal_bytes / 8,
                last: Last {
                    position: Position::START,
                    at: Instant::now(),
                    uses: 0,
                    bytes: 0,
                },
                warned: None,
            };
            thread.run(&stopped);
        };
        let named = std::thread::Builder::new().name("senders".to_owned());
        let thread = named.spawn(thread)?;
        Ok(Self { stop, thread })
    }

    /// Writes a last checkpoint, and waits for it.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the senders ended in a panic");
        }
    }
}

impl Thread {
    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        self.checkpoint();
        let mut losses_at = Instant::now();
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            if self.is_due() {
                self.checkpoint();
            }
            if losses_at.elapsed() >= LOSS_TICK {
                losses_at = Instant::now();
                self.senders.log_losses(&self.journal, Moment::now());
            }
        }
        self.checkpoint();
    }

    fn is_due(&self) -> bool {
        let passed_bytes = self.journal.end().since(self.last.position);
        let every_bytes = EVERY_BYTES
            .max(self.last.bytes.saturating_mul(4))
            .min(self.max_every_bytes);
        let changed = passed_bytes > 0 || self.senders.uses() != self.last.uses;
        passed_bytes >= every_bytes || changed && self.last.at.elapsed() >= EVERY
    }

    fn checkpoint(&mut self) {
        // Before the streams are looked at: what becomes durable from now on is read again.
        let position = self.journal.end();
        let uses = self.senders.uses();
        let written = checkpoint::write(&self.data_dir, &self.senders, &self.journal, position);
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(error) => {
                if self.warned.is_none_or(|at| at.elapsed() >= EVERY) {
                    self.warned = Some(Instant::now());
                    tracing::warn!(
                        %error,
                        "the checkpoint of the senders cannot be written: after a crash repeated \
                         records may be stored twice"
                    );
                }
                self.last.bytes
            }
        };
        self.last = Last {
            position,
            at: Instant::now(),
            uses,
            bytes,
        };
        if let Err(error) = self.reader.release(position) {
            tracing::warn!(%error, "the journal cannot be released by the senders");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gatelog_testkit::wait;

    use super::super::READER;
    use super::*;

    /// Appends 40 MiB to a journal of 8 MiB.
    fn drains(data_dir: PathBuf) {
        let config = gatelog_journal::Config {
            max_bytes: 8 << 20,
            ..gatelog_journal::Config::default()
        };
        let journal = Journal::open(&data_dir.join("journal"), config).unwrap();
        let (journal, senders) = (Arc::new(journal), Arc::new(Senders::default()));
        let reader = journal
            .reader(READER, gatelog_journal::Start::Oldest)
            .unwrap();
        let held = Arc::clone(&journal);
        let keeper = Keeper::start(data_dir, senders, held, reader, Position::START, 8 << 20);
        let keeper = keeper.unwrap();
        let frame = vec![0; 1 << 20];
        for number in 0..40 {
            wait::until("room in the journal", Duration::from_mins(1), || {
                journal.append(&frame, 1).map(drop)
            })
            .unwrap_or_else(|error| panic!("{number}: {error}"));
        }
        keeper.stop();
    }

    #[test]
    fn it_does_not_hold_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        drains(dir.path().to_owned());
        assert!(dir.path().join("senders/checkpoint").is_file());
    }

    #[test]
    fn it_does_not_hold_the_journal_where_checkpoints_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        // A file where a directory has to be.
        fs::write(dir.path().join("senders"), "").unwrap();
        drains(dir.path().to_owned());
    }
}
