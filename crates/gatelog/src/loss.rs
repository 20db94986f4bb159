//! What a reader of the journal could not pass on, counted by place and reason.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatelog_journal::{Damage, Position};
use metrics::Counter;

use crate::dead_letter::{DeadLetter, Kept, UnreadableFrame};
use crate::health::Health;
use crate::intake;
use crate::telemetry::Telemetry;

/// How often drops are told while they go on.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// The losses of one reader.
#[derive(Debug)]
pub struct Losses {
    reader: String,
    health: Arc<Health>,
    unreadable_frames: Counter,
    dropped_full: Counter,
    dropped_unwritable: Counter,
    dropped_unreadable: Counter,
    /// Unreadable frames before it have been counted: frames are read again after a failure.
    counted: Position,
    /// Damage before it has been told.
    damaged: Position,
    /// When drops were last told, and how many records have been dropped since then.
    told: Option<Instant>,
    untold: u64,
}

/// Why records did not even come into the dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room below its cap.
    Full,
    /// It could not be written, for too long.
    Unwritable,
    /// They could not be read, for too long.
    Unreadable,
}

impl Losses {
    /// No losses yet.
    pub fn new(reader: &str, health: Arc<Health>, telemetry: &Telemetry) -> Self {
        let dropped = |reason| {
            let labels = [("reader", reader), ("reason", reason)];
            telemetry.counter_of("gatelog_dead_letter_dropped_total", &labels)
        };
        Self {
            reader: reader.to_owned(),
            health,
            unreadable_frames: telemetry
                .counter_of("gatelog_frames_unreadable_total", &[("reader", reader)]),
            dropped_full: dropped("full"),
            dropped_unwritable: dropped("unwritable"),
            dropped_unreadable: dropped("unreadable"),
            counted: Position::START,
            damaged: Position::START,
            told: None,
            untold: 0,
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

    /// Tells of a place where the journal is damaged. Its bytes are counted by the journal.
    pub fn damaged(&mut self, damage: &Damage) {
        // The journal is read again after a failure.
        if damage.to <= self.damaged {
            return;
        }
        self.damaged = damage.to;
        tracing::error!(
            reader = self.reader,
            bytes = damage.bytes(),
            from = damage.from.get(),
            problem = damage.problem,
            segment = %damage.path.display(),
            copy = damage.copy.as_ref().map(|copy| tracing::field::display(copy.display())),
            "the journal is damaged; what was there is lost to this reader"
        );
        self.health
            .warn(|warnings| warnings.damaged_bytes += damage.bytes());
    }

    /// Counts letters for which there was no room.
    pub fn dropped(&mut self, kept: Kept) {
        self.drop_records(kept.dropped, Dropped::Full);
    }

    /// Counts records that are neither passed on nor kept.
    pub fn drop_records(&mut self, records: u64, why: Dropped) {
        if records == 0 {
            return;
        }
        let (counter, reason) = match why {
            Dropped::Full => (&self.dropped_full, "the dead letter is full"),
            Dropped::Unwritable => (
                &self.dropped_unwritable,
                "the dead letter cannot be written",
            ),
            Dropped::Unreadable => (&self.dropped_unreadable, "the journal cannot be read"),
        };
        counter.increment(records);
        self.health
            .warn(|warnings| warnings.letters_dropped += records);
        self.untold += records;
        if self.told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
            tracing::error!(
                reader = self.reader,
                records = self.untold,
                reason,
                "records are dropped"
            );
            self.told = Some(Instant::now());
            self.untold = 0;
        }
    }
}
