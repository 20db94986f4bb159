//! The journal as its users hold it: open, append, close.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::frame::Draft;
use crate::position_file::PositionFile;
use crate::segment::Segment;
use crate::{Config, Error, Position, Reader, Result, recovery, writer};

/// A durable log in a directory of its own.
///
/// Dropping it writes out and syncs what was appended.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
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
    /// Signalled when there is something to write, or the journal closes.
    pub(crate) work: Condvar,
    /// How far everything is durable.
    pub(crate) durable: watch::Sender<Position>,
    pub(crate) shelf: Mutex<Shelf>,
    /// Held for as long as the journal is open.
    _lock: File,
}

/// What waits for the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Whole frames, in order.
    pub(crate) bytes: Vec<u8>,
    /// Who waits, and for which position.
    pub(crate) waiting: Vec<(Position, oneshot::Sender<Position>)>,
    /// Behind the last frame in `bytes`.
    pub(crate) end: Position,
    /// The number of frames at which the writer wants to be woken; 0 while it is awake.
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
    /// Nothing that holds these locks can panic half-way, so a poisoned lock is as good as any.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    pub(crate) fn oldest(&self) -> Position {
        self.segments
            .front()
            .map(|segment| segment.base)
            .unwrap_or_default()
    }

    /// Takes the segments off the shelf that every reader has passed; the newest stays.
    pub(crate) fn take_passed(&mut self) -> Vec<Segment> {
        let Some(passed) = self.readers.values().min().copied() else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        while self.segments.len() > 1
            && self
                .segments
                .front()
                .is_some_and(|segment| segment.end <= passed)
        {
            taken.extend(self.segments.pop_front());
        }
        taken
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
                waiting: Vec::new(),
                end,
                wake_at: 0,
                closed: false,
                failed: None,
            }),
            work: Condvar::new(),
            durable: watch::Sender::new(end),
            shelf: Mutex::new(Shelf {
                segments: recovered.segments.into(),
                readers: HashMap::new(),
            }),
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
        let draft = Draft::new(payload, records)?;
        // Read before the queue is locked, so that the two locks are never held together.
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
        if waiting_bytes > 0
            && waiting_bytes + draft.disk_bytes() > self.shared.config.max_waiting_bytes
        {
            return Err(Error::Overloaded { waiting_bytes });
        }
        let end = queue.end.plus(draft.disk_bytes() as u64);
        let max_bytes = self.shared.config.max_bytes;
        if end.since(oldest) > max_bytes {
            return Err(Error::Full {
                used_bytes: queue.end.since(oldest),
                max_bytes,
            });
        }
        let (sender, receiver) = oneshot::channel();
        let position = queue.end;
        draft.write(position, &mut queue.bytes);
        queue.end = end;
        queue.waiting.push((end, sender));
        let wake = queue.waiting.len() == queue.wake_at;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Ok(Appended {
            receiver,
            shared: Arc::clone(&self.shared),
        })
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
        self.shared.queue().failed.clone()
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

/// The answer to an append: the position behind the frame, once that is durable.
#[derive(Debug)]
pub struct Appended {
    receiver: oneshot::Receiver<Position>,
    shared: Arc<Shared>,
}

impl Future for Appended {
    type Output = Result<Position>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.receiver).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(position)) => Poll::Ready(Ok(position)),
            // The writer drops its senders only when it fails.
            Poll::Ready(Err(_)) => {
                let reason = self.shared.queue().failed.clone();
                let reason = reason.unwrap_or_else(|| "the writer has stopped".to_owned());
                Poll::Ready(Err(Error::Poisoned { reason }))
            }
        }
    }
}
