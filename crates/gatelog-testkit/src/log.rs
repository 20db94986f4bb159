//! What a process writes to its standard error, line by line.
//!
//! **Shape.** A thread reads it, so a line is here a moment after the process has written it, also when
//! the process has ended.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Lines = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
pub(crate) struct Log {
    lines: Lines,
    reading: JoinHandle<()>,
}

impl Log {
    /// Begins to read.
    pub(crate) fn of(stderr: impl Read + Send + 'static) -> Self {
        let lines = Lines::default();
        let reading = {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    lines
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line);
                }
            })
        };
        Self { lines, reading }
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether there is nothing more to come: the process, and who had its standard error from it, has
    /// ended, and everything is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.reading.is_finished()
    }
}
