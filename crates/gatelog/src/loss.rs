//! What a reader of the journal could not pass on, counted by place and reason.

use std::io;
use std::sync::Arc;

use gatelog_journal::Position;
use metrics::Counter;

use crate::dead_letter::{DeadLetter, Kept, UnreadableFrame};
use crate::health::Health;
use crate::intake;
use crate::telemetry::Telemetry;

/// The losses of one reader.
#[derive(Debug)]
pub struct Losses {
    reader: String,
    health: Arc<Health>,
    unreadable_frames: Counter,
    damaged_bytes: Counter,
    dropped_full: Counter,
    dropped_unwritable: Counter,
    /// What lies before it has been counted: frames are read again after a failure.
    counted: Position,
}

/// Why records did not even come into the dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room below its cap.
    Full,
    /// It could not be written, for too long.
    Unwritable,
}

impl Losses {
    /// No losses yet.
    pub fn new(reader: &str, health: Arc<Health>, telemetry: &Telemetry) -> Self {
        let counter = |name| telemetry.counter_of(name, &[("reader", reader)]);
        let dropped = |reason| {
            let labels = [("reader", reader), ("reason", reason)];
            telemetry.counter_of("gatelog_dead_letter_dropped_total", &labels)
        };
        Self {
            reader: reader.to_owned(),
            health,
            unreadable_frames: counter("gatelog_frames_unreadable_total"),
            damaged_bytes: counter("gatelog_journal_damaged_bytes_total"),
            dropped_full: dropped("full"),
            dropped_unwritable: dropped("unwritable"),
            counted: Position::START,
        }
    }

    /// Puts frames aside that could not be decoded, durably.
    ///
    /// # Errors
    /// The system's: the frames are to be read again.
    pub fn set_aside(
        &mut self,
        dead_letter: &DeadLetter,
        frames: &[UnreadableFrame<'_>],
    ) -> io::Result<()> {
        let Some(last) = frames.last() else {
            return Ok(());
        };
        let kept = dead_letter.keep_frames(frames.iter(), intake::now())?;
        gatelog_failpoint::pass("dead_letter.frames_kept");
        let new = || frames.iter().filter(|frame| frame.position > self.counted);
        let count = new().count() as u64;
        if count == 0 {
            return Ok(());
        }
        let dropped = frames.get(usize::try_from(kept.kept).unwrap_or(usize::MAX)..);
        let records = |frames: &[UnreadableFrame<'_>]| {
            let records = frames.iter().map(|frame| u64::from(frame.records));
            records.sum::<u64>()
        };
        let dropped = records(dropped.unwrap_or_default());
        tracing::error!(
            reader = self.reader,
            frames = count,
            records = records(frames),
            dropped,
            reason = last.reason,
            "frames of the journal cannot be decoded; they are put aside as they are"
        );
        self.unreadable_frames.increment(count);
        self.health
            .warn(|warnings| warnings.unreadable_frames += count);
        self.drop_records(dropped, Dropped::Full);
        self.counted = last.position;
        Ok(())
    }

    /// Counts bytes of the journal, up to a position, that were damaged and passed over.
    pub fn damaged(&mut self, bytes: u64, behind: Position) {
        if bytes == 0 || behind <= self.counted {
            return;
        }
        self.counted = behind;
        tracing::error!(
            reader = self.reader,
            bytes,
            position = behind.get(),
            "the journal is damaged on disk; what is there is lost, and passed over"
        );
        self.damaged_bytes.increment(bytes);
        self.health.warn(|warnings| warnings.damaged_bytes += bytes);
    }

    /// Counts letters for which there was no room.
    pub fn dropped(&self, kept: Kept) {
        self.drop_records(kept.dropped, Dropped::Full);
    }

    /// Counts records that are neither passed on nor kept.
    pub fn drop_records(&self, records: u64, why: Dropped) {
        if records == 0 {
            return;
        }
        match why {
            Dropped::Full => self.dropped_full.increment(records),
            Dropped::Unwritable => self.dropped_unwritable.increment(records),
        }
        self.health
            .warn(|warnings| warnings.letters_dropped += records);
    }
}
