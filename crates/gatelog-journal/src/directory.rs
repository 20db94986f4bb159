//! The journal's directory: its lock, its id, and what is left over in it.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::filesystem::{Filesystem, Handle, Mode};
use crate::frame::Seal;
use crate::{Error, Result};

/// What ends the name of a file that is being made.
pub(crate) const DRAFT_SUFFIX: &str = ".new";

/// The name of the segment file that waits to be used again.
pub(crate) const SPARE: &str = "spare";

/// The lock on a directory, held for as long as it lives.
pub(crate) type Lock = Box<dyn Debug + Send + Sync>;

/// A directory of a file system.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) fs: Arc<dyn Filesystem>,
    pub(crate) path: PathBuf,
}

/// The directory of a journal whose id is known.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) directory: Directory,
    pub(crate) id: Uuid,
    pub(crate) seal: Seal,
}

impl std::ops::Deref for Home {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Directory {
    /// Makes the directory, if it is not there, and takes its lock.
    pub(crate) fn enter(fs: Arc<dyn Filesystem>, path: &Path) -> Result<(Self, Lock)> {
        fs.create_dir_all(path).map_err(Error::io("create", path))?;
        let lock_path = path.join("lock");
        let lock = fs.lock(&lock_path).map_err(|error| {
            let path = lock_path;
            if error.kind() == io::ErrorKind::WouldBlock {
                Error::Locked { path }
            } else {
                Error::io("lock", path)(error)
            }
        })?;
        let directory = Self {
            fs,
            path: path.to_owned(),
        };
        Ok((directory, lock))
    }

    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = self
            .fs
            .list(&self.path)
            .map_err(Error::io("list", &self.path))?;
        names.sort_unstable();
        Ok(names)
    }

    pub(crate) fn open(&self, path: &Path, mode: Mode) -> Result<Box<dyn Handle>> {
        self.fs.open(path, mode).map_err(Error::io("open", path))
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.fs
            .sync_dir(&self.path)
            .map_err(Error::io("sync", &self.path))
    }

    /// Removes a file; it need not be there.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        match self.fs.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a crash has left of files that were being made. The spare one goes too: its name
    /// may be a second one of a segment, if the system has lost half of a rename.
    pub(crate) fn remove_leftovers(&self) -> Result<()> {
        for name in self.names()? {
            if name.ends_with(DRAFT_SUFFIX) || name == SPARE {
                self.remove(&self.path.join(name))?;
            }
        }
        Ok(())
    }

    /// The journal's id, if it can be read.
    pub(crate) fn read_id(&self) -> Result<Option<Uuid>> {
        let path = self.path.join("id");
        let file = match self.fs.open(&path, Mode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::io("open", &path))?,
        };
        let mut text = [0; 36];
        match file.read_at(&mut text, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => {
                read.map_err(Error::io("read", &path))?;
                Ok(Uuid::try_parse_ascii(&text).ok())
            }
        }
    }

    /// Keeps the journal's id, durably.
    pub(crate) fn write_id(&self, id: Uuid) -> Result<()> {
        let path = self.path.join("id");
        let draft = self.path.join(format!("id{DRAFT_SUFFIX}"));
        let file = self.open(&draft, Mode::Create)?;
        file.set_length(0)
            .and_then(|()| file.write_at(format!("{id}\n").as_bytes(), 0))
            .map_err(Error::io("write", &draft))?;
        file.sync_all().map_err(Error::io("sync", &draft))?;
        self.fs
            .rename(&draft, &path)
            .map_err(Error::io("rename", &path))?;
        self.sync()?;
        // The directory itself may be as new. Above it there may be ones that we may not even open:
        // then somebody else has made them.
        for above in self.path.ancestors().skip(1) {
            let above = if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            };
            let _known_or_not_ours = self.fs.sync_dir(above).is_ok();
        }
        Ok(())
    }
}
