//! All that the disk is at a moment, behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::chance::Chance;
use super::content::{Change, Content};
use super::crash::Crash;
use super::fault::{Failure, Fault, Op};
use super::history::History;
use super::names::{FileId, NameChange, Names};

/// So many of the last operations are kept to be shown.
const SHOWN: usize = 32;

#[derive(Debug)]
pub(crate) struct State {
    names: History<Names>,
    files: BTreeMap<FileId, OneFile>,
    next_file: FileId,
    pub(crate) locks: BTreeSet<PathBuf>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) capacity_bytes: u64,
    pub(crate) is_stalled: bool,
    /// The power is off.
    pub(crate) is_off: bool,
    /// The number of the change during which the power fails.
    pub(crate) off_at: Option<u64>,
    pub(crate) counts: BTreeMap<Op, u64>,
    pub(crate) changes: u64,
    pub(crate) last: VecDeque<String>,
    chance: Chance,
}

#[derive(Clone, Debug)]
struct OneFile {
    content: History<Content>,
    /// How many have it open.
    handles: usize,
}

/// What becomes of an operation that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    /// It has begun, and the power failed before it was done.
    IsCut,
    Fails(Failure),
}

impl Fate {
    /// Once what has begun is written down.
    fn answer(self) -> io::Result<()> {
        match self {
            Self::Passes => Ok(()),
            Self::IsCut => Err(off()),
            Self::Fails(failure) => Err(failure.error()),
        }
    }
}

pub(crate) fn off() -> io::Error {
    io::Error::other("the power is off")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            names: History::new(Names::default()),
            files: BTreeMap::new(),
            next_file: 0,
            locks: BTreeSet::new(),
            faults: Vec::new(),
            capacity_bytes: u64::MAX,
            is_stalled: false,
            is_off: false,
            off_at: None,
            counts: BTreeMap::new(),
            changes: 0,
            last: VecDeque::new(),
            chance: Chance::new(seed),
        }
    }

    /// Counts the operation and decides about it.
    fn begin(&mut self, op: Op, path: &Path) -> io::Result<Fate> {
        if self.is_off {
            return Err(off());
        }
        *self.counts.entry(op).or_default() += 1;
        let mut fate = Fate::Passes;
        if let Some(failure) = self.faults.iter_mut().find_map(|fault| fault.due(op, path)) {
            fate = Fate::Fails(failure);
        }
        if op.is_change() {
            if self.off_at == Some(self.changes) {
                self.is_off = true;
                fate = Fate::IsCut;
            }
            self.changes += 1;
        }
        if op != Op::Read {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.last.push_back(format!("{op:?} {name} {fate:?}"));
            if self.last.len() > SHOWN {
                self.last.pop_front();
            }
        }
        Ok(fate)
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<FileId> {
        let file = self.names.seen().0.get(path).copied();
        file.ok_or_else(not_found)
    }

    fn file(&mut self, file: FileId) -> io::Result<&mut OneFile> {
        self.files.get_mut(&file).ok_or_else(not_found)
    }

    /// Opens the file with this name; makes it, if that is asked for and it is not there.
    pub(crate) fn open(&mut self, path: &Path, make: bool) -> io::Result<FileId> {
        let file = match self.find(path) {
            Ok(file) => {
                self.begin(Op::Open, path)?.answer()?;
                file
            }
            Err(error) if !make => {
                self.begin(Op::Open, path)?.answer()?;
                return Err(error);
            }
            Err(_) => self.create(path)?,
        };
        self.file(file)?.handles += 1;
        Ok(file)
    }

    fn create(&mut self, path: &Path) -> io::Result<FileId> {
        let fate = self.begin(Op::Create, path)?;
        if let Fate::Fails(failure) = fate {
            return Err(failure.error());
        }
        let file = self.next_file;
        self.next_file += 1;
        let content = History::new(Content::default());
        self.files.insert(
            file,
            OneFile {
                content,
                handles: 0,
            },
        );
        let path = path.to_owned();
        self.names.change(NameChange::Create { path, file });
        fate.answer()?;
        Ok(file)
    }

    pub(crate) fn close(&mut self, file: FileId) {
        if let Ok(open) = self.file(file) {
            open.handles = open.handles.saturating_sub(1);
        }
        self.forget_unreachable();
    }

    /// What nobody can reach any more, not even after a crash, is gone.
    fn forget_unreachable(&mut self) {
        let named = self
            .names
            .seen()
            .0
            .values()
            .chain(self.names.durable().0.values());
        let mut reachable: BTreeSet<FileId> = named.copied().collect();
        reachable.extend(self.names.changes().filter_map(NameChange::file));
        self.files
            .retain(|id, file| file.handles > 0 || reachable.contains(id));
    }

    pub(crate) fn read(
        &mut self,
        file: FileId,
        path: &Path,
        bytes: &mut [u8],
        offset: u64,
    ) -> io::Result<()> {
        self.begin(Op::Read, path)?.answer()?;
        let content = &self.file(file)?.content.seen().0;
        if bytes.is_empty() {
            // Also behind the end, as systems do.
            return Ok(());
        }
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = content.get(begin..begin.saturating_add(bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        file: FileId,
        path: &Path,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        let mut fate = self.begin(Op::Write, path)?;
        let mut written = match fate {
            Fate::Fails(Failure::Torn) => self.chance.below(bytes.len()),
            Fate::Fails(_) => 0,
            Fate::Passes | Fate::IsCut => bytes.len(),
        };
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let free = usize::try_from(self.free_bytes()).unwrap_or(usize::MAX);
        let content = &mut self.file(file)?.content;
        let fitting = content.seen().0.len().saturating_add(free);
        if offset.saturating_add(written) > fitting {
            written = fitting.saturating_sub(offset);
            fate = Fate::Fails(Failure::NoSpace);
        }
        if let Some(bytes) = bytes.get(..written).filter(|bytes| !bytes.is_empty()) {
            let bytes = bytes.to_owned();
            content.change(Change::Write { offset, bytes });
        }
        fate.answer()
    }

    pub(crate) fn length(&mut self, file: FileId) -> io::Result<u64> {
        if self.is_off {
            return Err(off());
        }
        Ok(self.file(file)?.content.seen().0.len() as u64)
    }

    pub(crate) fn set_length(&mut self, file: FileId, path: &Path, bytes: u64) -> io::Result<()> {
        let fate = self.begin(Op::SetLength, path)?;
        if let Fate::Fails(failure) = fate {
            return Err(failure.error());
        }
        let longer = bytes.saturating_sub(self.file(file)?.content.seen().0.len() as u64);
        if longer > self.free_bytes() {
            return Err(Failure::NoSpace.error());
        }
        let length = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.file(file)?.content.change(Change::Length(length));
        fate.answer()
    }

    pub(crate) fn sync(&mut self, file: FileId, path: &Path, op: Op) -> io::Result<()> {
        let fate = self.begin(op, path)?;
        let content = &mut self.file(file)?.content;
        match fate {
            Fate::Passes => content.sync(|_| true),
            Fate::IsCut => {}
            Fate::Fails(_) => content.fail_sync(),
        }
        fate.answer()
    }

    pub(crate) fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        self.begin(Op::List, dir)?.answer()?;
        let paths = self.names.seen().0.keys();
        let inside = paths.filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.find(from)?;
        let fate = self.begin(Op::Rename, to)?;
        if let Fate::Fails(failure) = fate {
            return Err(failure.error());
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        self.names.change(NameChange::Rename { from, to, file });
        self.forget_unreachable();
        fate.answer()
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let fate = self.begin(Op::Remove, path)?;
        if let Fate::Fails(failure) = fate {
            return Err(failure.error());
        }
        let path = path.to_owned();
        self.names.change(NameChange::Remove { path });
        self.forget_unreachable();
        fate.answer()
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let fate = self.begin(Op::SyncDir, dir)?;
        if fate == Fate::Passes {
            self.names.sync(|change| change.is_in(dir));
            self.forget_unreachable();
        }
        fate.answer()
    }

    /// Bytes of the files that have a name or are open.
    pub(crate) fn free_bytes(&self) -> u64 {
        let named: BTreeSet<FileId> = self.names.seen().0.values().copied().collect();
        let used = self
            .files
            .iter()
            .filter(|(id, file)| file.handles > 0 || named.contains(id))
            .map(|(_, file)| file.content.seen().0.len() as u64);
        self.capacity_bytes.saturating_sub(used.sum())
    }

    /// The names, with the bytes of each file.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let bytes = |id| self.files.get(id).map(|file| file.content.seen().0.clone());
        let names = self.names.seen().0.iter();
        names
            .filter_map(|(path, id)| Some((path.clone(), bytes(id)?)))
            .collect()
    }

    /// Changes the bytes of a file, made if it is not there, behind the kernel's back.
    pub(crate) fn tamper(&mut self, path: &Path, how: impl Fn(&mut Vec<u8>)) {
        let file = self.find(path).unwrap_or(self.next_file);
        self.next_file = self.next_file.max(file + 1);
        self.names.tamper(|names| {
            names.0.insert(path.to_owned(), file);
        });
        let new = || OneFile {
            content: History::new(Content::default()),
            handles: 0,
        };
        let file = self.files.entry(file).or_insert_with(new);
        file.content.tamper(|content| how(&mut content.0));
    }

    /// Removes a file behind the kernel's back.
    pub(crate) fn tamper_remove(&mut self, path: &Path) {
        self.names.tamper(|names| {
            names.0.remove(path);
        });
    }

    /// The disk as it is found after a crash.
    pub(crate) fn after(&self, how: Crash) -> Self {
        let seed = match how {
            Crash::PowerFailure { seed } => seed,
            Crash::Process | Crash::LoseUnsynced => 0,
        };
        let mut chance = Chance::new(seed);
        let names = match how {
            Crash::Process => self.names.clone(),
            _ => History::new(self.names.after_power_failure(how, &mut chance)),
        };
        let files = self.files.iter().map(|(id, file)| {
            let content = match how {
                Crash::Process => file.content.clone(),
                _ => History::new(file.content.after_power_failure(how, &mut chance)),
            };
            (
                *id,
                OneFile {
                    content,
                    handles: 0,
                },
            )
        });
        let mut after = Self {
            names,
            files: files.collect(),
            next_file: self.next_file,
            capacity_bytes: self.capacity_bytes,
            ..Self::new(0)
        };
        after.chance = chance;
        after.forget_unreachable();
        after
    }
}
