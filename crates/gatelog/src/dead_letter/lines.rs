//! Letters of lines that are no records, from files that are followed.
//!
//! **Shape.** `dead-letter/files.lines`: JSON objects, one a line. `line` is the line of the log, without
//! the secrets that are known; `dead_letter_file` and `dead_letter_byte` say where it stands, and
//! `dead_letter_bytes` how long it is there. It is no record, so `POST /ingest` does not take a letter;
//! `jq -r .line files.lines | gatelog import --format FORMAT -` reads the lines by another format.

use std::fmt::Write as _;
use std::io;

use gatelog_journal::Position;
use gatelog_record::{Timestamp, json};
use serde::Deserialize;

use super::Kept;
use super::letter_file::LetterFile;
use crate::place::Place;

/// A line of a log that is no record.
#[derive(Clone, Copy, Debug)]
pub struct LineLetter<'l> {
    /// The file's name.
    pub file: &'l str,
    /// Which file it is: a renamed one has the same.
    pub key: &'l str,
    /// Its first byte in the file, from 0.
    pub offset: u64,
    /// Its bytes in the file.
    pub bytes: u64,
    /// Why it is no record, without secrets.
    pub reason: &'l str,
    /// The line, or the beginning of a long one, without secrets.
    pub line: &'l str,
}

/// The letters of all files.
#[derive(Debug)]
pub struct LineLetters(pub(super) LetterFile);

/// Where a letter comes from.
#[derive(Deserialize)]
struct Mark {
    #[serde(rename = "dead_letter_file_key")]
    key: String,
    #[serde(rename = "dead_letter_byte")]
    offset: u64,
}

impl LineLetters {
    /// Appends letters, durably, as far as there is room.
    ///
    /// # Errors
    /// The system's. None of the letters is kept: try again.
    pub fn keep<'l>(
        &self,
        letters: impl Iterator<Item = LineLetter<'l>>,
        now: Timestamp,
    ) -> io::Result<Kept> {
        let lines = letters.map(|letter| {
            let write = move |out: &mut String| letter.write(now, out);
            (Place::behind(Position::START), write)
        });
        self.0.append(lines)
    }

    /// Cuts the last letters for as long as `goes` says so of the key and the byte, and a last line
    /// that a crash left unfinished.
    ///
    /// # Errors
    /// The system's.
    pub fn cut(&self, goes: impl Fn(&str, u64) -> bool) -> io::Result<()> {
        self.0.cut_where(|line| {
            let mark = serde_json::from_slice(line);
            mark.is_ok_and(|Mark { key, offset }| goes(&key, offset))
        })
    }
}

impl LineLetter<'_> {
    fn write(&self, now: Timestamp, out: &mut String) {
        out.push_str("{\"dead_letter_reason\":");
        json::write_text(self.reason, out);
        out.push_str(",\"dead_letter_time\":");
        json::write_text(&now.to_rfc3339_millis(), out);
        out.push_str(",\"dead_letter_source\":\"file\",\"dead_letter_file\":");
        json::write_text(self.file, out);
        out.push_str(",\"dead_letter_file_key\":");
        json::write_text(self.key, out);
        let Self { offset, bytes, .. } = self;
        // Writing to a text does not fail.
        let _written = write!(
            out,
            ",\"dead_letter_byte\":{offset},\"dead_letter_bytes\":{bytes},\"line\":"
        )
        .is_ok();
        json::write_text(self.line, out);
        out.push_str("}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::DeadLetters;
    use super::*;

    #[test]
    fn letters_behind_a_place_are_cut_and_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let all = DeadLetters::open(dir.path(), 1 << 20, "journal").unwrap();
        let letters = all.of_lines();
        let keep = |key, offset| {
            let letter = LineLetter {
                file: "a\"b.log",
                key,
                offset,
                bytes: 4,
                reason: "no",
                line: "x\"\u{1}y",
            };
            letters
                .keep([letter].into_iter(), Timestamp::EPOCH)
                .unwrap();
        };
        letters.cut(|_, _| true).unwrap();
        for (key, offset) in [("a", 10), ("b", 50), ("a", 20), ("b", 60)] {
            keep(key, offset);
        }
        letters
            .cut(|key, offset| offset >= if key == "a" { 15 } else { 55 })
            .unwrap();
        let path = dir.path().join("dead-letter/files.lines");
        let text = std::fs::read_to_string(path).unwrap();
        let read = text.lines().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["line"], "x\"\u{1}y");
            assert_eq!(value["dead_letter_file"], "a\"b.log");
            value["dead_letter_byte"].as_u64().unwrap()
        });
        assert_eq!(read.collect::<Vec<_>>(), [10, 50]);
    }
}
