//! The run's directory: made for it, removed when all was well, kept when not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::random::Random;

/// The directory of a run.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Whether the directory itself is ours to remove.
    made: bool,
}

/// Why a directory cannot be used; the user names another.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectoryError {
    /// Somebody keeps something there.
    #[error("{0} is not empty: chaos needs a directory of its own")]
    NotEmpty(PathBuf),
    /// The system refuses.
    #[error("{path}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Directory {
    /// The one that was asked for, which is to be empty or not there yet; else a new one below
    /// `parent`.
    pub(super) fn new(
        asked: Option<&Path>,
        parent: &Path,
        random: &mut Random,
    ) -> Result<Self, DirectoryError> {
        let Some(path) = asked else {
            let name = format!("gatelog-chaos-{:08x}", random.next() >> 32);
            let path = parent.join(name);
            return match fs::create_dir(&path) {
                Ok(()) => Ok(Self { path, made: true }),
                Err(source) => Err(DirectoryError::Io { path, source }),
            };
        };
        let io = |source| DirectoryError::Io {
            path: path.to_owned(),
            source,
        };
        let made = match fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(io(error)),
        };
        if fs::read_dir(path).map_err(io)?.next().is_some() {
            return Err(DirectoryError::NotEmpty(path.to_owned()));
        }
        let path = path.to_owned();
        Ok(Self { path, made })
    }

    /// The data directory of the child.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The log of the child.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("gatelog.log")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what the run has made.
    pub(super) fn remove(self) -> io::Result<()> {
        if self.made {
            return fs::remove_dir_all(&self.path);
        }
        fs::remove_dir_all(self.data())?;
        fs::remove_file(self.log())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_or_a_new_directory_is_used() {
        let parent = tempfile::tempdir().unwrap();
        let mut random = Random::new(1);
        let mut new = |asked: Option<&Path>| Directory::new(asked, parent.path(), &mut random);
        let own = new(None).unwrap();
        assert!(own.path().starts_with(parent.path()) && own.path().is_dir());
        let refused = new(Some(parent.path())).unwrap_err();
        assert!(matches!(refused, DirectoryError::NotEmpty(_)), "{refused}");
        let named = parent.path().join("named");
        assert!(new(Some(&named.join("deeper"))).is_err());
        let made = new(Some(&named)).unwrap();
        made.remove().unwrap();
        assert!(!named.exists());
        fs::create_dir(&named).unwrap();
        let found = new(Some(&named)).unwrap();
        fs::create_dir(found.data()).unwrap();
        fs::write(found.log(), "").unwrap();
        found.remove().unwrap();
        assert_eq!(fs::read_dir(&named).unwrap().count(), 0);
    }
}
