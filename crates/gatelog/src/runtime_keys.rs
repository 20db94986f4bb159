//! Runtime keys: what `PATCH /runtime` has set, in the filters and on disk.
//!
//! **Shape.** The values are in a [`Runtime`], which the filter reads at each decision, and in one file
//! below the data directory: a JSON object in the form of the request's body, without `null`.
//!
//! **Invariants.** A change is on stable storage before it counts and before it is answered; all of its
//! keys count or none. The file is there whole or as it was before: it is written beside, synced,
//! renamed, and the directory is synced. What counts is always what the file has.
//!
//! **Failure.** A file that cannot be written leaves the keys as they were: where the directory cannot be
//! synced, what the file had is put back. If not even that can be done the change counts, and the error
//! says so. One that cannot be read
//! prevents the start: what is kept would be something else than the operator has set.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gatelog_filter::{Runtime, RuntimeError};
use serde_json::{Map, Value};

use crate::whole_file::{NotReplaced, WholeFile, sync_directory};

/// The file below the data directory.
const FILE: &str = "runtime.json";

/// Anybody may read it.
const MODE: u32 = 0o644;

/// The keys, and their file.
#[derive(Debug)]
pub struct RuntimeKeys {
    runtime: Runtime,
    data_dir: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
}

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A value cannot be used.
    #[error(transparent)]
    Value(#[from] RuntimeError),
    /// They cannot be kept, and are as they were.
    #[error("the runtime keys cannot be written: {0}")]
    File(#[from] io::Error),
    /// They have changed, and it is not sure that they still have after a failure of the machine. The
    /// operator sets them again when the disk is well.
    #[error("the runtime keys have changed, and may be the former ones after a power failure: {0}")]
    Unsure(io::Error),
}

impl RuntimeKeys {
    /// The keys as they were set last, of this data directory.
    ///
    /// # Errors
    /// The file is there and cannot be read. The operator mends it, or removes it and sets anew what was
    /// in it.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let runtime = Runtime::default();
        match fs::read(&path) {
            Ok(bytes) => {
                let wrong =
                    |problem: String| io::Error::other(format!("{}: {problem}", path.display()));
                let keys: Map<String, Value> =
                    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
                let set = runtime.patch(&keys);
                set.map_err(|error| wrong(error.to_string()))?;
                if !keys.is_empty() {
                    tracing::info!(keys = keys.len(), "runtime keys are set");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let problem = format!("{}: {error}", path.display());
                return Err(io::Error::new(error.kind(), problem));
            }
        }
        Ok(Self {
            runtime,
            data_dir: data_dir.to_owned(),
            changing: Mutex::default(),
        })
    }

    /// The keys, to be read by a filter.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sets the keys of an object, `null` unsets one. It returns when they are on stable storage.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed, but for [`ChangeError::Unsure`].
    pub fn change(&self, changes: &Map<String, Value>) -> Result<(), ChangeError> {
        self.change_and(changes, sync_directory)
    }

    /// The same with another way to sync the directory.
    fn change_and(
        &self,
        changes: &Map<String, Value>,
        sync: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), ChangeError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // On a copy first: what is written is then sure to be taken.
        let copy = Runtime::default();
        copy.patch(&self.runtime.entries().into_iter().map(entry).collect())?;
        copy.patch(changes)?;
        let set = copy.entries().into_iter().map(entry);
        let set: Map<String, Value> = set.filter(|(_, value)| !value.is_null()).collect();
        let file = WholeFile::new(&self.data_dir, FILE, MODE);
        match file.replace_and(Value::Object(set).to_string().as_bytes(), sync) {
            Ok(()) => {}
            Err(NotReplaced::AsBefore(error)) => return Err(error.into()),
            Err(NotReplaced::Unsure(error)) => {
                self.runtime.patch(changes)?;
                return Err(ChangeError::Unsure(error));
            }
        }
        self.runtime.patch(changes)?;
        Ok(())
    }
}

fn entry((key, value): (String, Option<gatelog_filter::RuntimeValue>)) -> (String, Value) {
    let value = value.map_or(Value::Null, gatelog_filter::RuntimeValue::to_json);
    (key, value)
}

#[cfg(test)]
mod tests {
    use gatelog_filter::RuntimeValue;
    use serde_json::json;

    use super::*;

    fn change(keys: &RuntimeKeys, changes: &Value) -> Result<(), ChangeError> {
        keys.change(changes.as_object().unwrap())
    }

    #[test]
    fn what_is_set_is_there_after_a_restart_and_a_refused_change_leaves_all_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let keys = RuntimeKeys::open(dir.path()).unwrap();
        change(&keys, &json!({"a": 5, "b": {"numerator": 1}, "c": 7})).unwrap();
        change(&keys, &json!({"c": null, "d": "8"})).unwrap();
        assert!(change(&keys, &json!({"a": 6, "e": true})).is_err());
        let again = RuntimeKeys::open(dir.path()).unwrap();
        for keys in [&keys, &again] {
            let get = |key| keys.runtime().get(key);
            assert_eq!(get("a"), Some(RuntimeValue::Integer(5)));
            assert!(matches!(get("b"), Some(RuntimeValue::Fraction(_))));
            assert_eq!((get("c"), get("e")), (None, None));
            assert_eq!(get("d"), Some(RuntimeValue::Integer(8)));
        }
    }

    #[test]
    fn what_cannot_be_written_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let keys = RuntimeKeys::open(dir.path()).unwrap();
        fs::create_dir(dir.path().join("runtime.json.new")).unwrap();
        let error = change(&keys, &json!({"a": 5})).unwrap_err();
        assert!(matches!(error, ChangeError::File(_)), "{error}");
        assert_eq!(keys.runtime().get("a"), None);
    }

    #[test]
    fn what_counts_is_what_the_file_has_also_where_the_directory_cannot_be_synced() {
        let dir = tempfile::tempdir().unwrap();
        let keys = RuntimeKeys::open(dir.path()).unwrap();
        let fail = |_: &Path| Err(io::Error::other("no"));
        let change_and = |changes: Value, sync: &dyn Fn(&Path) -> io::Result<()>| {
            keys.change_and(changes.as_object().unwrap(), sync)
        };
        let value = || {
            let again = RuntimeKeys::open(dir.path()).unwrap();
            let both = [&keys, &again].map(|keys| keys.runtime().get("a"));
            assert_eq!(both[0], both[1]);
            both[0]
        };
        // No file before, then one.
        for before in [None, Some(RuntimeValue::Integer(5))] {
            let error = change_and(json!({"a": 6}), &fail).unwrap_err();
            assert!(matches!(error, ChangeError::File(_)), "{error}");
            assert_eq!(value(), before);
            change(&keys, &json!({"a": 5})).unwrap();
        }
        // Nor can what was before be put back.
        let beside = dir.path().join("runtime.json.new");
        let broken = |_: &Path| {
            fs::create_dir(&beside)?;
            Err(io::Error::other("no"))
        };
        let error = change_and(json!({"a": 7}), &broken).unwrap_err();
        assert!(matches!(error, ChangeError::Unsure(_)), "{error}");
        assert_eq!(value(), Some(RuntimeValue::Integer(7)));
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "[1]", r#"{"a":true}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = RuntimeKeys::open(dir.path()).unwrap_err();
            assert!(error.to_string().contains("runtime.json"), "{error}");
        }
    }
}
