//! What only the disk can tell, for those who ask over HTTP, without waiting for a disk that hangs.
//!
//! **Shape.** A thread that may block looks, one at a time; who asks waits for [`PATIENCE`] and is then
//! told what was seen last.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatelog_journal::filesystem::{Disk, Filesystem};
use gatelog_journal::{Journal, Lag, Position};
use gatelog_store::Store;
use tokio::sync::watch;

use crate::health::Health;

/// How long who asks waits for the disk.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// How far each reader of the journal is behind; empty before the first look.
    pub lags: Vec<Lag>,
    /// Bytes that are free on the journal's disk, where the system says so.
    pub free_bytes: Option<u64>,
}

impl Sight {
    /// Looks; it may block.
    pub fn of(journal: &Journal, dir: &Path, stores: &[(Arc<dyn Store>, Arc<Health>)]) -> Self {
        // What a store has taken waits for nobody, though it may be minutes until it is in a file.
        let taken = |reader: &str| {
            let store = stores.iter().find(|(store, _)| store.name() == reader);
            store.map_or(Position::START, |(store, _)| Position::new(store.taken()))
        };
        Self {
            lags: journal.lags_behind(taken),
            free_bytes: Disk.free_bytes(dir).ok(),
        }
    }
}

/// See above.
#[derive(Debug, Default)]
pub struct Lookout {
    seen: watch::Sender<Sight>,
    looking: Arc<AtomicBool>,
}

/// Ends a look, also one that panics.
struct Looking(Arc<AtomicBool>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Lookout {
    /// Looks by `look`, or waits for the look that is under way; answers what was seen last.
    pub async fn sight(&self, look: impl FnOnce() -> Sight + Send + 'static) -> Sight {
        let mut seen = self.seen.subscribe();
        if !self.looking.swap(true, Ordering::AcqRel) {
            let looking = Looking(Arc::clone(&self.looking));
            let sender = self.seen.clone();
            tokio::task::spawn_blocking(move || {
                let sight = look();
                drop(looking);
                sender.send_replace(sight);
            });
        }
        let _in_time = tokio::time::timeout(PATIENCE, seen.changed()).await;
        self.seen.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn sight(free_bytes: u64) -> Sight {
        Sight {
            lags: Vec::new(),
            free_bytes: Some(free_bytes),
        }
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_waited_for_by_one_thread_and_the_last_sight_is_told() {
        let lookout = Lookout::default();
        assert_eq!(lookout.sight(|| sight(1)).await, sight(1));
        let (go_on, hang) = mpsc::channel::<()>();
        let hanging = move || {
            hang.recv().unwrap_or_default();
            sight(2)
        };
        assert_eq!(lookout.sight(hanging).await, sight(1));
        // Nobody else is sent to wait there.
        let sent = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&sent);
        let looks = move || {
            other.store(true, Ordering::Relaxed);
            sight(9)
        };
        assert_eq!(lookout.sight(looks).await, sight(1));
        assert!(!sent.load(Ordering::Relaxed));
        drop(go_on);
        let again = lookout.sight(|| sight(3)).await;
        assert!(again == sight(2) || again == sight(3), "{again:?}");
        assert_eq!(lookout.sight(|| sight(3)).await, sight(3));
    }
}
