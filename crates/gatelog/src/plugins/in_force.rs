//! The entities of a running gatelog: outputs are made of them, and they are kept on disk.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gatelog_journal::{Journal, Position};

use super::era_file::EraFile;
use super::{Plugins, ReplaceError};
use crate::config::plugins::Kong;
use crate::forwarder::{ChangeError, Kept, Outputs, Passed};
use crate::output::OutputSet;
use crate::output::address::Reach;
use crate::output::configured::{Maker, OutputsError};

/// The entities at a start, before the outputs run.
#[derive(Debug)]
pub(crate) struct Kongs {
    file: Arc<EraFile>,
    maker: Maker,
}

/// See the module.
pub(crate) struct InForce {
    file: Arc<EraFile>,
    maker: Mutex<Maker>,
    outputs: Outputs,
    current: RwLock<Arc<Kong>>,
}

impl Kongs {
    /// Those that count in this data directory, where the configuration has these.
    ///
    /// # Errors
    /// What is kept cannot be read or written.
    pub(crate) fn open(
        data_dir: &Path,
        journal: &Journal,
        configured: &Kong,
        reach: Reach,
    ) -> io::Result<Self> {
        let has_plugins = configured.has_plugins();
        let file = EraFile::open(data_dir, journal, configured.clone())?;
        if has_plugins && file.newest() != *configured {
            tracing::info!(
                "in force are the plugins that were posted to the Admin API, not those of the configuration file; a change of the file puts it in force"
            );
        }
        Ok(Self {
            file: Arc::new(file),
            maker: Maker::new(reach),
        })
    }

    /// The outputs of each of the eras that still matter.
    ///
    /// # Errors
    /// [`OutputsError`].
    pub(crate) fn sets(&mut self) -> Result<Vec<(Position, OutputSet)>, OutputsError> {
        let eras = self.file.eras().into_iter();
        eras.map(|(from, kong)| Ok((from, self.maker.make(&kong)?)))
            .collect()
    }

    /// What is to be called when eras are no longer needed.
    pub(crate) fn passed(&self) -> Box<Passed> {
        let file = Arc::clone(&self.file);
        Box::new(move |oldest| file.forget(oldest))
    }

    /// The entities, with the outputs that were made of them.
    pub(crate) fn in_force(self, outputs: Outputs) -> InForce {
        InForce {
            current: RwLock::new(Arc::new(self.file.newest())),
            file: self.file,
            maker: Mutex::new(self.maker),
            outputs,
        }
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce")
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

impl Plugins for InForce {
    fn current(&self) -> Arc<Kong> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    fn replace(&self, entities: Kong) -> Result<(), ReplaceError> {
        let mut maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        let set = maker.make(&entities).map_err(|error| match error {
            OutputsError::Thread(error) => ReplaceError::Io(error),
            error => ReplaceError::Refused(error.to_string()),
        })?;
        let keep = |from, oldest| self.file.begin(from, oldest, entities.clone());
        let kept = self
            .outputs
            .change(set, keep)
            .map_err(|error| match error {
                ChangeError::Io(error) => ReplaceError::Io(error),
                error => ReplaceError::Io(io::Error::other(error.to_string())),
            })?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(entities);
        drop(current);
        match kept {
            Kept::Durable => Ok(()),
            Kept::Unsure(error) => Err(ReplaceError::Unsure(error)),
        }
    }
}
