//! From a body to frames of the journal: every item read, completed and appended.
//!
//! **Shape.** Bodies come in, an [`Outcome`] goes out: how many records were appended, which items
//! were refused and why, and the answers of the journal to await.
//!
//! **Invariants.** A record that is counted as accepted is in a frame that was appended; a frame is
//! read whole or not at all. The frames of a body are appended together, so a body that the journal
//! refuses has left nothing behind. Records of a large body are spread over several frames, so that
//! a store's batch has a size of ours and not of the sender's. Every record gets a fresh id: queries
//! are paged by it, and one that a sender gives may come twice.
//!
//! **Selection.** The filter and the sampling policy decide about each record before anything of it is
//! written. One that is dropped is counted, and an item whose sender numbers its items is taken all the
//! same: when it comes again it is known.
//!
//! **Redaction.** A record is redacted before it is written into a frame, and what is told of a refused
//! item too: behind the intake nobody meets a secret.
//!
//! **Limits.** Frames of about half a MiB (`frames`); the buffer that stays with each thread has no
//! more than that, as a frame that has its size is taken out of it. A body is read to its end however
//! many of its items are refused, as far as [`Items`] can tell them apart; how the refused are told,
//! `rejected` says. A body whose frames the journal could not hold beside what it has to keep anyway
//! is refused for good ([`most_bytes`]): it would be refused each time that it came again.

mod frames;
pub mod hash_key;
mod lines;
mod rejected;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::TryReserveError;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_journal::{Appended, Journal};
use gatelog_record::{AccessRecord, DecodeError, Flaws, RecordIds, Timestamp};
use gatelog_redact::Rules;

use self::frames::Frames;
pub use self::lines::LineItem;
use self::rejected::Rejected;
use crate::decode::{Items, MAX_ITEM_BYTES, Text, read_next};
use crate::selection::outlay::Outlay;
use crate::selection::{Choice, Dropped, Reason, Selection};
use crate::senders::{self, Moment, Senders, Sent, Taken};
use crate::telemetry::IntakeMetrics;

/// Takes bodies apart and appends their records.
#[derive(Debug)]
pub struct Intake {
    ids: RecordIds,
    selection: Selection,
    rules: Rules,
    metrics: IntakeMetrics,
    /// Bytes of the frames of one body.
    most_bytes: usize,
}

/// Why a body was not taken; nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The journal's; the sender is to send the body again.
    #[error(transparent)]
    Journal(#[from] gatelog_journal::Error),
    /// What the senders' numbers have against it.
    #[error(transparent)]
    Senders(#[from] senders::Error),
    /// It could never be taken: the sender sends it in parts, or the operator makes the journal
    /// larger.
    #[error(
        "the records of the body take {bytes} bytes in the journal, which takes at most {most} at once"
    )]
    TooLarge {
        /// Of all its records.
        bytes: usize,
        /// What can be taken.
        most: usize,
    },
    /// The system has no memory for it. The sender sends it again.
    #[error("there is no memory to read the body")]
    NoMemory,
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Self {
        Self::NoMemory
    }
}

/// What became of a body.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records appended; they are acknowledged when all of `appended` have answered.
    pub accepted: u64,
    /// Records that were in the journal already, also once all of `appended` have answered.
    pub duplicates: u64,
    /// Records that are not kept.
    pub dropped: Dropped,
    /// What the records took of the budget of the day: given back unless the outcome is counted as
    /// acknowledged.
    pub outlay: Outlay,
    /// Items refused: their place in the body, counted from 0, and why. Of very many, the later
    /// ones are told as runs of neighbours.
    pub rejected: Vec<(u64, String)>,
    /// An item had the shape of Kong's, accepted or not.
    pub of_kong: bool,
    /// The journal's answers, if there was something to append or something repeated is not
    /// durable yet.
    pub appended: Vec<Appended>,
}

/// What became of an item that is a record.
enum Fate {
    /// It takes so many bytes in its frame, and came as so many.
    Kept {
        framed: usize,
        came: usize,
    },
    Dropped(Reason),
}

thread_local! {
    /// The last frame of a body, of most bodies the only one, is made in a buffer that each thread
    /// keeps.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Intake {
    /// An intake whose record ids are told apart from other processes' by a random seed, for a journal
    /// with this cap.
    pub fn new(seed: u64, metrics: IntakeMetrics, journal_bytes: u64) -> Self {
        Self {
            ids: RecordIds::new(seed),
            selection: Selection::default(),
            rules: Rules::default(),
            metrics,
            most_bytes: most_bytes(journal_bytes),
        }
    }

    /// The same, keeping what this selects; without, all is kept.
    pub fn selecting(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// The same with these rules of what is redacted; without, those that are built in hold.
    pub fn redacting(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// Reads a body and appends its records to the journal.
    ///
    /// # Errors
    /// [`Error`]; nothing was appended.
    pub fn take(&self, journal: &Journal, body: Cow<'_, [u8]>) -> Result<Outcome, Error> {
        let text = Text::new(body)?;
        FRAME.with_borrow_mut(|buffer| {
            let mut frames = Frames::new(buffer, None);
            let mut outcome = self.read(&text, &mut frames)?;
            outcome.appended = append(journal, &frames)?;
            Ok(outcome)
        })
    }

    /// Reads a body whose sender numbers its items, and appends the records that are new.
    ///
    /// # Errors
    /// [`Error`]; nothing was appended.
    pub fn take_numbered(
        &self,
        journal: &Journal,
        senders: &Senders,
        sent: &Sent,
        body: Cow<'_, [u8]>,
    ) -> Result<Outcome, Error> {
        let sent = &sent.with_body(&body);
        let text = Text::new(body)?;
        FRAME.with_borrow_mut(|buffer| {
            let mut frames = Frames::new(buffer, Some(sent));
            let mut outcome = self.read(&text, &mut frames)?;
            let taken = append_numbered(journal, senders, sent, frames)?;
            outcome.accepted = taken.accepted;
            outcome.duplicates = taken.duplicates;
            outcome.appended = taken.appended;
            Ok(outcome)
        })
    }

    /// Reads the items of a body into frames.
    fn read(&self, text: &Text<'_>, frames: &mut Frames<'_>) -> Result<Outcome, Error> {
        let now = now();
        let mut accepted = 0;
        let mut rejected = Rejected::default();
        let mut dropped = Dropped::default();
        let mut outlay = self.selection.outlay();
        let body = text.as_str();
        let mut items = Items::new(body);
        let (mut index, mut bytes) = (0, 0);
        let end = body.trim_ascii_end().len();
        loop {
            let begin = end.saturating_sub(items.rest().len());
            let Some(item) = items.next() else { break };
            let part = begin..end.saturating_sub(items.rest().len());
            let marked = text.marked_in(part.clone());
            let taken = if marked == 0 {
                let length = part.len();
                item.map(|(record, flaws)| self.push(record, length, flaws, now, frames))
            } else {
                self.push_mended(text, part, marked, item.map(drop), now, frames)?
            };
            match taken {
                Ok(Fate::Kept { framed, came }) => {
                    accepted += 1;
                    bytes += framed;
                    outlay.add(came);
                }
                Ok(Fate::Dropped(reason)) => {
                    dropped.count(reason);
                    frames.drop_record();
                }
                Err(error) => {
                    self.metrics.rejected(&error);
                    let error = self.without_secrets(error);
                    rejected.push(index, &error);
                    frames.refuse();
                }
            }
            if bytes > self.most_bytes {
                return Err(Error::TooLarge {
                    bytes,
                    most: self.most_bytes,
                });
            }
            index += 1;
        }
        if index == 0 && !body.trim_ascii_start().starts_with('[') {
            rejected.push(0, &"the body is empty");
        }
        Ok(Outcome {
            accepted,
            duplicates: 0,
            dropped,
            outlay,
            rejected: rejected.into_entries(),
            of_kong: items.met_kong(),
            appended: Vec::new(),
        })
    }

    /// Puts a record that came as so many bytes into a frame, if it is to be kept.
    fn push(
        &self,
        mut record: AccessRecord<'_>,
        bytes: usize,
        mut flaws: Flaws,
        now: Timestamp,
        frames: &mut Frames<'_>,
    ) -> Fate {
        record.receive_time = Some(now);
        if record.start_time.is_none() {
            record.start_time = Some(now);
            flaws.insert(Flaws::START_TIME);
        }
        if let Choice::Drop(reason) = self.selection.choose(&mut record, bytes, now) {
            return Fate::Dropped(reason);
        }
        self.complete(&mut record, flaws, now);
        // The last step before anything of the record is written.
        if self.rules.apply(&mut record) {
            self.metrics.redacted.increment(1);
        }
        Fate::Kept {
            framed: frames.push(&record),
            came: bytes,
        }
    }

    /// The error without secrets of the item that it quotes.
    fn without_secrets(&self, error: DecodeError) -> DecodeError {
        match error {
            DecodeError::NotAnInteger { key, found } => {
                let found = self.rules.scrub(&found).into_owned();
                DecodeError::NotAnInteger { key, found }
            }
            other => other,
        }
    }

    /// As [`push`](Self::push), for an item with bytes that are not UTF-8. It is read anew with what
    /// stands for them; `item` is what it was without.
    fn push_mended(
        &self,
        text: &Text<'_>,
        part: Range<usize>,
        marked: usize,
        item: Result<(), DecodeError>,
        now: Timestamp,
        frames: &mut Frames<'_>,
    ) -> Result<Result<Fate, DecodeError>, Error> {
        if let Err(error) = item {
            return Ok(Err(error));
        }
        let bytes = Text::mended_bytes(&part, marked);
        if bytes > MAX_ITEM_BYTES {
            let limit = MAX_ITEM_BYTES;
            return Ok(Err(DecodeError::TooLarge { bytes, limit }));
        }
        let mended = text.mend(part)?;
        let item = mended.trim_ascii_start();
        let item = item.strip_prefix(',').unwrap_or(item);
        Ok(read_next(item).0.map(|(record, mut flaws)| {
            flaws.insert(Flaws::UTF8);
            self.push(record, item.len(), flaws, now, frames)
        }))
    }

    /// Counts records whose frames are durable, and those that came with them and were dropped. A body
    /// that is known as a whole has been counted when it came first.
    pub fn count_acknowledged(&self, outcome: &mut Outcome) {
        outcome.outlay.settle(outcome.accepted, outcome.duplicates);
        self.metrics.accepted.increment(outcome.accepted);
        let is_known = outcome.accepted == 0 && outcome.duplicates > 0;
        if outcome.dropped != Dropped::default() && !is_known {
            self.metrics.filtered.increment(outcome.dropped.by_filter);
            self.metrics
                .sampled_out
                .increment(outcome.dropped.by_sample);
        }
        if outcome.duplicates > 0 {
            self.metrics.duplicates.increment(outcome.duplicates);
        }
    }

    /// Gives the record that is kept what only the receiver knows.
    fn complete(&self, record: &mut AccessRecord<'_>, flaws: Flaws, now: Timestamp) {
        record.record_id = Some(self.ids.next(now));
        if flaws != Flaws::NONE {
            record.flaws = flaws.to_field();
            self.metrics.flawed(flaws);
        }
    }
}

/// How many bytes the frames of one body may have in a journal with this cap. Its newest segment and
/// the file that waits for the next one take up to a quarter each and cannot be had.
fn most_bytes(journal_bytes: u64) -> usize {
    usize::try_from(journal_bytes / 8 * 3).unwrap_or(usize::MAX)
}

/// Appends the frames of a body: all of them or none.
fn append(journal: &Journal, frames: &Frames<'_>) -> gatelog_journal::Result<Vec<Appended>> {
    let mut all = frames.all();
    let appended = match (all.next(), all.next()) {
        (None, _) => return Ok(Vec::new()),
        (Some((bytes, records)), None) => journal.append(bytes, records)?,
        _ => journal.append_all(&frames.all().collect::<Vec<_>>())?,
    };
    Ok(vec![appended])
}

/// Appends what is new of frames whose items are numbered from `sent.first` on.
fn append_numbered(
    journal: &Journal,
    senders: &Senders,
    sent: &Sent,
    mut frames: Frames<'_>,
) -> Result<Taken, senders::Error> {
    frames.finish();
    let numbered = frames
        .numbered(sent.first)
        .ok_or_else(|| senders::Error::Overflow {
            first: sent.first,
            items: frames.items(),
        })?;
    let refused = frames.refused(sent.first);
    senders.take(journal, sent, &numbered, &refused, Moment::now())
}

/// The time of day, to the microsecond.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The words for refusals in `/metrics`.
pub const REASONS: [&str; 8] = [
    "syntax",
    "not_an_object",
    "no_known_key",
    "not_an_integer",
    "too_deep",
    "too_large",
    "too_many_broken",
    "other",
];

/// The word for a refusal, one of [`REASONS`].
pub fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Syntax(_) => "syntax",
        DecodeError::NotAnObject { .. } => "not_an_object",
        DecodeError::NoKnownKey => "no_known_key",
        DecodeError::NotAnInteger { .. } => "not_an_integer",
        DecodeError::TooDeep { .. } => "too_deep",
        DecodeError::TooLarge { .. } => "too_large",
        DecodeError::TooManyBroken { .. } => "too_many_broken",
        _ => "other",
    }
}
