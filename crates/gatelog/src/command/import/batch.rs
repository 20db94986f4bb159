//! Records of a file that are sent together, under a key of their own.
//!
//! **Invariants.** A key is a hash of all that was sent of the file up to the end of its batch, so that
//! the same content has the same keys whatever the file is called and however it is compressed, and
//! batches that are alike at two places of a file have two keys. As a file is cut by numbers of records
//! and bytes alone, a second import of it makes the same batches.
//!
//! **Limits.** [`BATCH_BYTES`], or one record. A file that has grown since makes another batch of what
//! was its last one: those records are taken twice.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use super::rejects::Place;

/// A batch is full when it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Bytes of the hash that a key has.
const KEY_BYTES: usize = 16;

/// A record of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Where it stands in the file.
    pub(super) place: Place,
    /// Where it ends in the body.
    end: usize,
}

/// Records to send, as the body of a request.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) file: Arc<str>,
    /// Its `Idempotency-Key`.
    pub(super) key: String,
    pub(super) body: Bytes,
    pub(super) items: Vec<Item>,
}

/// Makes batches of the records of one file.
#[derive(Debug)]
pub(super) struct Batches {
    pub(super) file: Arc<str>,
    most_records: usize,
    chain: [u8; 32],
    body: Vec<u8>,
    items: Vec<Item>,
}

impl Batches {
    /// Of a file with this name, each of so many records; `again` gives them keys of no other import.
    pub(super) fn new(file: Arc<str>, most_records: u64, again: bool) -> Self {
        let mut chain = [0; 32];
        if again {
            // The seed of the standard library's hash maps: random, and at hand.
            let random = RandomState::new().hash_one(0).to_le_bytes();
            chain = Sha256::digest(random).into();
        }
        Self {
            file,
            most_records: usize::try_from(most_records).unwrap_or(usize::MAX),
            chain,
            body: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Adds a record; answers the batch that is full with it.
    pub(super) fn push(&mut self, record: &[u8], place: Place) -> Option<Batch> {
        self.body.extend_from_slice(record);
        self.body.push(b'\n');
        let end = self.body.len();
        self.items.push(Item { place, end });
        let full = self.items.len() >= self.most_records || end >= BATCH_BYTES;
        full.then(|| self.seal())
    }

    /// The records behind the last full batch.
    pub(super) fn rest(&mut self) -> Option<Batch> {
        (!self.items.is_empty()).then(|| self.seal())
    }

    fn seal(&mut self) -> Batch {
        let body = Bytes::from(std::mem::take(&mut self.body));
        self.chain = Sha256::new()
            .chain_update(self.chain)
            .chain_update(&body)
            .finalize()
            .into();
        let mut key = "import-".to_owned();
        for byte in self.chain.iter().take(KEY_BYTES) {
            // Writing to a text does not fail.
            let _written = write!(key, "{byte:02x}").is_ok();
        }
        Batch {
            file: Arc::clone(&self.file),
            key,
            body,
            items: std::mem::take(&mut self.items),
        }
    }
}

impl Batch {
    /// The record with this number in the batch, with its place in the file.
    pub(super) fn item(&self, index: usize) -> Option<(Place, &[u8])> {
        let item = self.items.get(index)?;
        let begin = self.begin(index);
        // Without the line break between records.
        let record = self.body.get(begin..item.end)?;
        Some((item.place, record.strip_suffix(b"\n").unwrap_or(record)))
    }

    /// Its two halves under keys of their own; `None` when it has one record.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let middle = self.items.len() / 2;
        if middle == 0 {
            return None;
        }
        let at = self.begin(middle);
        let half = |name: char, body: Bytes, items: &[Item], less: usize| Self {
            file: Arc::clone(&self.file),
            key: format!("{}{name}", self.key),
            body,
            items: items
                .iter()
                .map(|item| Item {
                    place: item.place,
                    end: item.end - less,
                })
                .collect(),
        };
        let (first, second) = self.items.split_at_checked(middle)?;
        Some([
            half('a', self.body.slice(..at), first, 0),
            half('b', self.body.slice(at..), second, at),
        ])
    }

    fn begin(&self, index: usize) -> usize {
        let before = index
            .checked_sub(1)
            .and_then(|before| self.items.get(before));
        before.map_or(0, |item| item.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(records: &[&str], most: u64) -> Vec<Batch> {
        let mut batches = Batches::new("f".into(), most, false);
        let mut all = Vec::new();
        for (line, record) in (1..).zip(records) {
            let place = Place { line, byte: 0 };
            all.extend(batches.push(record.as_bytes(), place));
        }
        all.extend(batches.rest());
        all
    }

    fn keys(records: &[&str], most: u64) -> Vec<String> {
        batches(records, most)
            .into_iter()
            .map(|batch| batch.key)
            .collect()
    }

    #[test]
    fn a_key_is_that_of_all_content_up_to_its_batch() {
        let all = keys(&["a", "b", "a", "b", "c"], 2);
        assert_eq!(all.len(), 3);
        assert_ne!(all[0], all[1], "alike, but at another place");
        assert_eq!(keys(&["a", "b", "a", "b", "c"], 2), all);
        assert_eq!(keys(&["a", "b", "a", "b", "c", "d"], 2)[..2], all[..2]);
        let other = keys(&["a", "x", "a", "b", "c"], 2);
        assert!(other.iter().all(|key| !all.contains(key)), "another file");
        assert!(all.iter().all(|key| key.len() < 200));
    }

    #[test]
    fn halves_have_the_records_of_the_whole() {
        let whole = &batches(&["a", "bb", "ccc"], 10)[0];
        let [first, second] = whole.halves().unwrap();
        assert_eq!(
            (&first.body[..], &second.body[..]),
            (&b"a\n"[..], &b"bb\nccc\n"[..])
        );
        let (place, record) = second.item(1).unwrap();
        assert_eq!((place.line, record), (3, &b"ccc"[..]));
        assert!(first.halves().is_none());
        assert_ne!(first.key, second.key);
        assert!(whole.item(3).is_none());
    }
}
