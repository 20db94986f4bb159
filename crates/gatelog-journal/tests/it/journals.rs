//! Journals to test with.

use std::path::{Path, PathBuf};

use gatelog_journal::{Config, Journal, Position, Reader};
use tempfile::TempDir;

/// A directory, and settings under which segments are small.
pub(crate) struct Bench {
    dir: TempDir,
    pub(crate) config: Config,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let config = Config {
            segment_bytes: 4096,
            max_bytes: 64 << 10,
            ..Config::default()
        };
        Self {
            dir: tempfile::tempdir().unwrap(),
            config,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn open(&self) -> Journal {
        Journal::open(self.dir(), self.config).unwrap()
    }

    /// The segment files, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "segment")
            })
            .collect();
        paths.sort();
        paths
    }
}

/// Appends and waits until it is durable.
pub(crate) fn append(journal: &Journal, payload: &[u8]) -> Position {
    block_on(journal.append(payload, 1).unwrap()).unwrap()
}

/// All payloads from the reader's place on.
pub(crate) fn read_all(reader: &mut Reader) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some(chunk) = reader.read(1000).unwrap() {
        payloads.extend(chunk.map(|frame| frame.payload.to_vec()));
    }
    payloads
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
