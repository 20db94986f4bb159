//! Chunks that are decoded already, for all outputs that are at about the same place.
//!
//! **Shape.** The newest are the [scout's](super::scout), the others those of outputs that are behind.
//! An output that finds none reads one and leaves it for others. Of these it stays known for whom there was
//! something in them when their records are gone: the others pass them unread.
//!
//! **Limits.** [`MAX_BYTES`] for each of the two, so that who is behind takes nothing from those at the
//! end; [`MAX_KNOWN`] chunks of which only that is known. One output at a time reads of a stretch of the
//! journal, so that others find what it has read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatelog_journal::{Cursor, Damage, Position};

use super::chunk::{CHUNK_BYTES, Chunk, Found, Frames};
use super::eras::{Id, Routes};

/// Bytes of memory that the chunks of a row take.
const MAX_BYTES: usize = 4 << 20;

/// Chunks of which it is known for whom they were: 1 GiB of the journal.
const MAX_KNOWN: usize = 4096;

/// Stretches of the journal of which several outputs read at a time.
const STRETCHES: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rack {
    newest: Mutex<Row>,
    behind: Mutex<Row>,
    known: Mutex<Known>,
    reading: [Mutex<()>; STRETCHES],
}

/// Chunks; the one that was put there first goes first.
#[derive(Debug, Default)]
struct Row {
    chunks: BTreeMap<Position, Arc<Chunk>>,
    order: VecDeque<Position>,
    bytes: usize,
}

/// For whom chunks were that outputs have read, by where they begin.
#[derive(Debug, Default)]
struct Known(BTreeMap<Position, Summary>);

/// A chunk without its records.
#[derive(Debug)]
struct Summary {
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
        if let Some(end) = lock(&self.known).nothing_until(output, at, version) {
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
                lock(&self.known).learn(&chunk);
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

impl Known {
    /// Where a chunk ends that has what is at `at`, and nothing for this output.
    fn nothing_until(&self, output: Id, at: Position, version: u64) -> Option<Position> {
        let (_, known) = self.0.range(..=at).next_back()?;
        let holds = at < known.end && known.version >= version;
        (holds && !known.concerns.contains(&output)).then_some(known.end)
    }

    /// Takes note for whom a chunk is, unless it is for all.
    fn learn(&mut self, chunk: &Chunk) {
        if !chunk.contents().unreadable.is_empty() {
            return;
        }
        let summary = Summary {
            end: chunk.end,
            version: chunk.version,
            concerns: chunk.wishes().keys().copied().collect(),
        };
        self.0.insert(chunk.begin, summary);
        if self.0.len() > MAX_KNOWN {
            // Outputs come from there.
            self.0.pop_first();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
