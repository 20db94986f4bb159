//! Which file has which name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::chance::Chance;
use super::history::Image;

/// A file, whatever its name is.
pub(crate) type FileId = u64;

/// All names of all directories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(pub(crate) BTreeMap<PathBuf, FileId>);

/// One change to a directory: each is there or not, never half of it.
#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Create {
        path: PathBuf,
        file: FileId,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: FileId,
    },
    Remove {
        path: PathBuf,
    },
}

impl NameChange {
    pub(crate) fn is_in(&self, dir: &Path) -> bool {
        let (Self::Create { path, .. } | Self::Rename { to: path, .. } | Self::Remove { path }) =
            self;
        path.parent() == Some(dir)
    }

    /// The file that it gives a name, if it does.
    pub(crate) fn file(&self) -> Option<FileId> {
        match self {
            Self::Create { file, .. } | Self::Rename { file, .. } => Some(*file),
            Self::Remove { .. } => None,
        }
    }
}

impl Image for Names {
    type Change = NameChange;

    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { path, file } => {
                self.0.insert(path.clone(), *file);
            }
            NameChange::Rename { from, to, file } => {
                // Without the change that gave it the old name, that may be another file's.
                if self.0.get(from) == Some(file) {
                    self.0.remove(from);
                }
                self.0.insert(to.clone(), *file);
            }
            NameChange::Remove { path } => {
                self.0.remove(path);
            }
        }
    }

    fn apply_part(&mut self, _: &NameChange, _: &mut Chance) {}
}
