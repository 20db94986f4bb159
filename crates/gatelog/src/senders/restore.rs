//! What is known of senders at the start: the checkpoint, and the frames behind it.

use std::path::Path;
use std::sync::atomic::Ordering;

use gatelog_journal::{Journal, Position, Read, Reader};
use gatelog_record::wire;

use super::checkpoint::{self, Unusable};
use super::form::Restored;
use super::{Moment, Senders};

/// Bytes of the journal that are read at the start, at most. In between two checkpoints less is
/// written; there is more where checkpoints could not be written for long.
const REPLAY_BYTES: u64 = 256 << 20;

/// Bytes of frames that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Restores what is known of senders, before anything is appended. `reader` is the one with the
/// name [`READER`](super::READER).
///
/// Nothing prevents the start: where something is lost the log says so, and records that are
/// repeated from before it may be stored twice.
pub fn restore(data_dir: &Path, journal: &Journal, reader: &mut Reader) -> Senders {
    let senders = Senders::default();
    let wanted = match checkpoint::read(data_dir, &senders, journal) {
        Ok(position) => position,
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
    let begin = begin(journal, reader, wanted);
    if begin > wanted {
        senders.forgetful.store(true, Ordering::Relaxed);
        tracing::warn!(
            bytes = begin.since(wanted),
            "not all of the journal behind the checkpoint of the senders was read: records that \
             are repeated from there may be stored twice"
        );
    }
    replay(&senders, reader);
    senders
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

/// Reads the origins of all frames from the reader's place on.
fn replay(senders: &Senders, reader: &mut Reader) {
    let now = Moment::now();
    loop {
        match reader.read(CHUNK_BYTES) {
            Ok(Read::Chunk(chunk)) => {
                for frame in chunk {
                    match wire::read_origin(frame.payload) {
                        Ok(Some(origin)) => senders.replay(&origin, now),
                        Ok(None) => {}
                        Err(error) => tracing::warn!(%error, "a frame's origin cannot be read"),
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
    /// Puts a stream of the checkpoint on its shelf.
    pub(super) fn restore_stream(&self, restored: Restored) {
        let shelf = self.shelf(&restored.name);
        let stream = shelf.find_or_make(&restored.name, || restored.ledger);
        stream.used.store(restored.used, Ordering::Relaxed);
        self.uses.fetch_max(restored.used, Ordering::Relaxed);
        let mut state = shelf.hold(&stream);
        state.durable = restored.durable;
        if let Some(ledger) = &mut state.ledger {
            ledger.told();
        }
        drop(state);
        self.forget_oldest(shelf);
    }
}
