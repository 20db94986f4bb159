//! A journal on a disk that fails, and what it owes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use gatelog_journal::{Appended, Config, Error, Journal, Position, Read, Reader, Result, Start};
use gatelog_testkit::conservation::{Ledger, Reading};
use gatelog_testkit::disk::{Crash, SimulatedDisk};

/// Where the journal is.
pub(crate) const DIR: &str = "/journal";

/// Every reader of a world.
pub(crate) const READERS: [&str; 2] = ["lake", "tail"];

/// For an answer or a repair that comes by itself; the tests end long before.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A disk, the settings of the journal on it, and what it owes.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    /// Behind the last number that each reader has released, or has tried to.
    pub(crate) released: BTreeMap<&'static str, usize>,
    /// Whether there was ever no room for a position. Then a reader may be told that segments are
    /// missing which it has released.
    pub(crate) was_full: bool,
}

/// An open journal with its readers, each with what it has read since.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) readers: Vec<(&'static str, Reader, Reading)>,
}

impl World {
    /// An empty disk, and segments of a few frames.
    pub(crate) fn new() -> Self {
        Self {
            disk: SimulatedDisk::new(1),
            config: Config {
                segment_bytes: 1024,
                max_bytes: 64 << 10,
                reserve_bytes: 0,
                ..Config::default()
            },
            ledger: Ledger::default(),
            released: BTreeMap::new(),
            was_full: false,
        }
    }

    pub(crate) fn journal(&self) -> Result<Journal> {
        Journal::open_on(self.disk.filesystem(), Path::new(DIR), self.config)
    }

    /// The journal with all its readers.
    pub(crate) fn open(&self) -> Result<Opened> {
        let journal = self.journal()?;
        let readers = READERS
            .into_iter()
            .map(|name| {
                let released = self.released.get(name).copied().unwrap_or_default();
                Ok((
                    name,
                    journal.reader(name, Start::Oldest)?,
                    Reading::after(released),
                ))
            })
            .collect::<Result<_>>()?;
        Ok(Opened { journal, readers })
    }

    /// Appends frames of these lengths together and waits for the answer.
    pub(crate) fn append(&mut self, journal: &Journal, lengths: &[usize]) -> Result<Position> {
        let made: Vec<_> = lengths
            .iter()
            .map(|&bytes| self.ledger.payload(bytes))
            .collect();
        let frames: Vec<_> = made
            .iter()
            .map(|(_, payload)| (payload.as_slice(), 1))
            .collect();
        let answer = journal.append_all(&frames)?;
        let end = answer_of(answer)?;
        for &(number, _) in &made {
            self.ledger.acknowledge(number);
        }
        Ok(end)
    }

    /// Appends a frame, again and again until it is taken.
    pub(crate) fn append_in_time(&mut self, journal: &Journal) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(error) = self.append(journal, &[40]) {
            if begun.elapsed() > DEADLINE || self.disk.is_off() {
                bail!("no append is taken: {error:?}");
            }
            // A repair takes milliseconds, and there are thousands of them here.
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Reads on with every reader; those that are named release what they have read. A release that
    /// is refused is told when all have had their turn.
    pub(crate) fn read(&mut self, opened: &mut Opened, release: &[&str]) -> anyhow::Result<()> {
        let mut released = Ok(());
        for (name, reader, reading) in &mut opened.readers {
            read_on(reader, reading, &self.ledger, self.was_full)
                .with_context(|| format!("reader {name}"))?;
            if release.contains(name) {
                // Also if that fails, or the power does: it may be done or not.
                self.released.insert(name, reading.next());
                released = released.and(reader.release(reader.position()));
            }
        }
        Ok(released?)
    }

    /// Every reader has read what is owed.
    pub(crate) fn is_conserved(&mut self, opened: &mut Opened) -> anyhow::Result<()> {
        self.read(opened, &[])?;
        for (name, _, reading) in &opened.readers {
            reading
                .end(&self.ledger)
                .with_context(|| format!("reader {name}"))?;
        }
        Ok(())
    }

    /// What a new start finds: all that is owed can be read, and it lives.
    pub(crate) fn survives(&mut self) -> anyhow::Result<()> {
        let problems = self.survives_with_problems()?;
        ensure!(problems.is_empty(), "told of damage: {problems:?}");
        Ok(())
    }

    /// As [`survives`](Self::survives); what was told at the start.
    pub(crate) fn survives_with_problems(&mut self) -> anyhow::Result<Vec<String>> {
        let mut opened = self.open().context("it does not open")?;
        let problems = opened.journal.recovered().problems.clone();
        self.is_conserved(&mut opened).context("at the start")?;
        // It may be full.
        self.read(&mut opened, &READERS)?;
        self.append_in_time(&opened.journal)?;
        self.is_conserved(&mut opened).context("after an append")?;
        self.read(&mut opened, &READERS)?;
        drop(opened);
        let mut opened = self.open().context("it does not open again")?;
        let conserved = self.is_conserved(&mut opened);
        conserved.context("at the next start")?;
        Ok(problems)
    }

    /// The world after a crash, with what it owes still.
    pub(crate) fn after(&self, how: Crash) -> Self {
        Self {
            disk: self.disk.crash(how),
            ..self.clone()
        }
    }

    /// The segment files, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let files = self.disk.files().into_keys();
        files
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "segment")
            })
            .collect()
    }

    /// A failure with what the disk was asked for last.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> String {
        let operations = self.disk.last_operations().join("\n  ");
        format!("{error:?}\nlast operations:\n  {operations}")
    }
}

/// The answer to an append, which always comes.
pub(crate) fn answer_of(answer: Appended) -> Result<Position> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(DEADLINE, answer).await })
        .expect("an append is answered")
}

/// Reads all that is durable. Damage is a finding: a crash or a failing disk makes none.
pub(crate) fn read_on(
    reader: &mut Reader,
    reading: &mut Reading,
    ledger: &Ledger,
    was_full: bool,
) -> anyhow::Result<()> {
    while take(reader.read(700)?, reading, ledger, was_full)? {}
    Ok(())
}

/// Takes what a read has found; false if that was nothing.
pub(crate) fn take(
    found: Read<'_>,
    reading: &mut Reading,
    ledger: &Ledger,
    was_full: bool,
) -> anyhow::Result<bool> {
    match found {
        Read::Chunk(chunk) => {
            for frame in chunk {
                reading.take(ledger, frame.payload)?;
                ensure!(frame.records == 1, "{} records", frame.records);
            }
            Ok(true)
        }
        Read::Damaged(damage) if was_full && damage.problem == "the file is missing" => Ok(true),
        Read::Damaged(damage) => bail!("told of damage: {damage:?}"),
        Read::Nothing => Ok(false),
    }
}

/// Whether it is the error of a journal that has failed and is being repaired.
pub(crate) fn is_poisoned(error: &Error) -> bool {
    matches!(error, Error::Poisoned { .. })
}
