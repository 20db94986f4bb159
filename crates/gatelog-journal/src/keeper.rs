//! The thread that makes the readers' positions durable, once a second at the most.
//!
//! A release writes the position at once, which costs next to nothing and survives the end of the
//! process. What it has written survives a power failure when this thread has come by.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::shared::Shared;

/// How long a released position may wait for its sync. A store or output that has released may be
/// given again, after a power failure, what it released in this time.
const PERIOD: Duration = Duration::from_millis(900);

/// Whether there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: bool,
    closed: bool,
}

impl Keeper {
    /// Says that a position was written.
    pub(crate) fn wake(&self) {
        self.update(|state| state.due = true);
    }

    /// Has everything synced, and the thread end.
    pub(crate) fn close(&self) {
        self.update(|state| state.closed = true);
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = !state.due;
        change(&mut state);
        if idle || state.closed {
            self.changed.notify_all();
        }
    }

    /// Waits until something is due and `last` long enough ago; false when the journal closes.
    fn wait(&self, last: Option<Instant>) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, |state| !state.due && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let rest = last.map_or(Duration::ZERO, |last| PERIOD.saturating_sub(last.elapsed()));
        if !rest.is_zero() {
            let waited = self
                .changed
                .wait_timeout_while(state, rest, |state| !state.closed);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.due = false;
        !state.closed
    }
}

/// Does it until the journal is closed.
pub(crate) fn run(shared: &Shared) {
    let mut last = None;
    loop {
        let open = shared.keeper.wait(last);
        last = Some(Instant::now());
        let holds: Vec<_> = shared.shelf().holds().cloned().collect();
        let failed = holds.iter().filter(|hold| hold.sync().is_err()).count();
        if !open {
            return;
        }
        if failed > 0 {
            // `release` tells its caller; here it is tried again.
            shared.keeper.wake();
        }
    }
}
