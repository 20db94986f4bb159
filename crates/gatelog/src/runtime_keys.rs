//! Runtime keys: what `PATCH /runtime` has set, in the filters and on disk.
//!
//! **Shape.** The values are in a [`Runtime`], which the filter reads at each decision, and in one file
//! below the data directory: a JSON object in the form of the request's body, without `null`.
//!
//! **Invariants.** A change is on stable storage before it counts and before it is answered; all of its
//! keys count or none. The file is there whole or as it was before: it is written beside, synced,
//! renamed, and the directory is synced.
//!
//! **Failure.** A file that cannot be written leaves the keys as they were. One that cannot be read
//! prevents the start: what is kept would be something else than the operator has set.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gatelog_filter::{Runtime, RuntimeError};
use serde_json::{Map, Value};

/// The file below the data directory.
const FILE: &str = "runtime.json";

/// The keys, and their file.
#[derive(Debug)]
pub struct RuntimeKeys {
    runtime: Runtime,
    data_dir: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
}

/// Why keys were not changed. All of them are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A value cannot be used.
    #[error(transparent)]
    Value(#[from] RuntimeError),
    /// They cannot be kept.
    #[error("the runtime keys cannot be written: {0}")]
    File(#[from] io::Error),
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
    /// [`ChangeError`]; nothing was changed.
    pub fn change(&self, changes: &Map<String, Value>) -> Result<(), ChangeError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // On a copy first: what is written is then sure to be taken.
        let copy = Runtime::default();
        copy.patch(&self.runtime.entries().into_iter().map(entry).collect())?;
        copy.patch(changes)?;
        let set = copy.entries().into_iter().map(entry);
        let set: Map<String, Value> = set.filter(|(_, value)| !value.is_null()).collect();
        write(&self.data_dir, &Value::Object(set).to_string())?;
        self.runtime.patch(changes)?;
        Ok(())
    }
}

fn entry((key, value): (String, Option<gatelog_filter::RuntimeValue>)) -> (String, Value) {
    let value = value.map_or(Value::Null, gatelog_filter::RuntimeValue::to_json);
    (key, value)
}

fn write(data_dir: &Path, text: &str) -> io::Result<()> {
    let beside = data_dir.join(format!("{FILE}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, data_dir.join(FILE))?;
    File::open(data_dir)?.sync_all()
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
    fn a_file_that_is_none_of_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "[1]", r#"{"a":true}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = RuntimeKeys::open(dir.path()).unwrap_err();
            assert!(error.to_string().contains("runtime.json"), "{error}");
        }
    }
}
