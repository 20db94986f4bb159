//! The journal as its users hold it: open, append, close.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;
use uuid::Uuid;

use crate::acknowledge::{Acknowledger, Appended, Others};
use crate::frame::Draft;
use crate::position_file::PositionFile;
use crate::segment::Segment;
use crate::{Config, Error, Position, Reader, Result, recovery, writer};

/// A durable log in a directory of its own.
///
/// Dropping it writes out and syncs what was appended.
#[derive(Debug)]
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    torn_bytes: u64,
}

/// What the appenders, the writer and the readers have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) id: Uuid,
    pub(crate) config: Config,
    pub(crate) queue: Mutex<Queue>,
    /// Whether the queue says why nothing can be acknowledged any more.
    pub(crate) failed: AtomicBool,
    /// Signalled when there is something to write, or the journal closes.
    pub(crate) work: Condvar,
    /// How far everything is durable.
    pub(crate) durable: watch::Sender<Position>,
    /// Who waits for that on threads without an [`Acknowledger`].
    pub(crate) others: Others,
    pub(crate) shelf: Mutex<Shelf>,
    /// Held while segments are deleted: oldest first, so that a crash leaves no gap.
    pub(crate) deleting: Mutex<()>,
    /// Held for as long as the journal is open.
    _lock: File,
}

/// What waits for the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Whole frames, in order.
    pub(crate) bytes: Vec<u8>,
    /// How many appends they come from.
    pub(crate) appends: usize,
    /// Behind the last frame in `bytes`.
    pub(crate) end: Position,
    /// The number of appends at which the writer wants to be woken; 0 while it is awake.
    pub(crate) wake_at: usize,
    pub(crate) closed: bool,
    /// Why nothing can be acknowledged any more.
    pub(crate) failed: Option<String>,
}

/// The segments, and who still needs them.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// Oldest first; the last is being written.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) readers: HashMap<String, Position>,
}

impl Shared {
    /// Whether everything before `position` is durable.
    pub(crate) fn is_durable(&self, position: Position) -> bool {
        *self.durable.borrow() >= position
    }

    /// Why nothing can be acknowledged any more; `None` while all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.failed.load(Ordering::Acquire) {
            self.queue().failed.clone()
        } else {
            None
        }
    }

    /// Nothing that holds these locks can panic half-way, so a poisoned lock is as good as any.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the segments that every reader has passed. One leaves the shelf when its file is
    /// gone, so what could not be deleted is tried again.
    pub(crate) fn delete_passed(&self) -> Result<()> {
        if self.shelf().passed().is_none() {
            return Ok(());
        }
        let _one_at_a_time = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(passed) = self.shelf().passed().cloned() else {
                return Ok(());
            };
            match fs::remove_file(&passed.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &passed.path)(error));
                }
                _ => {}
            }
            self.shelf().segments.pop_front();
        }
    }
}

impl Shelf {
    pub(crate) fn oldest(&self) -> Position {
        self.segments
            .front()
            .map(|segment| segment.base)
            .unwrap_or_default()
    }

    /// The oldest segment, if every reader has passed it; never the newest.
    pub(crate) fn passed(&self) -> Option<&Segment> {
        let passed = self.readers.values().min()?;
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1)?;
        (oldest.end <= *passed).then_some(oldest)
    }
}

impl Journal {
    /// Opens the journal in `dir`, made if it is not there, and recovers it after a crash.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process uses it; [`Error::Damaged`], [`Error::Gap`] and
    /// [`Error::Io`] when the files are not what they have to be: the operator looks at them.
    pub fn open(dir: &Path, config: Config) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let lock = recovery::lock(dir)?;
        let id = recovery::journal_id(dir)?;
        let recovered = recovery::recover(dir, id)?;
        // The newest segment is never deleted: it must not be able to fill the journal alone.
        let segment_bytes = config.segment_bytes.min(config.max_bytes / 4);
        let config = Config {
            segment_bytes,
            ..config
        };
        let end = recovered
            .segments
            .last()
            .map(|segment| segment.end)
            .unwrap_or_default();
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            id,
            config,
            queue: Mutex::new(Queue {
                bytes: Vec::new(),
                appends: 0,
                end,
                wake_at: 0,
                closed: false,
                failed: None,
            }),
            failed: AtomicBool::new(false),
            work: Condvar::new(),
            durable: watch::Sender::new(end),
            others: Others::default(),
            shelf: Mutex::new(Shelf {
                segments: recovered.segments.into(),
                readers: HashMap::new(),
            }),
            deleting: Mutex::new(()),
            _lock: lock,
        });
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let for_writer = Arc::clone(&shared);
        let writer = thread
            .spawn(move || writer::run(&for_writer, recovered.newest))
            .map_err(Error::io("start a thread for", dir))?;
        Ok(Self {
            shared,
            writer: Some(writer),
            torn_bytes: recovered.torn_bytes,
        })
    }

    /// The journal's id, made with its directory.
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// Bytes that recovery cut from the end because they were no whole frame. They were never
    /// acknowledged; they are kept in a `.torn` file.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Appends a frame. The answer awaits that it is durable, and is then the position behind it.
    ///
    /// Whether or not the answer is awaited, the frame will be written.
    ///
    /// # Errors
    /// At once: [`Error::Full`], [`Error::Overloaded`], [`Error::Closed`], [`Error::Poisoned`],
    /// [`Error::FrameSize`]; nothing was appended. From the answer: [`Error::Poisoned`]; the frame
    /// may or may not be found after the next start.
    pub fn append(&self, payload: &[u8], records: u32) -> Result<Appended> {
        self.append_all(&[(payload, records)])
    }

    /// Appends several frames, all or none of them, each with the number of its records; the one
    /// answer is for all of them.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`Error::FrameSize`] also when there are none.
    pub fn append_all(&self, frames: &[(&[u8], u32)]) -> Result<Appended> {
        // What can be done before the queue is locked is done before.
        let drafts: Vec<Draft<'_>> = frames
            .iter()
            .map(|&(payload, records)| Draft::new(payload, records))
            .collect::<Result<_>>()?;
        if drafts.is_empty() {
            return Err(Error::FrameSize { length: 0 });
        }
        let bytes: usize = drafts.iter().map(Draft::disk_bytes).sum();
        let oldest = self.shared.shelf().oldest();
        let mut queue = self.shared.queue();
        if let Some(reason) = &queue.failed {
            return Err(Error::Poisoned {
                reason: reason.clone(),
            });
        }
        if queue.closed {
            return Err(Error::Closed);
        }
        let waiting_bytes = queue.bytes.len();
        if waiting_bytes > 0 && waiting_bytes + bytes > self.shared.config.max_waiting_bytes {
            return Err(Error::Overloaded { waiting_bytes });
        }
        let end = queue.end.plus(bytes as u64);
        let max_bytes = self.shared.config.max_bytes;
        if end.since(oldest) > max_bytes {
            return Err(Error::Full {
                used_bytes: queue.end.since(oldest),
                max_bytes,
            });
        }
        for draft in &drafts {
            let position = queue.end;
            draft.write(position, &mut queue.bytes);
            queue.end = position.plus(draft.disk_bytes() as u64);
        }
        queue.appends += 1;
        let wake = queue.appends == queue.wake_at;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(Appended {
            end,
            shared: Arc::clone(&self.shared),
        })
    }

    /// What wakes the appends that wait on the thread where it is run.
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger::new(Arc::clone(&self.shared))
    }

    /// Registers a reader. Segments are kept from now on until this reader, too, has passed them:
    /// register all readers before the first of them releases anything.
    ///
    /// It starts where it was when it last [released](Reader::release), else at the oldest frame.
    ///
    /// # Errors
    /// [`Error::Io`] for its position file.
    pub fn reader(&self, name: &str) -> Result<Reader> {
        let (file, position) = PositionFile::open(&self.shared.dir, name)?;
        let mut shelf = self.shared.shelf();
        let end = *self.shared.durable.borrow();
        let position = position.unwrap_or_default().max(shelf.oldest()).min(end);
        shelf.readers.insert(name.to_owned(), position);
        drop(shelf);
        Ok(Reader::new(
            Arc::clone(&self.shared),
            name.to_owned(),
            file,
            position,
        ))
    }

    /// How far everything is durable.
    pub fn end(&self) -> Position {
        *self.shared.durable.borrow()
    }

    /// Bytes of all segments together, as they count towards the cap.
    pub fn used_bytes(&self) -> u64 {
        self.end().since(self.shared.shelf().oldest())
    }

    /// How many bytes each reader has not released yet, by name.
    pub fn lag_bytes(&self) -> Vec<(String, u64)> {
        let end = self.end();
        let shelf = self.shared.shelf();
        shelf
            .readers
            .iter()
            .map(|(name, at)| (name.clone(), end.since(*at)))
            .collect()
    }

    /// Why nothing can be acknowledged any more; `None` while all is well.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    /// Whether an append of an ordinary frame would be refused for the cap.
    pub fn is_full(&self) -> bool {
        /// Room for one batch of records.
        const ROOM_BYTES: u64 = 1 << 20;
        self.used_bytes() + ROOM_BYTES > self.shared.config.max_bytes
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was reported where it happened.
            drop(writer.join());
        }
    }
}
