//! Kong's `file-log`: records as lines at the end of a file, or on the standard output.
//!
//! **Shape.** [`FileLog`] makes one piece of text of a batch; an [`AppendedFile`], shared by all
//! outputs with its path, appends it with one write, in a thread of its own.
//!
//! **Promise.** A batch is confirmed when the kernel has it: it survives the end of the process, and
//! not that of the machine, unless the file system writes it in time. No `fsync` is made. Each record
//! comes at least once: again where the process or the machine went down in the second behind the
//! write.
//!
//! **Failure.** A file that cannot be opened or written is tried again, with the reason in `/ready`,
//! until `max_backlog`; nothing is refused for good. A write that ends in the middle is taken back.

mod appended;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_store::BoxFuture;
use tokio::sync::{Mutex, oneshot};

use self::appended::Answer;
pub use self::appended::AppendedFile;
use super::line::Line;
use super::{Output, Settings, Undelivered};

/// A buffer that has grown over this is not kept.
const KEPT_BYTES: usize = 4 << 20;

/// One `file-log`.
#[derive(Debug)]
pub struct FileLog {
    name: String,
    line: Line,
    file: Arc<AppendedFile>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// The answer to a write that was not waited for to its end.
    pending: Option<oneshot::Receiver<Answer>>,
}

/// The files of all outputs that are there, by their paths: two outputs may have the same.
#[derive(Debug, Default)]
pub struct Files {
    by_path: HashMap<PathBuf, Weak<AppendedFile>>,
}

impl Files {
    /// The file with this path; if it is a new one, nothing is done to it yet.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn at(&mut self, path: &Path) -> io::Result<Arc<AppendedFile>> {
        self.by_path.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = self.by_path.get(path).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = Arc::new(AppendedFile::start(path)?);
        self.by_path.insert(path.to_owned(), Arc::downgrade(&file));
        Ok(file)
    }
}

impl FileLog {
    /// Under this name.
    pub fn new(name: String, line: Line, file: Arc<AppendedFile>) -> Self {
        Self {
            name,
            line,
            file,
            state: Mutex::default(),
        }
    }

    /// Many lines with one write, and none of them late.
    pub fn settings() -> Settings {
        Settings {
            max_batch_records: 1000,
            max_coalescing_delay: Duration::from_millis(100),
            initial_retry_delay: Duration::from_millis(100),
            max_retry_delay: Duration::from_secs(5),
            ..Settings::default()
        }
    }

    async fn append(&self, records: &[&AccessRecord<'_>]) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        if let Some(pending) = &mut state.pending {
            // Its records are no longer ours, or among these.
            let _answer = pending.await.is_ok();
            state.pending = None;
        }
        let mut text = std::mem::take(&mut state.buffer);
        for record in records {
            self.line.write(record, &mut text);
        }
        let answer = state.pending.insert(self.file.append(text)?);
        let answered = answer.await;
        state.pending = None;
        let (mut text, written) =
            answered.map_err(|_| io::Error::other("the file's thread is gone"))?;
        if text.capacity() <= KEPT_BYTES {
            text.clear();
            state.buffer = text;
        }
        written
    }
}

impl Output for FileLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            self.append(records)
                .await
                .map_err(|error| Undelivered::later(0..records.len(), error.to_string()))
        })
    }
}

#[cfg(test)]
mod tests;
