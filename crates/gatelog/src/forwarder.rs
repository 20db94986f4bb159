//! From the journal to outputs: one thread for each output, each at its own pace.
//!
//! **Shape.** Readers are [registered](Outputs::register) before anything is deleted from the
//! journal, and [started](Registered::start) later. A thread for all outputs, the scout, reads and decodes
//! each record once and wakes those that want it. An output's own thread gathers batches and
//! delivers them, and reads for itself where it is behind. Another for all of them, the watcher, looks after
//! backlogs, so that these do not wait for a delivery that hangs.
//!
//! ```text
//! journal ─► scout: decodes, sorts ─► rack of chunks
//!                └──► inbox ─► thread ◄─┘
//!                                └► Output::deliver ─► Tail ─► position, durable within a second
//!                          refused ─► dead letter      ▲        and place, in outputs/NAME.progress
//! journal ─► watcher: over max_backlog ────────────────┘─► dead letter
//! ```
//!
//! **Invariants.** A place is passed when all before it is confirmed by the receiver, or is in
//! the dead letter, durably, or is dropped and counted. Records are delivered in order, one batch
//! at a time, each at least once: again only what was under way when it was given up, and, if the
//! machine went down, what was confirmed in the second before.
//!
//! **Limits.** Memory: [`VIEW_BYTES`](view::VIEW_BYTES) of the journal for each output, decoded, and what the
//! rack keeps for all of them. An output's [`MaxBacklog`] bounds
//! what it holds of the journal, to within the tick of the watcher.
//!
//! **Failure.** A panic of an output, or of a thread here, is an error as others: it is told, and the
//! thread goes on from what is passed, after a pause.
//!
//! [`MaxBacklog`]: crate::output::MaxBacklog

mod chunk;
mod courier;
mod eras;
mod inbox;
mod progress;
mod progress_file;
mod rack;
mod scout;
mod tail;
mod view;
mod watcher;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use gatelog_journal::{Journal, Position};
use tokio::sync::watch;

use self::courier::Courier;
use self::eras::{Era, Eras, Id, Member};
use self::inbox::Inbox;
use self::progress_file::ProgressFile;
use self::scout::{Field, Scout};
use self::tail::{Standing, Tail};
use self::watcher::Watcher;
use crate::dead_letter::DeadLetters;
use crate::health::Health;
use crate::output::OutputSet;
use crate::telemetry::Telemetry;

/// Outputs whose readers hold the journal, and that do not run yet.
pub struct Registered {
    couriers: Vec<Courier>,
    field: Arc<Field>,
}

/// Running outputs.
#[derive(Debug)]
pub struct Outputs {
    /// How each of them is, for `/ready`.
    pub states: Vec<OutputState>,
    couriers: Vec<JoinHandle<()>>,
    watcher: Watcher,
    /// Where there is an output.
    scout: Option<Scout>,
}

/// How an output is.
#[derive(Clone, Debug)]
pub struct OutputState {
    /// Its name.
    pub name: String,
    /// The name of its reader in the journal, and of its files in the dead letter.
    pub reader: String,
    /// Whether it takes records.
    pub health: Arc<Health>,
}

/// The name of an output's reader: also the name of files, so other characters than letters,
/// digits, `-` and `_` are written as `%` and two hexadecimal digits.
pub fn reader_name(output: &str) -> String {
    use std::fmt::Write as _;
    let mut name = "output-".to_owned();
    for byte in output.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _written = write!(name, "%{byte:02x}").is_ok();
        }
    }
    name
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("couriers", &self.couriers)
            .finish_non_exhaustive()
    }
}

impl Outputs {
    /// Registers the reader of each output. However much may wait for an output, it holds at most
    /// half of the journal's cap, `journal_max_bytes`: only stores may hold more. Files of their own are
    /// below `data_dir`; those of outputs that are not among these are removed.
    ///
    /// # Errors
    /// The journal's, for the position files.
    pub fn register(
        set: OutputSet,
        journal: &Journal,
        journal_max_bytes: u64,
        data_dir: &Path,
        dead_letters: &DeadLetters,
        telemetry: &Telemetry,
    ) -> gatelog_journal::Result<Registered> {
        let OutputSet { outputs, routing } = set;
        let dir = progress_file::dir(data_dir);
        let readers: Vec<_> = outputs
            .iter()
            .map(|(output, _)| reader_name(output.name()))
            .collect();
        let readers: Vec<_> = readers.iter().map(String::as_str).collect();
        if let Err(error) = progress_file::keep_only(&dir, &readers) {
            tracing::warn!(%error, "what outputs that are no longer configured have left cannot be removed");
        }
        let field = Arc::new(Field::default());
        let end = journal.end();
        field.begin(end);
        let mut inboxes = BTreeMap::new();
        let mut members = Vec::new();
        let mut couriers = Vec::new();
        for ((output, mut settings), id) in outputs.into_iter().zip((0..).map(Id)) {
            let max_bytes = &mut settings.max_backlog.bytes;
            *max_bytes = (*max_bytes).min(journal_max_bytes / 2);
            output.count_in(telemetry);
            let reader = reader_name(output.name());
            let dead_letter = dead_letters.of_output(output.name(), &reader);
            let progress = ProgressFile::open(&dir, &reader, journal);
            let inbox = Arc::new(Inbox::new(end));
            inboxes.insert(id, Arc::clone(&inbox));
            members.push(Member {
                id,
                start: settings.start,
            });
            let standing = Standing {
                id,
                inbox,
                version: 0,
                field: Arc::clone(&field),
            };
            let output = (output, &settings);
            let tail = Tail::register(
                &reader,
                output,
                journal,
                dead_letter,
                progress,
                standing,
                telemetry,
            )?;
            couriers.push(Courier::new(Arc::new(tail), settings, telemetry));
        }
        let era = Era {
            from: Position::START,
            routing,
            members,
        };
        *field.routes.change() = Arc::new(Eras::new(0, &[era], inboxes));
        Ok(Registered { couriers, field })
    }

    /// Waits for the threads to end, which they do some time after `stop` turns true.
    pub fn join(self) {
        for courier in self.couriers {
            if courier.join().is_err() {
                tracing::error!("an output's thread ended in a panic");
            }
        }
        // It is needed while they end, and makes durable what they have confirmed.
        self.watcher.join();
        if let Some(scout) = self.scout {
            scout.join();
        }
    }
}

impl Registered {
    /// The names of the readers.
    pub fn readers(&self) -> impl Iterator<Item = &str> {
        self.couriers.iter().map(|courier| courier.tail().reader())
    }

    /// Starts the threads. They end some time after `stop` turns true.
    ///
    /// # Errors
    /// When a thread cannot be started; those that have been end with `stop`.
    pub fn start(self, stop: &watch::Sender<bool>) -> io::Result<Outputs> {
        let tails: Vec<_> = self
            .couriers
            .iter()
            .map(|courier| Arc::clone(courier.tail()))
            .collect();
        let states = tails.iter().map(|tail| OutputState {
            name: tail.name().to_owned(),
            reader: tail.reader().to_owned(),
            health: Arc::clone(tail.health()),
        });
        let states = states.collect();
        for tail in &tails {
            tail.begin();
        }
        let scout = tails.first().map(|tail| {
            let field = Arc::clone(&self.field);
            Scout::start(field, tail.cursor())
        });
        let scout = scout.transpose()?;
        let watcher = Watcher::start(tails)?;
        let couriers = self.couriers.into_iter();
        let couriers = couriers.map(|courier| courier.start(stop.subscribe()));
        Ok(Outputs {
            states,
            couriers: couriers.collect::<io::Result<_>>()?,
            watcher,
            scout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_readers_are_names_of_files_and_stay_apart() {
        assert_eq!(reader_name("http-log_1"), "output-http-log_1");
        assert_eq!(reader_name("a/../b.c"), "output-a%2f%2e%2e%2fb%2ec");
        assert_ne!(reader_name("a%2f"), reader_name("a/"));
    }
}
