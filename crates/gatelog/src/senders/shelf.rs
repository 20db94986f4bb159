//! Streams by their names, never more bytes of them than allowed.
//!
//! **Invariants.** A stream that a request works with is not forgotten: whoever has found it holds
//! it, and only streams that nobody holds are taken from the shelf. Those used longest ago go first.
//!
//! **Limits.** [`Bounds`]. Beyond either of them an eighth is forgotten at once, so that looking
//! for the oldest costs little for each of them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use gatelog_journal::Ticket;

use super::Name;
use super::ledger::Ledger;
use super::stream::State;

/// Bytes of a stream beside what its state has on the heap: itself, its name's head, its places in
/// the map, and what the allocator rounds up.
const STREAM_BYTES: usize = size_of::<Stream>() + 16 + 16 + 40 + 32;

/// How much a shelf may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) streams: usize,
}

/// Streams of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    streams: RwLock<HashMap<Name, Arc<Stream>>>,
    /// Of all streams, as far as it was counted.
    bytes: AtomicUsize,
    bounds: Bounds,
}

/// A stream on a shelf.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: Name,
    /// When it was used last, in bodies of all streams.
    pub(super) used: AtomicU64,
    state: Mutex<Counted>,
}

/// A stream's state, and what it counts for on the shelf.
#[derive(Debug)]
struct Counted {
    state: State<Ticket>,
    bytes: usize,
    /// Whether the shelf has forgotten it.
    forgotten: bool,
}

/// A stream's state, to be looked at and changed by one at a time.
#[derive(Debug)]
pub(super) struct Held<'a> {
    counted: MutexGuard<'a, Counted>,
    total: &'a AtomicUsize,
    name_bytes: usize,
}

impl Deref for Held<'_> {
    type Target = State<Ticket>;
    fn deref(&self) -> &State<Ticket> {
        &self.counted.state
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut State<Ticket> {
        &mut self.counted.state
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.counted.forgotten {
            return;
        }
        let bytes = STREAM_BYTES + self.name_bytes + self.counted.state.heap_bytes();
        let before = std::mem::replace(&mut self.counted.bytes, bytes);
        // Wrapping: the difference may be negative.
        self.total
            .fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Shelf {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            streams: RwLock::default(),
            bytes: AtomicUsize::new(0),
            bounds,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Name, Arc<Stream>>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Name, Arc<Stream>>> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream with this name, if there is one.
    pub(super) fn find(&self, name: &Name) -> Option<Arc<Stream>> {
        self.read().get(name).cloned()
    }

    /// The stream with this name, made with this ledger if it is not there.
    pub(super) fn find_or_make(
        &self,
        name: &Name,
        ledger: impl FnOnce() -> Option<Ledger>,
    ) -> Arc<Stream> {
        if let Some(stream) = self.find(name) {
            return stream;
        }
        let mut streams = self.write();
        let make = || {
            Arc::new(Stream {
                name: name.clone(),
                used: AtomicU64::new(0),
                state: Mutex::new(Counted {
                    state: State::new(ledger()),
                    bytes: 0,
                    forgotten: false,
                }),
            })
        };
        Arc::clone(streams.entry(name.clone()).or_insert_with(make))
    }

    /// Takes hold of a stream of this shelf.
    pub(super) fn hold<'a>(&'a self, stream: &'a Stream) -> Held<'a> {
        Held {
            counted: stream.state.lock().unwrap_or_else(PoisonError::into_inner),
            total: &self.bytes,
            name_bytes: stream.name.len(),
        }
    }

    /// All streams, in no order. They can still be forgotten.
    pub(super) fn all(&self) -> Vec<Weak<Stream>> {
        self.read().values().map(Arc::downgrade).collect()
    }

    /// The streams used last, the last one first, and how many there are.
    pub(super) fn newest(&self, most: usize) -> (Vec<Arc<Stream>>, usize) {
        let streams = self.read();
        let mut by_use: Vec<_> = streams
            .values()
            .map(|stream| (Reverse(stream.used.load(Ordering::Relaxed)), stream))
            .collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        let newest = by_use.iter().take(most);
        let newest = newest.map(|(_, stream)| Arc::clone(stream)).collect();
        (newest, streams.len())
    }

    /// Bytes of all streams.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Forgets the streams used longest ago if there are too many; answers how many it were.
    pub(super) fn forget_oldest(&self) -> usize {
        let has_room = self.bytes() <= self.bounds.bytes;
        if has_room && self.read().len() <= self.bounds.streams {
            return 0;
        }
        let mut streams = self.write();
        let mut by_use: Vec<(u64, Name)> = streams
            .values()
            .map(|stream| (stream.used.load(Ordering::Relaxed), stream.name.clone()))
            .collect();
        by_use.sort_unstable();
        let keep = |most: usize| most - most / 8;
        let before = streams.len();
        for (_, name) in by_use {
            let few = streams.len() <= keep(self.bounds.streams);
            if few && self.bytes() <= keep(self.bounds.bytes) {
                break;
            }
            // Nobody can take hold of one now who does not hold it already.
            let unused = |stream: &Arc<Stream>| Arc::strong_count(stream) == 1;
            if streams.get(&name).is_some_and(unused)
                && let Some(stream) = streams.remove(&name)
            {
                let mut counted = stream.state.lock().unwrap_or_else(PoisonError::into_inner);
                counted.forgotten = true;
                self.bytes.fetch_sub(counted.bytes, Ordering::Relaxed);
            }
        }
        before - streams.len()
    }
}
