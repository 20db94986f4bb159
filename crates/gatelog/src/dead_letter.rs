//! Records that a reader will never pass on: kept in files, with the reason, to be mended and sent
//! again.
//!
//! **Shape.**
//!
//! ```text
//! dead-letter/mysql.ndjson           the newest letters of the store mysql
//! dead-letter/mysql.000001.ndjson    older ones: a file of 64 MiB is named so, and a new one begun
//! dead-letter/output-NAME.ndjson     the letters of an output
//! dead-letter/mysql.frames           frames of the journal that mysql's reader could not decode
//! dead-letter/files.lines            lines of followed log files that are no records
//! ```
//!
//! A line is a record in gatelog's wire form with these keys more: `dead_letter_reason`,
//! `dead_letter_time`, `dead_letter_store` (or `dead_letter_output`), `dead_letter_journal`,
//! `dead_letter_position` and, of an output, `dead_letter_record`: its number in its frame, from 1.
//! `POST /ingest` takes the lines back as they are, as it passes over keys it does not know.
//!
//! **Frames.** A frame whose checksum is right and whose records cannot be decoded was not damaged:
//! a newer gatelog has written it, or one of the two versions is wrong. Most likely somebody has gone
//! back to an older version while records waited in the journal. A line of `.frames` has the keys
//! above, how many records the frame has by its head (`records`), and its bytes as base64 (`frame`).
//! It is no record, so `/ingest` does not take it, and no command reads it: the gatelog that could
//! would not have put it aside. What an operator does with it: keep the file; `dead_letter_reason`
//! says what could not be read, for instance another version of the form. `jq -r .frame | base64 -d`
//! gives the bytes, for a program with the `gatelog-record` of the version that has written them
//! (`wire::read_batch`), which can write them as JSON for `/ingest`. The same frame is set aside by
//! each reader that comes by, so only one reader's file is to be sent again, unless stores differ.
//!
//!
//! **Invariants.** Each letter is there once, if its reader keeps its position with what it stores.
//! A letter is on stable storage before the place behind it is committed, and carries that place:
//! after a crash the reader [cuts](DeadLetter::cut_behind) the letters behind the place from which it
//! goes on, as it will give them again.
//!
//! **Limits.** `max_bytes` for all files together, however they came there; beyond it letters are
//! dropped, which [`Kept`] tells. Files that are removed make room within [`room::RECOUNT`].
//!
//! **Failure.** A disk that refuses is no reason to drop anything: the reader waits, and tries again.

mod cut;
mod letter_file;
mod line;
mod lines;
mod room;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use gatelog_record::Timestamp;

use self::letter_file::LetterFile;
use self::line::Origin;
pub use self::line::{Letter, UnreadableFrame};
pub use self::lines::{LineLetter, LineLetters};
use self::room::Room;
use crate::place::Place;

/// The dead letters of all readers, below one cap.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    room: Arc<Room>,
    journal: Arc<str>,
}

/// What became of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Letters on stable storage.
    pub kept: u64,
    /// Letters for which there was no room below the cap. The caller counts them.
    pub dropped: u64,
}

impl DeadLetters {
    /// The dead letters below the data directory, of readers of this journal.
    ///
    /// # Errors
    /// The system's, for making and listing the directory.
    pub fn open(data_dir: &Path, max_bytes: u64, journal: &str) -> io::Result<Self> {
        let dir = data_dir.join("dead-letter");
        fs::create_dir_all(&dir)?;
        Ok(Self {
            room: Arc::new(Room::open(dir, max_bytes)?),
            journal: journal.into(),
        })
    }

    /// The dead letter of a store.
    pub fn of_store(&self, name: &str) -> DeadLetter {
        self.of(name, "dead_letter_store", name)
    }

    /// The dead letter of an output: `reader` is the name of its reader, and of its files.
    pub fn of_output(&self, name: &str, reader: &str) -> DeadLetter {
        self.of(reader, "dead_letter_output", name)
    }

    /// The dead letter of lines of log files.
    pub fn of_lines(&self) -> LineLetters {
        LineLetters(LetterFile::new(Arc::clone(&self.room), "files", "lines"))
    }

    fn of(&self, stem: &str, key: &'static str, name: &str) -> DeadLetter {
        DeadLetter {
            records: LetterFile::new(Arc::clone(&self.room), stem, "ndjson"),
            frames: LetterFile::new(Arc::clone(&self.room), stem, "frames"),
            origin: Origin {
                key,
                name: name.to_owned(),
                journal: Arc::clone(&self.journal),
            },
        }
    }

    /// Bytes of all files together, as they count towards the cap.
    pub fn used_bytes(&self) -> u64 {
        self.room.used_bytes()
    }
}

/// The dead letter of one reader. Its methods block on the disk.
#[derive(Debug)]
pub struct DeadLetter {
    records: LetterFile,
    frames: LetterFile,
    origin: Origin,
}

impl DeadLetter {
    /// Appends letters, durably, as far as there is room. Their places do not decrease, also
    /// not from call to call.
    ///
    /// # Errors
    /// The system's. None of the letters is kept: try again.
    pub fn keep<'r, 'a: 'r>(
        &self,
        letters: impl Iterator<Item = Letter<'r, 'a>>,
        now: Timestamp,
    ) -> io::Result<Kept> {
        let lines = letters.map(|letter| {
            let write = move |out: &mut String| self.origin.write_letter(&letter, now, out);
            (letter.place, write)
        });
        self.records.append(lines)
    }

    /// Appends frames that could not be decoded, as [`keep`](Self::keep).
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub fn keep_frames<'r, 'f: 'r>(
        &self,
        frames: impl Iterator<Item = &'r UnreadableFrame<'f>>,
        now: Timestamp,
    ) -> io::Result<Kept> {
        let lines = frames.map(|frame| {
            let write = move |out: &mut String| self.origin.write_frame(frame, now, out);
            (Place::behind(frame.position), write)
        });
        self.frames.append(lines)
    }

    /// Cuts the letters of this journal behind `place`, from which the reader goes on, and a
    /// last line that a crash left unfinished. Costs nothing when there can be none.
    ///
    /// # Errors
    /// The system's: the reader must not go on before it has succeeded.
    pub fn cut_behind(&self, place: Place) -> io::Result<()> {
        for file in [&self.records, &self.frames] {
            file.cut_behind(&self.origin.journal, place)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
