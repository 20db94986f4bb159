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
//! **Limits.** Frames of about half a MiB (`frames`); the buffer that stays with each thread has no
//! more than that, as a frame that has its size is taken out of it. A body is read to its end however
//! many of its items are refused, as far as [`Items`] can tell them apart; how the refused are told,
//! `rejected` says. A body whose frames the journal could not hold beside what it has to keep anyway
//! is refused for good ([`most_bytes`]): it would be refused each time that it came again.

mod frames;
mod rejected;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::TryReserveError;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_journal::{Appended, Journal};
use gatelog_record::{AccessRecord, DecodeError, Flaws, RecordIds, Timestamp, json};

use self::frames::Frames;
use self::rejected::Rejected;
use crate::decode::{Items, MAX_ITEM_BYTES, Text};
use crate::senders::{self, Moment, Senders, Sent};
use crate::telemetry::IntakeMetrics;

/// Takes bodies apart and appends their records.
#[derive(Debug)]
pub struct Intake {
    ids: RecordIds,
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
    /// Items refused: their place in the body, counted from 0, and why. Of very many, the later
    /// ones are told as runs of neighbours.
    pub rejected: Vec<(u64, String)>,
    /// The journal's answers, if there was something to append or something repeated is not
    /// durable yet.
    pub appended: Vec<Appended>,
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
            metrics,
            most_bytes: most_bytes(journal_bytes),
        }
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
            frames.finish();
            let numbered = frames
                .numbered(sent.first)
                .ok_or_else(|| senders::Error::Overflow {
                    first: sent.first,
                    items: frames.items(),
                })?;
            let refused = frames.refused(sent.first);
            let taken = senders.take(journal, sent, &numbered, &refused, Moment::now())?;
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
                item.map(|(record, flaws)| self.push(record, flaws, now, frames))
            } else {
                self.push_mended(text, part, marked, item.map(drop), now, frames)?
            };
            match taken {
                Ok(length) => {
                    accepted += 1;
                    bytes += length;
                }
                Err(error) => {
                    self.metrics.rejected(&error);
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
            rejected: rejected.into_entries(),
            appended: Vec::new(),
        })
    }

    /// Puts a record into a frame; answers how many bytes it takes there.
    fn push(
        &self,
        mut record: AccessRecord<'_>,
        flaws: Flaws,
        now: Timestamp,
        frames: &mut Frames<'_>,
    ) -> usize {
        self.complete(&mut record, flaws, now);
        frames.push(&record)
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
    ) -> Result<Result<usize, DecodeError>, Error> {
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
        Ok(json::read_next(item).0.map(|(record, mut flaws)| {
            flaws.insert(Flaws::UTF8);
            self.push(record, flaws, now, frames)
        }))
    }

    /// Counts records whose frames are durable.
    pub fn count_acknowledged(&self, outcome: &Outcome) {
        self.metrics.accepted.increment(outcome.accepted);
        if outcome.duplicates > 0 {
            self.metrics.duplicates.increment(outcome.duplicates);
        }
    }

    /// Gives the record what only the receiver knows.
    fn complete(&self, record: &mut AccessRecord<'_>, mut flaws: Flaws, now: Timestamp) {
        record.receive_time = Some(now);
        if record.start_time.is_none() {
            record.start_time = Some(now);
            flaws.insert(Flaws::START_TIME);
        }
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

#[cfg(test)]
mod tests {
    use gatelog_record::wire;

    use super::*;

    const JOURNAL_BYTES: u64 = 8 << 20;

    fn intake() -> Intake {
        let telemetry = crate::telemetry::Telemetry::default();
        Intake::new(1, IntakeMetrics::new(&telemetry), JOURNAL_BYTES)
    }

    fn open(dir: &std::path::Path) -> Journal {
        let config = gatelog_journal::Config {
            max_bytes: JOURNAL_BYTES,
            ..gatelog_journal::Config::default()
        };
        Journal::open(dir, config).unwrap()
    }

    fn body(items: usize) -> String {
        format!(r#"{{"path":"{}"}}"#, "x".repeat(512 << 10)).repeat(items)
    }

    fn durable(outcome: Outcome) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        for appended in outcome.appended {
            runtime.block_on(appended).unwrap();
        }
    }

    #[test]
    fn a_body_that_does_not_fit_leaves_nothing_in_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, intake) = (open(dir.path()), intake());
        let take = |items| intake.take(&journal, Cow::Owned(body(items).into_bytes()));
        let mut taken = 0;
        // Nobody reads: some time there is room for one, and not for four.
        let refused = loop {
            match take(4) {
                Ok(outcome) => durable(outcome),
                Err(error) => break error,
            }
            taken += 1;
        };
        assert!(taken > 0);
        assert!(
            matches!(refused, Error::Journal(gatelog_journal::Error::Full { .. })),
            "{refused:?}"
        );
        // Had the first of them stayed, there would be no room for this one.
        durable(take(1).unwrap());
    }

    #[test]
    fn what_a_journal_can_never_hold_is_refused_for_good_and_what_it_can_hold_is_taken_in_the_end()
    {
        let dir = tempfile::tempdir().unwrap();
        let (journal, intake) = (open(dir.path()), intake());
        let take = |items| intake.take(&journal, Cow::Owned(body(items).into_bytes()));
        assert!(matches!(
            take(6),
            Err(Error::TooLarge { bytes, most: 3_145_728 }) if bytes > 3_145_728
        ));
        let reader = journal.reader("r", gatelog_journal::Start::Oldest).unwrap();
        for _ in 0..20 {
            // Filled with small ones, then the reader passes everything.
            while let Ok(outcome) = take(1) {
                durable(outcome);
            }
            let largest = gatelog_testkit::wait::until(
                "room for the largest",
                std::time::Duration::from_secs(10),
                || {
                    reader.release(journal.end()).unwrap();
                    take(5)
                },
            );
            durable(largest.unwrap());
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced_in_their_items_only() {
        let intake = intake();
        let bytes = b"\xef\xbb\xbf [ {\"path\":\"/?\xff\"} , {\"path\":\"?\"},{\"status\xff\":1},\xff ,{\"path\":\"\xe2\x82\"}]";
        let text = Text::new(Cow::Borrowed(bytes)).unwrap();
        let mut buffer = Vec::new();
        let mut frames = Frames::new(&mut buffer, None);
        let outcome = intake.read(&text, &mut frames).unwrap();
        let records = wire::read_batch(frames.all().next().unwrap().0).unwrap();
        let found: Vec<_> = records
            .map(|record| {
                let record = record.unwrap();
                (record.path.unwrap().into_owned(), record.flaws)
            })
            .collect();
        let flaws = |with: Flaws| {
            let mut flaws = Flaws::START_TIME;
            flaws.insert(with);
            flaws.to_field()
        };
        let bad = flaws(Flaws::UTF8);
        assert_eq!(
            found,
            [
                ("/?\u{fffd}".to_owned(), bad),
                ("?".to_owned(), flaws(Flaws::NONE)),
                ("\u{fffd}\u{fffd}".to_owned(), bad)
            ]
        );
        let refused: Vec<_> = outcome.rejected.iter().map(|(index, _)| *index).collect();
        assert_eq!(refused, [2, 3]);
    }

    #[test]
    fn an_item_that_would_be_too_long_with_its_replacements_is_refused() {
        let intake = intake();
        let mut body = b"{\"path\":\"/a\"}\n{\"path\":\"".to_vec();
        body.resize(body.len() + (MAX_ITEM_BYTES / 3), 0xff);
        body.extend_from_slice(b"\"}\n{\"path\":\"/b\"}");
        let text = Text::new(Cow::Owned(body)).unwrap();
        let mut buffer = Vec::new();
        let outcome = intake.read(&text, &mut Frames::new(&mut buffer, None));
        let outcome = outcome.unwrap();
        assert_eq!(outcome.accepted, 2);
        let told = "the item has 16777227 bytes, a record may have 16777216";
        assert_eq!(outcome.rejected, [(1, told.to_owned())]);
    }

    #[test]
    fn every_record_gets_an_id_of_its_own_whatever_the_sender_gave() {
        let intake = intake();
        let item = r#"{"record_id":"019d1874-cca8-7000-8000-03ffffffffff","method":"GET"}"#;
        let mut buffer = Vec::new();
        let mut frames = Frames::new(&mut buffer, None);
        let text = Text::new(Cow::Owned(format!("{item}\n{item}").into_bytes())).unwrap();
        let outcome = intake.read(&text, &mut frames).unwrap();
        assert_eq!(outcome.accepted, 2);
        let records: Vec<_> = wire::read_batch(frames.all().next().unwrap().0)
            .unwrap()
            .flatten()
            .collect();
        let ids: Vec<_> = records.iter().map(|record| record.record_id).collect();
        let given = gatelog_record::RecordId::parse("019d1874-cca8-7000-8000-03ffffffffff");
        assert!(ids[0].is_some() && ids[0] != ids[1], "{ids:?}");
        assert!(!ids.contains(&given), "{ids:?}");
    }
}
