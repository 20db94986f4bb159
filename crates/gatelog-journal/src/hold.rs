//! What a reader holds: everything from its released position on.
//!
//! **Shape.** A [`Hold`] stands on the shelf from the reader's registration until it is retired,
//! whoever reads in between. It knows how far the reader has released, keeps that in a file, and
//! tells how far the reader lags.
//!
//! **Invariants.** The released position only grows. A position file that cannot be written keeps
//! nothing from being released: with the disk full, that is what makes room.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::position_file::{Place, PositionFile};
use crate::{Position, Result};

/// Places that are remembered between the released position and the furthest one read.
const MAX_MARKS: usize = 1024;

/// How far a reader is behind the end of the journal, by what it has released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The reader's name.
    pub reader: String,
    /// Records that it has not released.
    pub records: u64,
    /// Bytes of frames that it has not released.
    pub bytes: u64,
    /// How long ago the oldest of them was appended; 0 when there are none.
    pub seconds: u64,
}

/// What is known of a place that a cursor has come by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Records before it.
    pub(crate) records: u64,
    /// When the frame behind it was appended.
    pub(crate) time_ms: Option<u64>,
}

/// Places that cursors have come by.
#[derive(Debug, Default)]
pub(crate) struct Marks(BTreeMap<Position, Mark>);

impl Marks {
    /// Takes note of a place.
    pub(crate) fn mark(&mut self, position: Position, records: u64, time_ms: Option<u64>) {
        let Self(marks) = self;
        let mark = marks.entry(position).or_default();
        mark.records = records;
        mark.time_ms = time_ms.or(mark.time_ms);
        if marks.len() > MAX_MARKS {
            // Every other one stays, the first among them: from there the lag is counted.
            let mut stays = false;
            marks.retain(|_, _| {
                stays = !stays;
                stays
            });
        }
    }

    /// What is known of `position`, or of the last place before it.
    pub(crate) fn nearest(&self, position: Position) -> Option<(Position, Mark)> {
        let nearest = self.0.range(..=position).next_back()?;
        Some((*nearest.0, *nearest.1))
    }
}

/// See above.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) name: String,
    released: AtomicU64,
    retired: AtomicBool,
    marks: Mutex<Marks>,
    file: Mutex<PositionFile>,
}

impl Hold {
    pub(crate) fn new(name: String, file: PositionFile, place: Place) -> Self {
        let hold = Self {
            name,
            released: AtomicU64::new(place.position.get()),
            retired: AtomicBool::new(false),
            marks: Mutex::default(),
            file: Mutex::new(file),
        };
        if let Some(records) = place.records {
            hold.mark(place.position, records, None);
        }
        hold
    }

    pub(crate) fn released(&self) -> Position {
        Position::new(self.released.load(Ordering::Acquire))
    }

    /// Takes note of a place that a cursor has come by.
    pub(crate) fn mark(&self, position: Position, records: u64, time_ms: Option<u64>) {
        self.marks().mark(position, records, time_ms);
    }

    /// What is known of `position`, or of the last place before it.
    pub(crate) fn nearest(&self, position: Position) -> Option<(Position, Mark)> {
        self.marks().nearest(position)
    }

    /// The records before `position`, if a cursor has come by there.
    pub(crate) fn records_before(&self, position: Position) -> Option<u64> {
        let nearest = self.nearest(position);
        let exact = nearest.filter(|(nearest, _)| *nearest == position);
        exact.map(|(_, mark)| mark.records)
    }

    /// Releases what lies before `position`; false if that is already done.
    pub(crate) fn release(&self, position: Position) -> bool {
        let before = self.released.fetch_max(position.get(), Ordering::AcqRel);
        if before >= position.get() {
            return false;
        }
        // The last one before the position stays: it is where counting begins.
        let nearest = self.nearest(position);
        if let Some((nearest, _)) = nearest {
            let mut marks = self.marks();
            marks.0 = marks.0.split_off(&nearest);
        }
        true
    }

    /// Keeps on disk how far it has been released. Not durable before [`sync`](Self::sync).
    pub(crate) fn write(&self) -> Result<()> {
        let mut file = self.file();
        // Looked at under the file's lock, so that the last to write is not behind.
        let position = self.released();
        let records = self.records_before(position);
        file.write(Place { position, records })
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&self) -> Result<()> {
        let mut file = self.file();
        if self.is_retired() {
            return Ok(());
        }
        file.sync()
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Gives up the hold; the caller takes it from the shelf.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, PositionFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
