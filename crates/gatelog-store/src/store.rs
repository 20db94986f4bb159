//! What every store can do.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use gatelog_record::AccessRecord;

use crate::{Page, Query, Result};

/// The future of a [`Store`]'s method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A record that the store will never take, whatever is tried: it goes to the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the batch.
    pub index: usize,
    /// What the store says about it, without the record's contents.
    pub reason: String,
}

/// Where a store puts the records that it will never take.
pub trait Letters: Send + Sync {
    /// Keeps records of the batch that is being written. When it returns they are on stable
    /// storage, or known to be dropped and counted, so that the position behind them can be
    /// committed.
    ///
    /// May be called more than once in a write, and again for the same records when a write is
    /// repeated: the caller of [`write`](Store::write) knows by the position which letters stand.
    /// It blocks on the disk.
    ///
    /// # Errors
    /// The system's: nothing is known to be kept. The store fails the write and commits nothing.
    fn keep(&self, rejected: &[Rejected]) -> io::Result<()>;
}

/// How records are gathered for one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Bytes of the journal that are written at once, at the most.
    pub bytes: usize,
    /// As soon as so many records wait they are written.
    pub records: u64,
    /// However few wait, they wait no longer than this.
    pub delay: Duration,
}

impl Default for Gathering {
    /// For a store whose writes cost little: what is there is written.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            records: 1,
            delay: Duration::ZERO,
        }
    }
}

/// A place where records are kept and asked for.
///
/// One task writes, in journal order; any number ask.
///
/// **Failure.** After an error of [`write`](Store::write) or [`flush`](Store::flush) it is not
/// known what was stored: the writer calls [`open`](Store::open) again and goes on from the
/// position that it answers, so a commit whose answer was lost is recognised.
pub trait Store: Send + Sync {
    /// `lake` or `mysql`: the name in `/ready`, `/metrics` and the log.
    fn name(&self) -> &'static str;

    /// How records are to be gathered for a write.
    fn gathering(&self) -> Gathering {
        Gathering::default()
    }

    /// Makes the store ready to be written, and answers how far it has stored this journal:
    /// `None` when it has nothing of it. May be called again at any time.
    ///
    /// `journal` is the journal's id: a store that several collectors write keeps a position for
    /// each.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) and
    /// [`Error::Unusable`](crate::Error::Unusable): call again later.
    fn open<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<Option<u64>>>;

    /// As [`open`](Store::open), to be written from `position` on, which lies before what was answered:
    /// the journal was restored from an old copy, and what the store has behind the position is of a
    /// past that the journal does not know.
    ///
    /// # Errors
    /// As [`open`](Store::open); the store then stands where it stood.
    fn rewind<'a>(&'a self, journal: &'a str, position: u64) -> BoxFuture<'a, Result<()>>;

    /// Takes the records up to the journal position `end`. When it returns they are visible to
    /// queries; they are stored for good once [`committed`](Store::committed) has reached `end`.
    ///
    /// Records that it will never take go to `letters`, before the position behind them is
    /// committed; the others are taken.
    ///
    /// # Errors
    /// As [`open`](Store::open), which is to be called before the next write, and
    /// [`Error::Letters`](crate::Error::Letters).
    fn write<'a>(
        &'a self,
        records: &'a [AccessRecord<'a>],
        end: u64,
        letters: &'a dyn Letters,
    ) -> BoxFuture<'a, Result<()>>;

    /// Stores for good what was written. To be called before the process ends; also whenever there
    /// is nothing to write, so that a store that gathers rows can act on their age.
    ///
    /// With `all` false only what is due is stored.
    ///
    /// # Errors
    /// As [`write`](Store::write).
    fn flush(&self, all: bool) -> BoxFuture<'_, Result<()>>;

    /// The journal position up to which everything is stored for good: the journal may forget what
    /// lies before it. Never goes back, but by [`rewind`](Store::rewind).
    fn committed(&self) -> u64;

    /// The journal position up to which everything was taken: queries show it, and nothing of it waits
    /// to be written. What lies between [`committed`](Store::committed) and it may have to be written
    /// again after a failure.
    fn taken(&self) -> u64 {
        self.committed()
    }

    /// Positions behind the one that [`open`](Self::open) has answered, in order, at which a batch has
    /// to end if a frame does: parts of what lies before them are stored.
    fn milestones(&self) -> Vec<u64> {
        Vec::new()
    }

    /// Whether the position is committed with the rows. If not, what was written in the moments
    /// before a crash may be stored twice.
    fn exactly_once(&self) -> bool {
        true
    }

    /// How often a value was cut, moved or left out to fit its column, by column, since the process
    /// began. Columns where that never happened are left out.
    fn truncated(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What an operator should look at, although records are stored. Nothing before it was opened.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Answers a query.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable): ask again later.
    /// [`Error::Unanswerable`](crate::Error::Unanswerable): ask differently.
    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>>;
}
