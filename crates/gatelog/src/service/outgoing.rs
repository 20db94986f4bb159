//! The outputs of the service: those of Kong's entities, which may change, or those that a test gives.

use std::sync::Arc;

use gatelog_journal::{Journal, Position};
use tokio::sync::watch;

use super::{StartError, io};
use crate::config::Config;
use crate::dead_letter::DeadLetters;
use crate::forwarder::{Grounds, Outputs, Registered};
use crate::output::OutputSet;
use crate::output::address::Reach;
use crate::plugins::{Fixed, Kongs, Plugins};
use crate::telemetry::Telemetry;

/// Outputs whose readers are registered, and that do not run yet.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) registered: Registered,
    kongs: Option<Kongs>,
}

impl Outgoing {
    /// Registers the outputs of the entities that count now that gatelog starts, or these alone.
    pub(super) fn open(
        config: &Config,
        these: Option<OutputSet>,
        journal: &Arc<Journal>,
        dead_letters: &DeadLetters,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        let grounds = Grounds {
            journal: Arc::clone(journal),
            journal_max_bytes: config.journal.max_bytes.as_u64(),
            data_dir: config.data_dir.clone(),
            dead_letters: dead_letters.clone(),
            telemetry: telemetry.clone(),
        };
        let (sets, kongs) = if let Some(these) = these {
            (vec![(Position::START, these)], None)
        } else {
            let reach = Reach::new(config.outputs.deny_private);
            let kongs = Kongs::open(&config.data_dir, journal, &config.kong(), reach);
            let mut kongs = kongs.map_err(io("Kong's entities"))?;
            (kongs.sets()?, Some(kongs))
        };
        let registered = Outputs::register(sets, grounds).map_err(StartError::Journal)?;
        Ok(Self { registered, kongs })
    }

    /// Starts the outputs; with what changes them.
    pub(super) fn start(
        self,
        config: &Config,
        stop: &watch::Sender<bool>,
    ) -> Result<(Outputs, Arc<dyn Plugins>), StartError> {
        let passed = self.kongs.as_ref().map(Kongs::passed);
        let outputs = self.registered.start(stop, passed);
        let outputs = outputs.map_err(io("start an output's thread"))?;
        let plugins: Arc<dyn Plugins> = match self.kongs {
            Some(kongs) => Arc::new(kongs.in_force(outputs.clone())),
            None => Arc::new(Fixed::new(config.kong())),
        };
        Ok((outputs, plugins))
    }
}
