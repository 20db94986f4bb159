//! What a file begins with: to tell it from another one that got its inode.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of a file that are looked at: a handful of lines, of which each has a time in it.
pub(super) const WHOLE_BYTES: u64 = 1024;

/// A hash of the first bytes of a file, of as many as it had when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Fingerprint {
    /// How many bytes.
    pub(super) bytes: u64,
    hash: u64,
}

impl Fingerprint {
    fn of(head: &[u8]) -> Self {
        let mut hash = [0; 8];
        for (to, from) in hash.iter_mut().zip(Sha256::digest(head)) {
            *to = from;
        }
        Self {
            bytes: head.len() as u64,
            hash: u64::from_le_bytes(hash),
        }
    }

    /// That of a file which is known by this one and may have grown; `None` when it is another file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn grown(self, file: &File) -> io::Result<Option<Self>> {
        let head = head(file)?;
        let known = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        match head.get(..known) {
            Some(known) if self.bytes == 0 || Self::of(known) == self => Ok(Some(Self::of(&head))),
            _ => Ok(None),
        }
    }
}

/// The first bytes of a file, as many as there are.
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; usize::try_from(WHOLE_BYTES).unwrap_or_default()];
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_grows_stays_the_same_and_one_with_another_head_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let grown = |before: Fingerprint, content: &str| {
            fs::write(&path, content).unwrap();
            before.grown(&File::open(&path).unwrap()).unwrap()
        };
        let empty = Fingerprint::default();
        let short = grown(empty, "abc\n").unwrap();
        assert_eq!(short.bytes, 4);
        let long = grown(short, &"abc\n".repeat(1000)).unwrap();
        assert_eq!(long.bytes, WHOLE_BYTES);
        assert_eq!(grown(long, &"abc\n".repeat(2000)), Some(long));
        assert_eq!(grown(long, "abc\n"), None, "cut");
        assert_eq!(grown(long, &"abd\n".repeat(1000)), None);
        assert_eq!(grown(short, "abd\nabc\n"), None);
        assert_eq!(grown(short, ""), None);
    }
}
