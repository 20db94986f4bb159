//! Dead letters that are kept in memory, and a write that answers them.

use std::io;
use std::sync::Mutex;

use gatelog_record::AccessRecord;
use gatelog_store::{BoxFuture, Letters, Rejected, Result, Store};

/// What was handed over.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<Rejected>>);

impl Kept {
    pub(crate) fn into_inner(self) -> Vec<Rejected> {
        self.0.into_inner().unwrap()
    }
}

impl Letters for Kept {
    fn keep(&self, rejected: &[Rejected]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(rejected);
        Ok(())
    }
}

/// A write for tests that do not look at letters as such.
pub(crate) trait Taking: Store {
    /// Writes, and answers what was refused.
    fn take<'a>(
        &'a self,
        records: &'a [AccessRecord<'a>],
        end: u64,
    ) -> BoxFuture<'a, Result<Vec<Rejected>>> {
        Box::pin(async move {
            let kept = Kept::default();
            self.write(records, end, &kept).await?;
            Ok(kept.into_inner())
        })
    }
}

impl<S: Store + ?Sized> Taking for S {}
