//! A small file that is there whole or as it was before.
//!
//! **Invariants.** It is written beside, synced, renamed, and the directory is synced. What counts is always
//! what the file has: where the directory cannot be synced, what it had is put back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gatelog_failpoint as failpoint;

/// A file by its directory and its name. `NAME.new` beside it is its own, too.
#[derive(Clone, Debug)]
pub(crate) struct WholeFile {
    dir: PathBuf,
    name: &'static str,
    mode: u32,
}

/// Why a file is not what it was to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReplaced {
    /// It is as it was.
    #[error("{0}")]
    AsBefore(#[source] io::Error),
    /// It is what it was to be, and may be as it was after a failure of the machine.
    #[error("it may be as it was after a power failure: {0}")]
    Unsure(#[source] io::Error),
}

impl WholeFile {
    /// The file in this directory; where it is made, with this mode, less the umask.
    pub(crate) fn new(dir: &Path, name: &'static str, mode: u32) -> Self {
        Self {
            dir: dir.to_owned(),
            name,
            mode,
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(self.name)
    }

    /// What it has; `None` where it is not.
    pub(crate) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path()) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts this in the place of what it has, durably.
    pub(crate) fn replace(&self, content: &[u8]) -> Result<(), NotReplaced> {
        self.replace_and(content, sync_directory)
    }

    /// The same with another way to sync the directory.
    pub(crate) fn replace_and(
        &self,
        content: &[u8],
        sync: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), NotReplaced> {
        let before = self.read().map_err(NotReplaced::AsBefore)?;
        self.put(content).map_err(NotReplaced::AsBefore)?;
        failpoint::pass("whole_file.renamed");
        let Err(error) = sync(&self.dir) else {
            return Ok(());
        };
        let put_back = match before {
            Some(before) => self.put(&before),
            None => fs::remove_file(self.path()),
        };
        Err(match put_back {
            Ok(()) => NotReplaced::AsBefore(error),
            Err(_) => NotReplaced::Unsure(error),
        })
    }

    /// After an error it is as it was.
    fn put(&self, content: &[u8]) -> io::Result<()> {
        let beside = self.dir.join(format!("{}.new", self.name));
        // One that a crash left may have another mode.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(self.mode);
        let mut file = options.open(&beside)?;
        failpoint::disk("whole_file.write")?;
        file.write_all(content)?;
        file.sync_all()?;
        failpoint::pass("whole_file.written");
        fs::rename(&beside, self.path())
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    failpoint::disk("whole_file.sync_directory")?;
    File::open(dir)?.sync_all()
}
