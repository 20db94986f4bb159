//! The journal as its users hold it: open, append, close.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use tokio::sync::watch;
use uuid::Uuid;

use crate::acknowledge::{Acknowledger, Appended, Others};
use crate::directory::Directory;
use crate::filesystem::{Disk, Filesystem};
use crate::frame::Draft;
use crate::keeper::{self, Keeper};
use crate::shared::{Queue, Shared};
use crate::shelf::{Shelf, Usage};
use crate::ticket::{Generations, Published, Ticket, TicketState};
use crate::{
    Config, Error, Lag, Position, Reader, Recovered, Result, Start, Sync, recovery, writer,
};

/// A durable log in a directory of its own.
///
/// Dropping it writes out and syncs what was appended.
#[derive(Debug)]
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    recovered: Recovered,
}

impl Journal {
    /// Opens the journal in `dir`, made if it is not there, and recovers it after a crash.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process uses it, [`Error::Version`] when a later program has
    /// written to it, and [`Error::Io`]. Damage is no error: [`recovered`](Self::recovered) and
    /// readers tell of it.
    pub fn open(dir: &Path, config: Config) -> Result<Self> {
        Self::open_on(Arc::new(Disk), dir, config)
    }

    /// [`open`](Self::open) on another file system than the system's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(fs: Arc<dyn Filesystem>, dir: &Path, config: Config) -> Result<Self> {
        let (directory, lock) = Directory::enter(fs, dir)?;
        let opened = recovery::recover(directory)?;
        let end = opened.segments.last().map(|segment| segment.end);
        let end = end.unwrap_or_default();
        let free = opened.home.fs.free_bytes(dir).ok();
        let shared = Arc::new(Shared {
            home: opened.home,
            config: Config {
                // The newest segment is never deleted: it must not be able to fill the journal
                // alone.
                segment_bytes: config.segment_bytes.min(config.max_bytes / 4),
                ..config
            },
            clock: opened.clock,
            queue: Mutex::new(Queue {
                end,
                disk_full: free.filter(|free| *free < config.reserve_bytes),
                ..Queue::default()
            }),
            work: Condvar::new(),
            opened_at: end,
            published: watch::Sender::new(Published {
                position: end,
                ..Published::default()
            }),
            generations: Mutex::new(Generations::default()),
            others: Others::default(),
            shelf: Mutex::new(Shelf::new(opened.segments.into())),
            deleting: Mutex::new(()),
            damage: Mutex::default(),
            seen: Mutex::default(),
            keeper: Keeper::default(),
            _lock: lock,
        });
        // From here on, dropping the journal ends what is started.
        let mut journal = Self {
            shared: Arc::clone(&shared),
            writer: None,
            keeper: None,
            recovered: opened.recovered,
        };
        let for_keeper = Arc::clone(&shared);
        journal.keeper = Some(spawn(dir, "positions", move || keeper::run(&for_keeper))?);
        let newest = opened.newest;
        journal.writer = Some(spawn(dir, "journal", move || writer::run(&shared, newest))?);
        Ok(journal)
    }

    /// The journal's id, made with its directory. A journal that has lost all its segments is
    /// another one.
    pub fn id(&self) -> Uuid {
        self.shared.home.id
    }

    /// What was found when the journal was opened, and done about it.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Appends a frame. The answer awaits that it is durable, and is then the position behind it.
    ///
    /// Whether or not the answer is awaited, the frame will be written.
    ///
    /// # Errors
    /// At once: [`Error::Full`], [`Error::DiskFull`], [`Error::Overloaded`], [`Error::Closed`],
    /// [`Error::Poisoned`], [`Error::FrameSize`]; nothing was appended. From the answer:
    /// [`Error::Poisoned`]; the frame was given up (but see [`TicketState::Failed`]).
    pub fn append(&self, payload: &[u8], records: u32) -> Result<Appended> {
        self.append_all(&[(payload, records)])
    }

    /// Appends several frames, all or none of them, each with the number of its records; the one
    /// answer is for all of them.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`Error::FrameSize`] also when there are none.
    pub fn append_all(&self, frames: &[(&[u8], u32)]) -> Result<Appended> {
        let shared = &self.shared;
        // What can be done before the queue is locked is done before.
        let now_ms = shared.clock.now_ms();
        let drafts: Vec<Draft<'_>> = frames
            .iter()
            .map(|&(payload, records)| Draft::new(payload, records, now_ms))
            .collect::<Result<_>>()?;
        if drafts.is_empty() {
            return Err(Error::FrameSize { length: 0 });
        }
        let bytes: usize = drafts.iter().map(Draft::disk_bytes).sum();
        let synced = shared.config.sync == Sync::Fsync;
        let usage = shared.shelf().usage();
        let mut queue = shared.queue();
        if let Err(refused) = check(&shared.config, usage, &queue, bytes) {
            let large = usage.newest_bytes > shared.config.segment_bytes;
            if large && matches!(refused, Error::Full { .. }) {
                queue.seal = true;
                shared.work.notify_one();
            }
            return Err(refused);
        }
        for draft in &drafts {
            let position = queue.end;
            draft.write(position, shared.home.seal, synced, &mut queue.bytes);
            queue.end = position.plus(draft.disk_bytes() as u64);
            queue.records += draft.records();
        }
        queue.appends += 1;
        let wake = queue.appends == queue.wake_at;
        let ticket = Ticket {
            generation: queue.generation,
            end: queue.end,
        };
        drop(queue);
        if wake {
            shared.work.notify_one();
        }
        Ok(self.appended(ticket))
    }

    /// What became of an append.
    pub fn state(&self, ticket: Ticket) -> TicketState {
        self.shared.state(ticket)
    }

    /// Another one to wait for an append.
    pub fn appended(&self, ticket: Ticket) -> Appended {
        Appended {
            ticket,
            shared: Arc::clone(&self.shared),
        }
    }

    /// What wakes the appends that wait on the thread where it is run.
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger::new(Arc::clone(&self.shared))
    }

    /// Registers a reader. Segments are kept from now on until this reader, too, has passed them,
    /// also when the [`Reader`] is dropped: register all readers before the first of them releases
    /// anything, and [retire](Reader::retire) one that is no longer wanted.
    ///
    /// It begins where it was when it last [released](Reader::release); one that has no position yet
    /// begins at `start`. The name becomes that of a file.
    ///
    /// # Errors
    /// [`Error::Io`] for its position file.
    pub fn reader(&self, name: &str, start: Start) -> Result<Reader> {
        Reader::register(&self.shared, name, start)
    }

    /// Retires all readers but these: they hold nothing any more, their positions are forgotten, and
    /// under the same name they begin anew.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that could not be removed. Call it again.
    pub fn keep_only(&self, names: &[&str]) -> Result<()> {
        self.shared.keep_only(names)
    }

    /// How far everything is durable.
    pub fn end(&self) -> Position {
        self.shared.durable()
    }

    /// Bytes of all segment files together, as they count towards the cap.
    pub fn used_bytes(&self) -> u64 {
        self.shared.shelf().usage().bytes
    }

    /// How far each registered reader is behind. It may look into files.
    pub fn lags(&self) -> Vec<Lag> {
        self.lags_behind(|_| Position::START)
    }

    /// As [`lags`](Self::lags), where `done` knows by a reader's name that it is done with more than it
    /// has released, though not yet for good.
    pub fn lags_behind(&self, done: impl Fn(&str) -> Position) -> Vec<Lag> {
        let holds: Vec<_> = self.shared.shelf().holds().cloned().collect();
        let lags = holds.iter().map(|hold| {
            let done = done(&hold.name);
            self.shared.lag_behind(hold, done)
        });
        lags.collect()
    }

    /// Bytes that readers have found damaged since the journal was opened, each counted once.
    pub fn damaged_bytes(&self) -> u64 {
        self.shared.damage().bytes()
    }

    /// Why nothing is taken since a write failed; `None` while all is well.
    pub fn failure(&self) -> Option<String> {
        self.shared.queue().failed.clone()
    }

    /// Whether an append of an ordinary frame would be refused for the cap, or because the disk is
    /// full.
    pub fn is_full(&self) -> bool {
        /// Room for one batch of records.
        const ROOM_BYTES: u64 = 1 << 20;
        let end = self.end().plus(ROOM_BYTES);
        let used_bytes = self.shared.shelf().usage().bytes_at(end);
        used_bytes > self.shared.config.max_bytes || self.shared.is_short_of_disk()
    }
}

/// Whether `bytes` more may be appended.
fn check(config: &Config, usage: Usage, queue: &Queue, bytes: usize) -> Result<()> {
    let &Config {
        max_bytes,
        max_waiting_bytes,
        reserve_bytes,
        ..
    } = config;
    if let Some(reason) = &queue.failed {
        return Err(Error::Poisoned {
            reason: reason.clone(),
        });
    }
    if queue.closed {
        return Err(Error::Closed);
    }
    if let Some(free_bytes) = queue.disk_full {
        return Err(Error::DiskFull {
            free_bytes,
            reserve_bytes,
        });
    }
    let waiting_bytes = queue.bytes.len();
    if waiting_bytes > 0 && waiting_bytes + bytes > max_waiting_bytes {
        return Err(Error::Overloaded { waiting_bytes });
    }
    if usage.bytes_at(queue.end.plus(bytes as u64)) > max_bytes {
        return Err(Error::Full {
            used_bytes: usage.bytes_at(queue.end),
            max_bytes,
        });
    }
    Ok(())
}

fn spawn(dir: &Path, name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(Error::io("start a thread for", dir))
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.work.notify_one();
        // A panic of a thread was reported where it happened.
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
        self.shared.keeper.close();
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
        self.shared.published.send_modify(|now| now.closed = true);
    }
}
