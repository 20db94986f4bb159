//! What was not taken: told on standard error, and kept in a file where one is named.
//!
//! **Limits.** [`SHOWN`] of each file are told.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;

use super::super::print;

/// Rejected lines of a file that are told; the others are counted.
pub(super) const SHOWN: u64 = 20;

/// Where a record stands in its file, as that is when it is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, from 1.
    pub(super) line: u64,
    /// The first byte, from 0.
    pub(super) byte: u64,
}

/// Takes what is rejected.
#[derive(Debug)]
pub(super) struct Rejects {
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    out: Option<(PathBuf, BufWriter<File>)>,
    /// A line in the file has not got its line break.
    open_line: bool,
    count: u64,
    file: Option<Arc<str>>,
    of_file: u64,
    /// The file could not be written; told once.
    failure: Option<String>,
}

impl Rejects {
    /// Kept in the file of this name, which is begun anew.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn new(path: Option<&Path>, bar: ProgressBar) -> Result<Self, String> {
        let out = match path {
            None => None,
            Some(path) => {
                let file = File::create(path);
                let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
                Some((path.to_owned(), BufWriter::new(file)))
            }
        };
        let state = State {
            out,
            ..State::default()
        };
        Ok(Self {
            bar,
            state: Mutex::new(state),
        })
    }

    /// Takes a piece of a file that is no record, or that the server has refused.
    pub(super) fn reject(&self, file: &Arc<str>, place: Place, reason: &str, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.file.as_ref() != Some(file) {
            state.file = Some(Arc::clone(file));
            state.of_file = 0;
        }
        state.of_file += 1;
        let Place { line, byte } = place;
        if state.of_file <= SHOWN {
            let told = format_args!("{file}: line {line}, byte {byte}: {reason}");
            self.bar.suspend(|| print::error(told));
        } else if state.of_file == SHOWN + 1 {
            let told = format_args!("{file}: more are rejected, and only counted here");
            self.bar.suspend(|| print::error(told));
        }
        state.end_line();
        state.write(bytes);
        state.open_line = true;
    }

    /// Takes more of the piece before.
    pub(super) fn more(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.write(bytes);
    }

    /// How many pieces were rejected.
    pub(super) fn count(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count
    }

    /// Writes out what was kept.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) fn finish(&self) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end_line();
        let flushed = match &mut state.out {
            Some((path, out)) => out
                .flush()
                .map_err(|error| format!("{}: {error}", path.display())),
            None => Ok(()),
        };
        state.failure.take().map_or(flushed, Err)
    }
}

impl State {
    fn end_line(&mut self) {
        if std::mem::take(&mut self.open_line) {
            self.write(b"\n");
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((path, out)) = &mut self.out
            && let Err(error) = out.write_all(bytes)
        {
            let told = format!("{}: {error}", path.display());
            self.failure.get_or_insert(told);
        }
    }
}
