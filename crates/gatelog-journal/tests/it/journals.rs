//! Journals to test with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatelog_journal::{Config, Damage, Journal, Position, Read, Reader, Start};
use tempfile::TempDir;

use crate::faulty::Faulty;

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
            reserve_bytes: 0,
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

    pub(crate) fn open_on(&self, disk: &Faulty) -> Journal {
        Journal::open_on(Arc::new(disk.clone()), self.dir(), self.config).unwrap()
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

/// What a crash would leave now: a copy of the directory, as another process finds it.
pub(crate) fn crash(bench: &Bench) -> Bench {
    let copy = Bench {
        config: bench.config,
        ..Bench::new()
    };
    copy_files(bench.dir(), copy.dir());
    copy
}

/// Copies the files of a directory into another one.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Flips a bit of a file.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// Appends and waits until it is durable.
pub(crate) fn append(journal: &Journal, payload: &[u8]) -> Position {
    block_on(journal.append(payload, 1).unwrap()).unwrap()
}

/// A reader that begins at the oldest frame.
pub(crate) fn open_reader(journal: &Journal, name: &str) -> Reader {
    journal.reader(name, Start::Oldest).unwrap()
}

/// All payloads from the reader's place on. There has to be no damage.
pub(crate) fn read_all(reader: &mut Reader) -> Vec<Vec<u8>> {
    let (payloads, damage) = read_over_damage(reader);
    assert_eq!(damage, []);
    payloads
}

/// All payloads from the reader's place on, and what was passed over.
pub(crate) fn read_over_damage(reader: &mut Reader) -> (Vec<Vec<u8>>, Vec<Damage>) {
    let mut payloads = Vec::new();
    let mut damaged = Vec::new();
    loop {
        let before = reader.position();
        match reader.read(1000).unwrap() {
            Read::Chunk(chunk) => payloads.extend(chunk.map(|frame| frame.payload.to_vec())),
            Read::Damaged(damage) => damaged.push(damage),
            Read::Nothing => return (payloads, damaged),
        }
        assert!(reader.position() > before, "the reader stands still");
    }
}

/// Reads everything and releases it.
pub(crate) fn drain(reader: &mut Reader) {
    read_all(reader);
    reader.release(reader.position()).unwrap();
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits until something is so, and fails the test if that does not happen.
pub(crate) fn await_that(what: &str, mut probe: impl FnMut() -> bool) {
    let probe = || if probe() { Ok(()) } else { Err("not yet") };
    gatelog_testkit::wait::until(what, std::time::Duration::from_secs(20), probe).unwrap();
}
