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

    /// Appends a record, durably; false when there is no room for it.
    ///
    /// # Errors
    /// The system's. The record is not kept: try again, or the record is lost.
    pub fn push(
        &self,
        record: &AccessRecord<'_>,
        reason: &str,
        now: Timestamp,
    ) -> io::Result<bool> {
        fs::create_dir_all(&self.dir)?;
        let mut line = String::new();
        json::write(record, &mut line);
        line.truncate(line.len() - 1);
        line.push_str(",\"dead_letter_reason\":");
        json::write_text(reason, &mut line);
        line.push_str(",\"dead_letter_time\":");
        json::write_text(&now.to_rfc3339_millis(), &mut line);
        line.push_str(",\"dead_letter_store\":");
        json::write_text(self.store, &mut line);
        line.push_str("}\n");
        if self.used_bytes()? + line.len() as u64 > self.max_bytes {
            return Ok(false);
        }
        let path = self.dir.join(format!("{}.ndjson", self.store));
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        Ok(true)
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
        assert!(
            dead_letter
                .push(&record, "too \"odd\"", Timestamp::EPOCH)
                .unwrap()
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
        let dead_letter = DeadLetter::new(dir.path(), "lake", 2000);
        let record = standard::record(1, Timestamp::EPOCH);
        assert!(dead_letter.push(&record, "r", Timestamp::EPOCH).unwrap());
        assert!(!dead_letter.push(&record, "r", Timestamp::EPOCH).unwrap());
    }
}
