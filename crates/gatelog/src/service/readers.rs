//! Those who read the journal: outputs, stores, and who knows what senders have sent.
//!
//! **Invariants.** All of them are registered before the first releases anything.

use std::sync::Arc;

use gatelog_journal::{Journal, Reader, Start};
use gatelog_store::Store;
use tokio::sync::watch;

use super::{StartError, io};
use crate::config::Config;
use crate::dead_letter::DeadLetters;
use crate::forwarder::Registered;
use crate::pipeline::Pipeline;
use crate::senders::{self, Keeper, Senders};
use crate::telemetry::Telemetry;

/// Lets go of what readers hold that are no longer in the configuration.
pub(super) fn forget_other_readers(
    journal: &Journal,
    stores: &[Arc<dyn Store>],
    outputs: &Registered,
) {
    let readers = outputs.readers();
    let names: Vec<&str> = stores
        .iter()
        .map(|store| store.name())
        .chain(readers.iter().map(String::as_str))
        .chain([senders::READER])
        .collect();
    if let Err(error) = journal.keep_only(&names) {
        tracing::warn!(%error, "readers that are no longer configured cannot be forgotten");
    }
}

/// Starts the thread of each store.
pub(super) fn start_pipelines(
    stores: &[Arc<dyn Store>],
    journal: &Journal,
    dead_letters: &DeadLetters,
    telemetry: &Telemetry,
    stop: &watch::Sender<bool>,
) -> Result<Vec<Pipeline>, StartError> {
    // All readers are registered before the first of them releases anything.
    let readers: Vec<_> = stores
        .iter()
        .map(|store| journal.reader(store.name(), Start::Oldest))
        .collect::<Result<_, _>>()
        .map_err(StartError::Journal)?;
    let start = |(store, reader): (&Arc<dyn Store>, _)| {
        let dead_letter = dead_letters.of_store(store.name());
        let store = Arc::clone(store);
        Pipeline::start(
            store,
            journal,
            reader,
            dead_letter,
            telemetry,
            stop.subscribe(),
        )
    };
    let pipelines: std::io::Result<_> = stores.iter().zip(readers).map(start).collect();
    pipelines.map_err(io("start a store's thread"))
}

/// Looks up what senders have sent so far, and begins to keep it.
pub(super) fn start_senders(
    config: &Config,
    journal: &Arc<Journal>,
    reader: Reader,
) -> Result<(Arc<Senders>, Keeper), StartError> {
    let (senders, wanted) = senders::restore(&config.data_dir, journal)?;
    let senders = Arc::new(senders);
    let keeper = Keeper::start(
        config.data_dir.clone(),
        Arc::clone(&senders),
        Arc::clone(journal),
        reader,
        wanted,
        config.journal.max_bytes.as_u64(),
    );
    Ok((senders, keeper.map_err(io("start a thread"))?))
}
