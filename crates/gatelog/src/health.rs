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
        match (&state.neglected, &what) {
            (before, Some(now)) if before.as_ref() != Some(now) => {
                tracing::warn!(name, problem = %now, "the {} takes records, but not all is well", self.kind);
            }
            (Some(_), None) => tracing::info!(name, "the {} is all well again", self.kind),
            _ => {}
        }
        state.neglected = what;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
