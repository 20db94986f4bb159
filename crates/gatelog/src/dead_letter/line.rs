//! A letter as a line of text.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatelog_journal::Position;
use gatelog_record::{AccessRecord, Timestamp, json};
use serde::Deserialize;

use crate::place::Place;

/// A record for the dead letter.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'r, 'a> {
    /// The record.
    pub record: &'r AccessRecord<'a>,
    /// Why it is not passed on, without the record's contents.
    pub reason: &'r str,
    /// The place behind what is committed with it.
    pub place: Place,
}

/// A frame whose checksum is right and whose records cannot be decoded.
#[derive(Clone, Debug)]
pub struct UnreadableFrame<'f> {
    /// Its bytes.
    pub payload: &'f [u8],
    /// How many records it has, by its head.
    pub records: u32,
    /// What is wrong with it.
    pub reason: String,
    /// The journal position behind it.
    pub position: Position,
}

/// What the lines of a reader have in common.
#[derive(Debug)]
pub(super) struct Origin {
    /// `dead_letter_store` or `dead_letter_output`.
    pub(super) key: &'static str,
    pub(super) name: String,
    pub(super) journal: Arc<str>,
}

impl Origin {
    pub(super) fn write_letter(&self, letter: &Letter<'_, '_>, now: Timestamp, out: &mut String) {
        json::write(letter.record, out);
        // Behind the record's keys, of which there is at least one.
        out.pop();
        out.push(',');
        self.write_keys(letter.reason, letter.place, now, out);
        out.push_str("}\n");
    }

    pub(super) fn write_frame(
        &self,
        frame: &UnreadableFrame<'_>,
        now: Timestamp,
        out: &mut String,
    ) {
        out.push('{');
        self.write_keys(&frame.reason, Place::behind(frame.position), now, out);
        // Writing to a text does not fail.
        let _written = write!(out, ",\"records\":{},\"frame\":\"", frame.records).is_ok();
        STANDARD.encode_string(frame.payload, out);
        out.push_str("\"}\n");
    }

    fn write_keys(&self, reason: &str, place: Place, now: Timestamp, out: &mut String) {
        out.push_str("\"dead_letter_reason\":");
        json::write_text(reason, out);
        out.push_str(",\"dead_letter_time\":");
        json::write_text(&now.to_rfc3339_millis(), out);
        let _written = write!(out, ",\"{}\":", self.key).is_ok();
        json::write_text(&self.name, out);
        out.push_str(",\"dead_letter_journal\":");
        json::write_text(&self.journal, out);
        let position = place.frame_end();
        let _written = write!(out, ",\"dead_letter_position\":{position}").is_ok();
        if let Some(records) = place.records() {
            let _written = write!(out, ",\"dead_letter_record\":{records}").is_ok();
        }
    }
}

/// Where a line comes from.
#[derive(Deserialize)]
struct Mark {
    #[serde(rename = "dead_letter_journal")]
    journal: String,
    #[serde(rename = "dead_letter_position")]
    position: u64,
    #[serde(rename = "dead_letter_record")]
    record: Option<u32>,
}

/// Whether a line is a letter of this journal behind this place. What is no letter, or was written
/// without these keys, is not.
pub(super) fn is_behind(line: &[u8], journal: &str, place: Place) -> bool {
    serde_json::from_slice(line).is_ok_and(|mark: Mark| {
        let position = Position::new(mark.position);
        let of = match mark.record {
            Some(records) => Place::within(position, records),
            None => Place::behind(position),
        };
        mark.journal == journal && of > place
    })
}
