//! Chunks that are decoded already, for all outputs that are at about the same place.
//!
//! **Shape.** The newest are the [scout's](super::scout), the others those of outputs that are behind.
//! An output that finds none reads one and leaves it for others. When a chunk goes, it stays known for
//! whom there was something in it: the others pass it unread.
//!
//! **Limits.** [`MAX_BYTES`] for each of the two, so that who is behind takes nothing from those at the
//! end; [`MAX_KNOWN`] chunks that are gone. One output at a time reads of a stretch of the journal, so that others find what it has read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelog_journal::{Cursor, Damage, Position};

use super::chunk::{CHUNK_BYTES, Chunk, Found, Frames};
use super::eras::{Id, Routes};

/// Bytes of memory that the chunks of a row take.
const MAX_BYTES: usize = 4 << 20;

/// Chunks of which it is known for whom they were, and whose records are gone: 1 GiB of the journal.
const MAX_KNOWN: usize = 4096;

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
    known: BTreeMap<Position, Known>,
}

/// A chunk without its records.
#[derive(Debug)]
struct Known {
    end: Position,
    version: u64,
    concerns: Box<[Id]>,
}

/// What was found at a place.
#[derive(Debug)]
pub(super) enum Fetched {
    /// A chunk that holds what follows.
    Chunk(Arc<Chunk>),
    /// There is nothing for the output before this position.
    Passed(Position),
    Damaged(Damage),
    Nothing,
}

impl Rack {
    /// Keeps a chunk from the end of the journal.
    pub(super) fn keep_newest(&self, chunk: Arc<Chunk>) {
        lock(&self.newest).keep(chunk);
    }

    /// The chunk that has what is at `at`, of this version of the eras or a later one; read if nobody has,
    /// unless it is known that there is nothing in it for this output.
    ///
    /// # Errors
    /// As [`Cursor::read`].
    pub(super) fn fetch(
        &self,
        output: Id,
        at: Position,
        version: u64,
        cursor: &mut Cursor,
        routes: &Routes,
    ) -> gatelog_journal::Result<Fetched> {
        let find = |row: &Mutex<Row>| lock(row).find(at, version);
        if let Some(chunk) = find(&self.newest).or_else(|| find(&self.behind)) {
            return Ok(Fetched::Chunk(chunk));
        }
        if let Some(end) = lock(&self.behind).nothing_until(output, at, version) {
            return Ok(Fetched::Passed(end));
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

    /// Where a chunk ends that has what is at `at`, and nothing for this output.
    fn nothing_until(&self, output: Id, at: Position, version: u64) -> Option<Position> {
        let (_, known) = self.known.range(..=at).next_back()?;
        let holds = at < known.end && known.version >= version;
        (holds && !known.concerns.contains(&output)).then_some(known.end)
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
            if let Some(gone) = self.chunks.remove(&first) {
                self.bytes -= gone.memory_bytes();
                self.know(&gone);
            }
        }
    }

    /// Remembers for whom a chunk was that goes, unless it was for all.
    fn know(&mut self, gone: &Chunk) {
        if !gone.contents().unreadable.is_empty() {
            return;
        }
        let known = Known {
            end: gone.end,
            version: gone.version,
            concerns: gone.wishes().keys().copied().collect(),
        };
        self.known.insert(gone.begin, known);
        if self.known.len() > MAX_KNOWN {
            // Outputs come from there.
            self.known.pop_first();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
