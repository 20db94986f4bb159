//! Chunks that are decoded already, for all outputs that are at about the same place.
//!
//! **Shape.** The newest are the [scout's](super::scout), the others those of outputs that are behind.
//! An output that finds none reads one and leaves it for others.
//!
//! **Limits.** [`MAX_BYTES`] for each of the two, so that who is behind takes nothing from those at the
//! end. One output at a time reads of a stretch of the journal, so that others find what it has read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelog_journal::{Cursor, Damage, Position};

use super::chunk::{CHUNK_BYTES, Chunk, Found, Frames};
use super::eras::Routes;

/// Bytes of memory that the chunks of a row take.
const MAX_BYTES: usize = 4 << 20;

/// Stretches of the journal of which several outputs read at a time.
const STRETCHES: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rack {
    newest: Mutex<Row>,
    behind: Mutex<Row>,
    reading: [Mutex<()>; STRETCHES],
}

/// Chunks; the one that was put there first goes first.
#[derive(Debug, Default)]
struct Row {
    chunks: BTreeMap<Position, Arc<Chunk>>,
    order: VecDeque<Position>,
    bytes: usize,
}

/// What was found at a place.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A chunk that holds what follows.
    Chunk(Arc<Chunk>),
    Damaged(Damage),
    Nothing,
}

impl Rack {
    /// Keeps a chunk from the end of the journal.
    pub(super) fn keep_newest(&self, chunk: Arc<Chunk>) {
        lock(&self.newest).keep(chunk);
    }

    /// The chunk that has what is at `at`, of this version of the eras or a later one; read if nobody has.
    ///
    /// # Errors
    /// As [`Cursor::read`].
    pub(super) fn fetch(
        &self,
        at: Position,
        version: u64,
        cursor: &mut Cursor,
        routes: &Routes,
    ) -> gatelog_journal::Result<Fetched> {
        let find = |row: &Mutex<Row>| lock(row).find(at, version);
        if let Some(chunk) = find(&self.newest).or_else(|| find(&self.behind)) {
            return Ok(Fetched::Chunk(chunk));
        }
        let stretch = usize::try_from(at.get()).unwrap_or_default() / CHUNK_BYTES % STRETCHES;
        let _alone = self.reading.get(stretch).map(lock);
        if let Some(chunk) = find(&self.behind) {
            return Ok(Fetched::Chunk(chunk));
        }
        if cursor.position() != at {
            cursor.seek(at)?;
        }
        Ok(match Frames::read(cursor)? {
            Found::Frames(frames) => {
                let chunk = Arc::new(Chunk::of(frames, &routes.now()));
                lock(&self.behind).keep(Arc::clone(&chunk));
                Fetched::Chunk(chunk)
            }
            Found::Damaged(damage) => Fetched::Damaged(damage),
            Found::Nothing => Fetched::Nothing,
        })
    }
}

impl Row {
    fn find(&self, at: Position, version: u64) -> Option<Arc<Chunk>> {
        let (_, chunk) = self.chunks.range(..=at).next_back()?;
        (at < chunk.end && chunk.version >= version).then(|| Arc::clone(chunk))
    }

    fn keep(&mut self, chunk: Arc<Chunk>) {
        let begin = chunk.begin;
        self.bytes += chunk.memory_bytes();
        match self.chunks.insert(begin, chunk) {
            Some(before) => self.bytes -= before.memory_bytes(),
            None => self.order.push_back(begin),
        }
        while self.bytes > MAX_BYTES
            && let Some(first) = self.order.pop_front()
        {
            let gone = self.chunks.remove(&first);
            self.bytes -= gone.map_or(0, |chunk| chunk.memory_bytes());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
