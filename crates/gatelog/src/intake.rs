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
//! `rejected` says.

mod frames;
mod rejected;

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_journal::{Appended, Journal};
use gatelog_record::{AccessRecord, DecodeError, Flaws, RecordIds, Timestamp};

use self::frames::Frames;
use self::rejected::Rejected;
use crate::decode::{self, Items};
use crate::senders::{self, Moment, Senders, Sent};
use crate::telemetry::IntakeMetrics;

/// Takes bodies apart and appends their records.
#[derive(Debug)]
pub struct Intake {
    ids: RecordIds,
    metrics: IntakeMetrics,
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
    /// An intake whose record ids are told apart from other processes' by a random seed.
    pub fn new(seed: u64, metrics: IntakeMetrics) -> Self {
        Self {
            ids: RecordIds::new(seed),
            metrics,
        }
    }

    /// Reads a body and appends its records to the journal.
    ///
    /// # Errors
    /// The journal's; the sender is to send the body again.
    pub fn take(&self, journal: &Journal, body: &[u8]) -> gatelog_journal::Result<Outcome> {
        let (text, replaced) = decode::text(body);
        FRAME.with_borrow_mut(|buffer| {
            let mut frames = Frames::new(buffer, None);
            let mut outcome = self.read(&text, replaced, &mut frames);
            outcome.appended = append(journal, &frames)?;
            Ok(outcome)
        })
    }

    /// Reads a body whose sender numbers its items, and appends the records that are new.
    ///
    /// # Errors
    /// [`senders::Error`]; nothing was appended.
    pub fn take_numbered(
        &self,
        journal: &Journal,
        senders: &Senders,
        sent: &Sent,
        body: &[u8],
    ) -> Result<Outcome, senders::Error> {
        let (text, replaced) = decode::text(body);
        FRAME.with_borrow_mut(|buffer| {
            let mut frames = Frames::new(buffer, Some(sent));
            let mut outcome = self.read(&text, replaced, &mut frames);
            frames.finish();
            let numbered = frames
                .numbered(sent.first)
                .ok_or_else(|| senders::Error::Overflow {
                    first: sent.first,
                    items: frames.items(),
                })?;
            let taken = senders.take(journal, sent, &numbered, Moment::now())?;
            outcome.accepted = taken.accepted;
            outcome.duplicates = taken.duplicates;
            outcome.appended = taken.appended;
            Ok(outcome)
        })
    }

    /// Reads the items of a body into frames.
    fn read(&self, text: &str, replaced: bool, frames: &mut Frames<'_>) -> Outcome {
        let now = now();
        let mut accepted = 0;
        let mut rejected = Rejected::default();
        let mut items = Items::new(text);
        let mut index = 0;
        loop {
            let before = items.rest();
            let Some(item) = items.next() else { break };
            match item {
                Ok((mut record, mut flaws)) => {
                    // Only a body with bad bytes is searched for their replacement.
                    let item = before
                        .get(..before.len() - items.rest().len())
                        .unwrap_or_default();
                    if replaced && item.contains(char::REPLACEMENT_CHARACTER) {
                        flaws.insert(Flaws::UTF8);
                    }
                    self.complete(&mut record, flaws, now);
                    frames.push(&record);
                    accepted += 1;
                }
                Err(error) => {
                    self.metrics.rejected(&error);
                    rejected.push(index, &error);
                    frames.refuse();
                }
            }
            index += 1;
        }
        if index == 0 && !text.trim_ascii_start().starts_with('[') {
            rejected.push(0, &"the body is empty");
        }
        Outcome {
            accepted,
            duplicates: 0,
            rejected: rejected.into_entries(),
            appended: Vec::new(),
        }
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
pub const REASONS: [&str; 7] = [
    "syntax",
    "not_an_object",
    "no_known_key",
    "not_an_integer",
    "too_deep",
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
        DecodeError::TooManyBroken { .. } => "too_many_broken",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::wire;

    use super::*;

    #[test]
    fn a_body_that_does_not_fit_leaves_nothing_in_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let config = gatelog_journal::Config {
            max_bytes: 1 << 20,
            segment_bytes: 1 << 20,
            ..gatelog_journal::Config::default()
        };
        let journal = Journal::open(dir.path(), config).unwrap();
        let telemetry = crate::telemetry::Telemetry::default();
        let intake = Intake::new(1, IntakeMetrics::new(&telemetry));
        let item = format!(r#"{{"path":"{}"}}"#, "x".repeat(512 << 10));
        // The first of three would fit.
        let refused = intake.take(&journal, item.repeat(3).as_bytes());
        assert!(
            matches!(refused, Err(gatelog_journal::Error::Full { .. })),
            "{refused:?}"
        );
        // Had it stayed, there would be no room for this one.
        let taken = intake.take(&journal, item.as_bytes()).unwrap();
        assert_eq!((taken.accepted, taken.appended.len()), (1, 1));
    }

    #[test]
    fn every_record_gets_an_id_of_its_own_whatever_the_sender_gave() {
        let telemetry = crate::telemetry::Telemetry::default();
        let intake = Intake::new(1, IntakeMetrics::new(&telemetry));
        let item = r#"{"record_id":"019d1874-cca8-7000-8000-03ffffffffff","method":"GET"}"#;
        let mut buffer = Vec::new();
        let mut frames = Frames::new(&mut buffer, None);
        let outcome = intake.read(&format!("{item}\n{item}"), false, &mut frames);
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
