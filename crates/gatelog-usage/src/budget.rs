//! How many compressed bodies are read at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for compressed bodies, whose windows are all the memory that counts. A worker has one budget;
/// clones share their places.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<AtomicUsize>,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    free: Arc<AtomicUsize>,
}

impl Budget {
    /// As many places; each may cost 2 MiB while it is taken.
    pub fn new(places: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(places)),
        }
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Option<Permit> {
        let taken = self
            .free
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(1)
            });
        taken.is_ok().then(|| Permit {
            free: Arc::clone(&self.free),
        })
    }
}

impl Default for Budget {
    /// Eight places.
    fn default() -> Self {
        Self::new(8)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.free.fetch_add(1, Ordering::Relaxed);
    }
}
