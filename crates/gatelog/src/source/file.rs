//! Log files of gateways, followed as they are written.
//!
//! **Shape.** One thread polls the files ([`follower`]), reads lines of them in batches, and puts each
//! batch through the intake ([`journaling`]), as a body of `POST /ingest` goes: filter, sampling policy,
//! redaction, journal. How far each file was read is on disk ([`places`]).
//!
//! ```text
//! files ─► lines ─► form ─► intake ─► journal (fsync) ─► place moves ─► places (fsync, 1 s)
//!                     └─► dead-letter/files.lines
//! ```
//!
//! **Invariants.** Each line that ends in a line break is journaled once, over rotation, restarts and
//! crashes. A file has a key, which is durable before the first of its lines is journaled; a line has a
//! number, counted from where the file was begun to be followed. The lines of a file are a stream of
//! numbers ([`senders`](crate::senders)), as the items of an `Idempotency-Key`'s body are: the frame that
//! has a line has its number, so both are durable together. The place of a file is behind lines that are
//! durable, never before one that is not. After a crash lines between the place on disk and where
//! reading was come again, under the same key and with the same numbers, and are known.
//!
//! The letters of lines that are no records are on disk before the place moves behind them. At the start
//! those behind their file's place are cut, as they come again.
//!
//! **Limits.** Half of the files that the process may have open, and no more than have places. 1 MiB of
//! a file and the frames of these in memory. A line of more than [`LINE_BYTES`] goes to the dead letter
//! with its beginning. A poll every [`PERIOD`]. What a gateway writes to a file and truncates before the
//! next poll is lost, unless it has left a copy beside it.
//!
//! **Failure.** While the journal is full, lines wait in their files. What is wrong with a file is in
//! `/ready` and in the log. Nothing of it makes `/ready` 503: who posts to `/ingest` is not concerned.
//!
//! **Source.** Vector's `file` source (checksums of first lines), Filebeat's `filestream` (places, inode
//! reuse), Fluent Bit's `tail` (`Rotate_Wait`).

mod board;
mod fingerprint;
mod follower;
mod journaling;
mod places;
mod tail;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use self::board::{Board, FileState, SourceState};
use self::follower::Follower;
use self::journaling::Journaling;
pub use self::journaling::METRICS;
use self::places::Places;
pub use self::tail::LINE_BYTES;
use crate::config::FileSource;
use crate::open_files;
use crate::service::Service;

/// How often files are looked at.
pub const PERIOD: Duration = Duration::from_millis(250);

/// The thread that follows files.
#[derive(Debug)]
pub struct Files {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// What is needed to follow files, before anything is read.
#[derive(Debug)]
pub struct Prepared {
    sources: Vec<FileSource>,
    places: Places,
}

/// How many files may be open here: half of what the process may have, which is also for its journal, its
/// stores and those who send to it.
fn open_files() -> usize {
    let all = open_files::allow_all();
    let half = all.map_or(usize::MAX, |all| {
        usize::try_from(all / 2).unwrap_or(usize::MAX)
    });
    half.min(places::MAX_ENTRIES)
}

/// Reads how far files were read.
///
/// # Errors
/// That cannot be read; the operator mends what is named.
pub fn prepare(data_dir: &Path, sources: Vec<FileSource>) -> io::Result<Prepared> {
    let places = Places::open(data_dir)?;
    Ok(Prepared { sources, places })
}

impl Prepared {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started, or letters of the last run cannot be looked at.
    pub fn start(self, service: Arc<Service>) -> io::Result<Files> {
        let (stop, stopped) = mpsc::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let Self { sources, places } = self;
        let paths = sources
            .iter()
            .map(|source| (source.path.clone(), source.start));
        let paths = paths.collect();
        let sink = Journaling::new(&sources, Arc::clone(&service), runtime, &places)?;
        let most = open_files();
        let thread = move || {
            let mut follower = Follower::new(paths, most, places, sink);
            run(&mut follower, &service, &stopped);
            follower.finish(Instant::now());
        };
        let named = std::thread::Builder::new().name("files".to_owned());
        Ok(Files {
            stop,
            thread: named.spawn(thread)?,
        })
    }
}

fn run(follower: &mut Follower<Journaling>, service: &Service, stopped: &mpsc::Receiver<()>) {
    let ends = || service.is_stopping();
    loop {
        let more = follower.poll(Instant::now(), &ends);
        service.files.show(follower);
        let pause = if more { Duration::ZERO } else { PERIOD };
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) || ends() {
            return;
        }
    }
}

impl Files {
    /// Ends behind the batch that is under way, and waits for that.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that follows files ended in a panic");
        }
    }
}
