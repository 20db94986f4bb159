//! How a reader of the journal is, for `/ready` and the log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a store or output may work on one call before `/ready` says so.
pub const PATIENCE: Duration = Duration::from_millis(1500);

/// How a store or output is.
///
/// Errors are logged when they begin, when they change and when they end.
#[derive(Debug)]
pub struct Health {
    /// `store` or `output`.
    kind: &'static str,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    opened: bool,
    error: Option<String>,
    /// Since when it has been at work on one call.
    busy_since: Option<Instant>,
    warnings: Warnings,
    neglected: Option<String>,
    /// What of it the log has told. Nothing is told while no records pass: why they do not is told.
    told_neglected: Option<String>,
}

/// What an operator should look at, although records pass. Counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// Frames that could not be decoded.
    pub unreadable_frames: u64,
    /// Bytes of the journal that were damaged and passed over.
    pub damaged_bytes: u64,
    /// Letters for which there was no room.
    pub letters_dropped: u64,
}

impl Health {
    /// Of a store (`kind` is "store") or output that is not opened yet.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            state: Mutex::default(),
        }
    }

    /// What is wrong; `None` while it takes records.
    pub fn error(&self) -> Option<String> {
        let state = self.state();
        let busy = state
            .busy_since
            .map(|since| since.elapsed())
            .filter(|busy| *busy > PATIENCE);
        match (&state.error, busy, state.opened) {
            (Some(error), _, _) => Some(error.clone()),
            (None, Some(busy), _) => Some(format!("no answer for {} s", busy.as_secs())),
            (None, None, false) => Some("not opened yet".to_owned()),
            (None, None, true) => None,
        }
    }

    /// Takes note of when it begins (true) and ends to work on a call.
    pub fn busy(&self, busy: bool) {
        self.state().busy_since = busy.then(Instant::now);
    }

    /// Takes note that it takes records, or why it does not.
    pub fn set(&self, error: Option<String>) {
        let (kind, name) = (self.kind, self.name.as_str());
        let mut state = self.state();
        match (&state.error, &error) {
            (_, Some(now)) if state.error.as_ref() != Some(now) => {
                tracing::warn!(name, error = %now, "the {kind} takes no records; they wait in the journal");
            }
            (Some(_), None) => tracing::info!(name, "the {kind} takes records again"),
            (None, None) if !state.opened => tracing::info!(name, "the {kind} takes records"),
            _ => {}
        }
        state.opened |= error.is_none();
        state.error = error;
    }

    /// Takes note that nothing is known against it, unless something is known about it already.
    pub fn set_opened(&self) {
        let known = {
            let state = self.state();
            state.opened || state.error.is_some()
        };
        if !known {
            self.set(None);
        }
    }

    /// What an operator should look at.
    pub fn warnings(&self) -> Warnings {
        self.state().warnings
    }

    /// Adds to what an operator should look at.
    pub fn warn(&self, add: impl FnOnce(&mut Warnings)) {
        add(&mut self.state().warnings);
    }

    /// What is left undone, although records pass.
    pub fn neglected(&self) -> Option<String> {
        self.state().neglected.clone()
    }

    /// Takes note of what is left undone, or that nothing is.
    pub fn set_neglected(&self, what: Option<String>) {
        let name = self.name.as_str();
        let mut state = self.state();
        let takes_records = state.opened && state.error.is_none();
        match (&state.told_neglected, &what) {
            (told, Some(now)) if takes_records && told.as_ref() != Some(now) => {
                tracing::warn!(name, problem = %now, "the {} takes records, but not all is well", self.kind);
                state.told_neglected.clone_from(&what);
            }
            (Some(_), None) => {
                tracing::info!(name, "the {} is all well again", self.kind);
                state.told_neglected = None;
            }
            _ => {}
        }
        state.neglected = what;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The levels of the lines that are logged, by their first letters.
    fn levels(run: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, run);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let levels = log.lines().map(|line| line.trim_start().chars().next());
        levels.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn what_is_neglected_is_told_while_records_pass_and_not_while_they_do_not() {
        let some = |text: &str| Some(text.to_owned());
        let told = levels(|| {
            let health = Health::new("store", "mysql");
            // Not opened yet.
            health.set_neglected(some("not reached"));
        });
        assert_eq!(told, "");
        let told = levels(|| {
            let health = Health::new("store", "mysql");
            health.set(None);
            health.set_neglected(some("no right"));
            health.set_neglected(some("no right"));
            health.set_neglected(None);
        });
        assert_eq!(told, "IWI");
        let told = levels(|| {
            let health = Health::new("store", "mysql");
            health.set(None);
            health.set(some("gone"));
            health.set_neglected(some("not reached"));
            assert_eq!(health.neglected(), some("not reached"));
            health.set(None);
            // What it was is over with the outage; what it is now is told.
            health.set_neglected(some("no right"));
        });
        assert_eq!(told, "IWIW");
    }

    #[test]
    fn an_outage_is_told_when_it_begins_changes_and_ends() {
        let told = levels(|| {
            let health = Health::new("store", "mysql");
            for error in [None, Some("a"), Some("a"), Some("b"), None, None] {
                health.set(error.map(str::to_owned));
            }
        });
        assert_eq!(told, "IWWI");
    }
}
