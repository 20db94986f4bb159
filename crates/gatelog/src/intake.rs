//! From a body to frames of the journal: every item read, completed and appended.
//!
//! **Shape.** Bodies come in, an [`Outcome`] goes out: how many records were appended, which items
//! were refused and why, and the answers of the journal to await.
//!
//! **Invariants.** A record that is counted as accepted is in a frame that was appended; a frame is
//! read whole or not at all. Records of a large body are spread over several frames, so that a
//! store's batch has a size of ours and not of the sender's.
//!
//! **Limits.** Frames of about [`FRAME_BYTES`]. After [`MAX_REJECTED`] refused items the rest of
//! the body is not read, and that is what the last entry of the answer says: otherwise a body of
//! single digits would make an answer many times its size.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use gatelog_journal::{Appended, Journal};
use gatelog_record::{AccessRecord, DecodeError, Flaws, RecordIds, Timestamp, wire};

use crate::decode::{self, Items};
use crate::telemetry::IntakeMetrics;

/// A frame is appended when it has grown to this.
const FRAME_BYTES: usize = 512 << 10;

/// Refused items that are listed in an answer.
pub const MAX_REJECTED: usize = 1000;

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
    /// Items refused: their place in the body, counted from 0, and why.
    pub rejected: Vec<(u64, String)>,
    /// The journal's answers.
    pub appended: Vec<Appended>,
}

thread_local! {
    /// Frames are built in a buffer that each thread keeps.
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
    /// The journal's. Frames before the refused one were appended; the sender is to send the body
    /// again, and what was appended may then be stored twice.
    pub fn take(&self, journal: &Journal, body: &[u8]) -> gatelog_journal::Result<Outcome> {
        let (text, replaced) = decode::text(body);
        FRAME.with_borrow_mut(|frame| self.append(journal, &text, replaced, frame))
    }

    fn append(
        &self,
        journal: &Journal,
        text: &str,
        replaced: bool,
        frame: &mut Vec<u8>,
    ) -> gatelog_journal::Result<Outcome> {
        let now = now();
        let mut outcome = Outcome::default();
        let mut in_frame = 0;
        frame.clear();
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
                    if frame.is_empty() {
                        wire::begin_batch(frame);
                    }
                    wire::write_record(&record, frame);
                    in_frame += 1;
                    outcome.accepted += 1;
                    if frame.len() >= FRAME_BYTES {
                        outcome.appended.push(journal.append(frame, in_frame)?);
                        frame.clear();
                        in_frame = 0;
                    }
                }
                Err(error) => {
                    self.metrics.rejected(&error);
                    outcome.rejected.push((index, error.to_string()));
                }
            }
            index += 1;
            if outcome.rejected.len() >= MAX_REJECTED {
                let rest =
                    format!("{MAX_REJECTED} items were refused: the body was read no further");
                outcome.rejected.push((index, rest));
                break;
            }
        }
        if in_frame > 0 {
            outcome.appended.push(journal.append(frame, in_frame)?);
        }
        if index == 0 && !text.trim_ascii_start().starts_with('[') {
            outcome.rejected.push((0, "the body is empty".to_owned()));
        }
        Ok(outcome)
    }

    /// Counts records whose frames are durable.
    pub fn count_acknowledged(&self, records: u64) {
        self.metrics.accepted.increment(records);
    }

    /// Gives the record what only the receiver knows.
    fn complete(&self, record: &mut AccessRecord<'_>, mut flaws: Flaws, now: Timestamp) {
        record.receive_time = Some(now);
        if record.start_time.is_none() {
            record.start_time = Some(now);
            flaws.insert(Flaws::START_TIME);
        }
        if record.record_id.is_none() {
            record.record_id = Some(self.ids.next(now));
        }
        if flaws != Flaws::NONE {
            record.flaws = flaws.to_field();
            self.metrics.flawed(flaws);
        }
    }
}

/// The time of day, to the microsecond.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The word for a refusal in `/metrics`.
pub fn reason(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Syntax(_) => "syntax",
        DecodeError::NotAnObject { .. } => "not_an_object",
        DecodeError::NoKnownKey => "no_known_key",
        DecodeError::NotAnInteger { .. } => "not_an_integer",
        DecodeError::TooDeep { .. } => "too_deep",
        _ => "other",
    }
}
