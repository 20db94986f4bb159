//! What is known of senders at the start: the checkpoint, and the frames behind it.
//!
//! **Shape.** The checkpoint is read before the service answers. The frames are read beside it, as they
//! can be many: who numbers its records [waits](Senders::restored) for that, others do not.
//!
//! **Limits.** [`REPLAY_BYTES`] of the journal.
//!
//! **Failure.** A checkpoint of a later version prevents the start. Where something else is lost the log
//! says so, and records that are repeated from before it may be stored twice.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatelog_journal::{Journal, Position, Read, Reader};
use gatelog_record::{WireError, wire};

use super::checkpoint::{self, Unusable};
use super::form::Restored;
use super::{Error, LaterVersion, Moment, Name, Run, Senders};

/// Bytes of the journal that are read at the start, at most. In between two checkpoints less is
/// written; there is more where checkpoints could not be written for long.
const REPLAY_BYTES: u64 = 256 << 20;

/// Bytes of frames that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How long a request waits until all is known.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the checkpoint knows of senders, before anything is appended, and the position behind which
/// frames are to be [read](catch_up).
///
/// # Errors
/// [`LaterVersion`]; the service must not start, as it would write over it.
pub fn restore(data_dir: &Path, journal: &Journal) -> Result<(Senders, Position), LaterVersion> {
    let senders = Senders::default();
    senders.restored.send_replace(false);
    let wanted = match checkpoint::read(data_dir, &senders, journal) {
        Ok(position) => position,
        Err(Unusable::Version(later)) => return Err(later),
        Err(unusable) => {
            if !matches!(unusable, Unusable::Missing) || journal.end() > Position::START {
                tracing::warn!(
                    reason = %unusable,
                    "no checkpoint of the senders; what they sent is looked up in the journal"
                );
            }
            Position::START
        }
    };
    Ok((senders, wanted))
}

/// Reads the frames from `wanted` to `end`; behind it are those of senders that wait for nobody.
/// `reader` is the one with the name [`READER`](super::READER). Then all is known.
pub(super) fn catch_up(
    senders: &Senders,
    journal: &Journal,
    reader: &mut Reader,
    wanted: Position,
    end: Position,
) {
    let _all_is_known = AllIsKnown(senders);
    let begin = begin(journal, reader, wanted);
    if begin > wanted {
        senders.forgetful.store(true, Ordering::Relaxed);
        tracing::warn!(
            bytes = begin.since(wanted),
            "not all of the journal behind the checkpoint of the senders was read: records that \
             are repeated from there may be stored twice"
        );
    }
    replay(senders, reader, end);
    if end > begin {
        tracing::info!(bytes = end.since(begin), "what senders have sent is known");
    }
}

/// Lets the senders in that wait, also after a panic.
struct AllIsKnown<'s>(&'s Senders);

impl Drop for AllIsKnown<'_> {
    fn drop(&mut self) {
        self.0.restored.send_replace(true);
    }
}

/// Puts the reader where reading begins: where it is wanted, if that is there and not too far from
/// the end, else where frames were last released, else at the end.
fn begin(journal: &Journal, reader: &mut Reader, wanted: Position) -> Position {
    let end = journal.end();
    for position in [wanted, reader.position(), end] {
        let sought = reader.seek(position);
        if sought.is_ok() && end.since(reader.position()) <= REPLAY_BYTES {
            break;
        }
    }
    reader.position()
}

/// Reads the origins of all frames from the reader's place to `end`.
fn replay(senders: &Senders, reader: &mut Reader, end: Position) {
    let now = Moment::now();
    while reader.position() < end {
        match reader.read(CHUNK_BYTES) {
            Ok(Read::Chunk(chunk)) => {
                for frame in chunk {
                    if let Err(error) = senders.replay(frame.payload, frame.records, now) {
                        tracing::warn!(%error, "a frame's origin cannot be read");
                    }
                }
            }
            Ok(Read::Damaged(damage)) => {
                senders.forgetful.store(true, Ordering::Relaxed);
                tracing::error!(
                    bytes = damage.bytes(),
                    problem = damage.problem,
                    "the journal is damaged: records that are repeated from there may be stored \
                     twice"
                );
            }
            Ok(Read::Nothing) => break,
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read: repeated records may be stored twice");
                break;
            }
        }
    }
    // It would keep the file of a segment open, and the disk from having it back.
    let position = reader.position();
    let _at_its_own_place = reader.seek(position).is_ok();
}

impl Senders {
    /// Waits until all is known that was sent before the start.
    ///
    /// # Errors
    /// [`Error::Restoring`] when that takes long; the sender tries again.
    pub async fn restored(&self) -> Result<(), Error> {
        let mut restored = self.restored.subscribe();
        let known = restored.wait_for(|restored| *restored);
        match tokio::time::timeout(PATIENCE, known).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Restoring),
        }
    }

    /// Whether [`restored`](Self::restored) would not wait.
    pub fn is_restored(&self) -> bool {
        *self.restored.borrow()
    }

    /// Takes the numbers of a frame of the journal.
    fn replay(&self, batch: &[u8], records: u32, now: Moment) -> Result<(), WireError> {
        let Some(origin) = wire::read_origin(batch)? else {
            return Ok(());
        };
        let end = origin.first.checked_add(origin.items.into());
        let (Some(name), Some(end)) = (Name::new(origin.stream), end) else {
            return Ok(());
        };
        let whole = Run::new(origin.first, end);
        let refused = if records == origin.items {
            Vec::new()
        } else {
            refused(batch, whole.start)?
        };
        let shelf = self.shelf(&name);
        let stream = shelf.find_or_make(&name, || self.new_ledger(&name, origin.first, now));
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed) + 1;
        stream.used.store(use_number, Ordering::Relaxed);
        let mut state = shelf.hold(&stream);
        state.checksum = origin.checksum.or(state.checksum);
        for taken in whole.without_all(refused.iter().copied()) {
            state.replay(taken, now);
        }
        state.refuse(&refused, now);
        drop(state);
        self.forget_oldest(shelf);
        Ok(())
    }

    /// Puts a stream of the checkpoint on its shelf.
    pub(super) fn restore_stream(&self, restored: Restored) {
        let shelf = self.shelf(&restored.name);
        let stream = shelf.find_or_make(&restored.name, || restored.ledger);
        stream.used.store(restored.used, Ordering::Relaxed);
        self.uses.fetch_max(restored.used, Ordering::Relaxed);
        let mut state = shelf.hold(&stream);
        state.durable = restored.durable;
        state.checksum = restored.checksum;
        if let Some(ledger) = &mut state.ledger {
            ledger.told();
        }
        drop(state);
        self.forget_oldest(shelf);
    }
}

/// The numbers of the items that were refused, of a batch whose first item has this one.
fn refused(batch: &[u8], first: u64) -> Result<Vec<Run>, WireError> {
    let (mut number, mut refused) = (first, Vec::new());
    for item in wire::items(batch)? {
        let before = number;
        match item? {
            wire::Item::Record(_) => number = number.saturating_add(1),
            // Known as those of records are.
            wire::Item::Dropped(count) => number = number.saturating_add(count),
            wire::Item::Refused(count) => {
                number = number.saturating_add(count);
                refused.push(Run::new(before, number));
            }
        }
    }
    Ok(refused)
}
