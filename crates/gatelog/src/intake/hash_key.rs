//! The key of hashes that stand in the place of secrets.
//!
//! **Shape.** It is configured, or in a file that is; else it is random, and in the data directory so
//! that the same value has the same hash after a restart.
//!
//! **Invariants.** A key that was made is on stable storage before anything is hashed with it, and only
//! its owner can read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use gatelog_redact::{How, Redact};

/// The file below the data directory.
const FILE: &str = "redact.key";

/// Bytes of a key that is made: as many as the hash has.
const BYTES: usize = 32;

/// The key, if one is needed that does not stand in the configuration itself.
///
/// # Errors
/// The system's, for the file.
pub fn of(config: &Redact, data_dir: &Path) -> io::Result<Option<Vec<u8>>> {
    if config.how != How::Hash || config.hash_key.is_some() {
        return Ok(None);
    }
    if let Some(path) = &config.hash_key_file {
        return named(fs::read(path), path).map(Some);
    }
    let path = data_dir.join(FILE);
    match fs::read(&path) {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            named(make(data_dir, &path), &path).map(Some)
        }
        Err(error) => named(Err(error), &path),
    }
}

/// Makes a key. One that a crash has left unfinished has another name.
fn make(data_dir: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let unfinished = path.with_extension("key.new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(data_dir)?.sync_all()?;
    tracing::info!(path = %path.display(), "a key was made for the hashes of redacted values");
    Ok(key)
}

/// The error with the file's name.
fn named<T>(result: io::Result<T>, path: &Path) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn config(json: serde_json::Value) -> Redact {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_only_when_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let of = |json| of(&config(json), dir.path());
        assert_eq!(of(serde_json::json!({})).unwrap(), None);
        let given = serde_json::json!({"how": "hash", "hash_key": "0123456789abcdef"});
        assert_eq!(of(given).unwrap(), None);
        assert!(!dir.path().join(FILE).exists());
        let hash = serde_json::json!({"how": "hash"});
        let key = of(hash.clone()).unwrap().unwrap();
        assert!(key.len() == BYTES && key != vec![0; BYTES]);
        assert_eq!(of(hash).unwrap(), Some(key));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other");
        let config = config(serde_json::json!({"how": "hash", "hash_key_file": path}));
        let error = of(&config, dir.path()).unwrap_err().to_string();
        assert!(error.contains("other: "), "{error}");
        fs::write(&path, "0123456789abcdef").unwrap();
        assert_eq!(
            of(&config, dir.path()).unwrap().unwrap(),
            b"0123456789abcdef"
        );
    }
}
