//! Records that a store will never take: kept in files, with the reason, to be mended and sent
//! again.
//!
//! **Shape.** `dead-letter/<store>.ndjson`, a record in gatelog's wire form a line, with three keys
//! more: `dead_letter_reason`, `dead_letter_time`, `dead_letter_store`. `POST /ingest` takes the
//! lines back as they are, as it passes over keys it does not know.
//!
//! **Limits.** At `max_bytes` for all files together records are dropped and counted.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gatelog_record::{AccessRecord, Timestamp, json};

/// Where the dead letters of one store are kept.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    dir: PathBuf,
    store: &'static str,
    max_bytes: u64,
}

impl DeadLetter {
    /// The dead letter of a store, below the data directory.
    pub fn new(data_dir: &Path, store: &'static str, max_bytes: u64) -> Self {
        Self {
            dir: data_dir.join("dead-letter"),
            store,
            max_bytes,
        }
    }

    /// Appends records with the reasons against them, durably, as far as there is room; answers how
    /// many were kept.
    ///
    /// # Errors
    /// The system's. None of the records is kept.
    pub fn push<'r, 'a: 'r>(
        &self,
        letters: impl Iterator<Item = (&'r AccessRecord<'a>, &'r str)>,
        now: Timestamp,
    ) -> io::Result<u64> {
        fs::create_dir_all(&self.dir)?;
        let room = self.max_bytes.saturating_sub(self.used_bytes()?);
        let (mut lines, mut kept) = (String::new(), 0);
        for (record, reason) in letters {
            let before = lines.len();
            self.write_line(record, reason, now, &mut lines);
            if lines.len() as u64 > room {
                lines.truncate(before);
                break;
            }
            kept += 1;
        }
        let path = self.dir.join(format!("{}.ndjson", self.store));
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        let written = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Half a line would spoil the next one.
            file.set_len(length)?;
            return Err(error);
        }
        Ok(kept)
    }

    fn write_line(
        &self,
        record: &AccessRecord<'_>,
        reason: &str,
        now: Timestamp,
        out: &mut String,
    ) {
        json::write(record, out);
        out.pop();
        out.push_str(",\"dead_letter_reason\":");
        json::write_text(reason, out);
        out.push_str(",\"dead_letter_time\":");
        json::write_text(&now.to_rfc3339_millis(), out);
        out.push_str(",\"dead_letter_store\":");
        json::write_text(self.store, out);
        out.push_str("}\n");
    }

    fn used_bytes(&self) -> io::Result<u64> {
        fs::read_dir(&self.dir)?
            .map(|entry| Ok(entry?.metadata()?.len()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::standard;

    use super::*;

    #[test]
    fn a_line_is_a_record_again() {
        let dir = tempfile::tempdir().unwrap();
        let dead_letter = DeadLetter::new(dir.path(), "mysql", 10_000);
        let record = standard::record(1, Timestamp::EPOCH);
        let letter = [(&record, "too \"odd\"")];
        assert_eq!(
            dead_letter
                .push(letter.into_iter(), Timestamp::EPOCH)
                .unwrap(),
            1
        );
        let lines = fs::read_to_string(dir.path().join("dead-letter/mysql.ndjson")).unwrap();
        let (read, _) = json::read(&lines).unwrap();
        assert_eq!(read.trace_id, record.trace_id);
        let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
        assert_eq!(line["dead_letter_reason"], "too \"odd\"");
        assert_eq!(line["dead_letter_store"], "mysql");
    }

    #[test]
    fn a_full_dead_letter_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let dead_letter = DeadLetter::new(dir.path(), "lake", 3000);
        let record = standard::record(1, Timestamp::EPOCH);
        let letters = [(&record, "r"); 5];
        assert_eq!(
            dead_letter
                .push(letters.into_iter(), Timestamp::EPOCH)
                .unwrap(),
            2
        );
        assert_eq!(
            dead_letter
                .push(letters.into_iter(), Timestamp::EPOCH)
                .unwrap(),
            0
        );
    }
}
