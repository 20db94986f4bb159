//! How far each file was read, on disk.
//!
//! **Shape.** One file below the data directory, with an entry for each log file that is followed or was
//! seen lately. It is written beside, synced and renamed: it is there whole or as it was before.
//!
//! **Limits.** An entry is kept for [`KEPT_DAYS`] behind the last time that its file was seen, of at
//! most [`MAX_ENTRIES`] files.
//!
//! **Failure.** A file that cannot be read prevents the start: lines would be journaled again, or left
//! out.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// The file below the data directory.
const FILE: &str = "files.places";

const VERSION: u32 = 1;

/// How long a file is remembered that is nowhere to be seen.
const KEPT_DAYS: u64 = 7;

/// Files that are remembered.
pub(super) const MAX_ENTRIES: usize = 10_000;

const DAY_SECONDS: u64 = 86_400;

/// Which file of the system it is, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Place {
    /// The name under which the journal has its lines: no other content of a file has it.
    pub(super) key: String,
    /// Bytes that are done with.
    pub(super) offset: u64,
    /// Lines of these since the file is followed: the number of the next one.
    pub(super) line: u64,
    /// What the file begins with.
    pub(super) fingerprint: Fingerprint,
}

impl Place {
    /// At a byte of a file of which no line was taken.
    pub(super) fn begin(offset: u64, fingerprint: Fingerprint) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // The seed of the standard library's hash maps: random, and at hand.
        let random = RandomState::new();
        Self {
            key: format!("{:016x}{:016x}", random.hash_one(0), random.hash_one(1)),
            offset,
            line: 0,
            fingerprint,
        }
    }
}

/// A file, and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Entry {
    /// The path or pattern that has led to it.
    pub(super) path: String,
    /// Where it was seen last, without symbolic links.
    pub(super) file: PathBuf,
    #[serde(flatten)]
    pub(super) identity: Identity,
    #[serde(flatten)]
    pub(super) place: Place,
    /// When it was seen last, in seconds since 1970.
    pub(super) seen: u64,
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Content {
    version: u32,
    /// The paths and patterns that were looked for before.
    paths: BTreeSet<String>,
    files: Vec<Entry>,
}

/// The places as they are on disk.
#[derive(Debug)]
pub(super) struct Places {
    data_dir: PathBuf,
    saved: Content,
}

impl Places {
    /// As they were left.
    ///
    /// # Errors
    /// The file is there and cannot be read. The operator restores it, or removes it: then files are
    /// followed as if for the first time.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let wrong = |problem: String| io::Error::other(format!("{}: {problem}", path.display()));
        let saved = match fs::read(&path) {
            Ok(bytes) => {
                let content: Content =
                    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
                if content.version != VERSION {
                    let found = content.version;
                    return Err(wrong(format!(
                        "version {found}; this program reads version {VERSION}"
                    )));
                }
                content
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content {
                version: VERSION,
                paths: BTreeSet::new(),
                files: Vec::new(),
            },
            Err(error) => return Err(wrong(error.to_string())),
        };
        Ok(Self {
            data_dir: data_dir.to_owned(),
            saved,
        })
    }

    /// Whether this path or pattern was looked for before.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.saved.paths.contains(path)
    }

    /// All files.
    pub(super) fn files(&self) -> &[Entry] {
        &self.saved.files
    }

    /// The durable place of the file with this key.
    pub(super) fn of(&self, key: &str) -> Option<&Place> {
        let entry = self.saved.files.iter().find(|entry| entry.place.key == key);
        entry.map(|entry| &entry.place)
    }

    /// Makes durable how far these files are, and which paths are looked for. Others are kept for a
    /// while.
    ///
    /// # Errors
    /// The system's; on disk everything is as it was.
    pub(super) fn save(
        &mut self,
        paths: BTreeSet<String>,
        mut files: Vec<Entry>,
        now: u64,
    ) -> io::Result<()> {
        let identities: HashSet<_> = files.iter().map(|entry| entry.identity).collect();
        let keys: HashSet<_> = files.iter().map(|entry| entry.place.key.clone()).collect();
        let others = self.saved.files.iter().filter(|entry| {
            let is_recent = entry.seen + KEPT_DAYS * DAY_SECONDS > now;
            is_recent && !identities.contains(&entry.identity) && !keys.contains(&entry.place.key)
        });
        files.extend(others.cloned());
        // Those that are followed are the first.
        files.truncate(MAX_ENTRIES);
        let content = Content {
            version: VERSION,
            paths,
            files,
        };
        let beside = self.data_dir.join(format!("{FILE}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        gatelog_failpoint::disk("source.place_sync")?;
        file.sync_all()?;
        fs::rename(&beside, self.data_dir.join(FILE))?;
        File::open(&self.data_dir)?.sync_all()?;
        gatelog_failpoint::pass("source.place_saved");
        self.saved = content;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(inode: u64, seen: u64) -> Entry {
        Entry {
            path: "p".to_owned(),
            file: "/var/log/a.log".into(),
            identity: Identity { device: 1, inode },
            place: Place::begin(inode * 10, Fingerprint::default()),
            seen,
        }
    }

    #[test]
    fn what_is_saved_is_there_after_a_restart_and_old_ones_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut places = Places::open(dir.path()).unwrap();
        assert!(!places.knows("p"));
        let (one, other) = (entry(1, 0), entry(2, 0));
        let paths = BTreeSet::from(["p".to_owned()]);
        let both = vec![one.clone(), other.clone()];
        places.save(paths.clone(), both, 0).unwrap();
        let day = DAY_SECONDS;
        places
            .save(paths.clone(), vec![one.clone()], 6 * day)
            .unwrap();
        let mut places = Places::open(dir.path()).unwrap();
        assert!(places.knows("p"));
        assert_eq!(places.files(), [one.clone(), other.clone()]);
        assert_eq!(places.of(&other.place.key), Some(&other.place));
        // Another file has its inode now.
        let reused = Entry {
            seen: 7 * day,
            ..entry(2, 0)
        };
        places
            .save(paths.clone(), vec![reused.clone()], 6 * day)
            .unwrap();
        assert_eq!(places.files(), [reused.clone(), one]);
        places.save(paths, Vec::new(), 8 * day).unwrap();
        assert_eq!(places.files(), [reused]);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"version":2,"paths":[],"files":[]}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = Places::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("files.places"), "{error}");
        }
    }
}
