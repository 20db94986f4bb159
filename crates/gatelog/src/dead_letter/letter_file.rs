//! The files of one reader: lines appended durably, a new file when one is large, lines cut from
//! the end.
//!
//! **Failure.** A write or sync that fails is taken back at once, or, if the disk does not even let
//! that happen, before the next one. An operator may remove or rename the files at any time: each
//! append opens the file anew.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::room::{Room, Used};
use super::{Kept, cut, line};
use crate::place::Place;

/// Bytes after which a file is renamed and a new one begun.
const FILE_BYTES: u64 = 64 << 20;

/// `STEM.EXTENSION`, and `STEM.NNNNNN.EXTENSION` before it.
#[derive(Debug)]
pub(super) struct LetterFile {
    room: Arc<Room>,
    stem: String,
    extension: &'static str,
    file_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last place of a line, once the end of the file is known.
    last: Option<Place>,
    /// The length to which the file has to be cut before anything is appended.
    repair: Option<u64>,
}

impl LetterFile {
    pub(super) fn new(room: Arc<Room>, stem: &str, extension: &'static str) -> Self {
        Self {
            room,
            stem: stem.to_owned(),
            extension,
            file_bytes: FILE_BYTES,
            state: Mutex::new(State::default()),
        }
    }

    #[cfg(test)]
    pub(super) fn with_file_bytes(self, file_bytes: u64) -> Self {
        Self { file_bytes, ..self }
    }

    /// Appends lines with their places, as far as there is room.
    pub(super) fn append<W: FnOnce(&mut String)>(
        &self,
        lines: impl Iterator<Item = (Place, W)>,
    ) -> io::Result<Kept> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = self.room.used();
        let (mut text, mut answer, mut last) = (String::new(), Kept::default(), state.last);
        for (place, write) in lines {
            if answer.dropped > 0 {
                answer.dropped += 1;
                continue;
            }
            let before = text.len();
            write(&mut text);
            if self.room.fits(&mut used, text.len())? {
                answer.kept += 1;
                last = last.max(Some(place));
            } else {
                text.truncate(before);
                answer.dropped += 1;
            }
        }
        if !text.is_empty() {
            self.write(&mut state, &mut used, text.as_bytes())?;
            // Before the first cut the end of the file is not known: there may be later ones.
            if state.last.is_some() {
                state.last = last;
            }
        }
        Ok(answer)
    }

    fn write(&self, state: &mut State, used: &mut Used, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(None);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut length = file.metadata()?.len();
        if let Some(right) = state.repair.filter(|right| *right < length) {
            file.set_len(right)?;
            used.subtract(length - right);
            length = right;
        }
        state.repair = None;
        if length >= self.file_bytes {
            fs::rename(
                &path,
                self.path(Some(self.numbers()?.last().map_or(1, |last| last + 1))),
            )?;
            gatelog_failpoint::pass("dead_letter.rotated");
            file = OpenOptions::new().create(true).append(true).open(&path)?;
            length = 0;
        }
        let written = gatelog_failpoint::disk("dead_letter.write")
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| gatelog_failpoint::disk("dead_letter.sync"))
            .and_then(|()| file.sync_data())
            .and_then(|()| {
                if length == 0 {
                    self.room.sync()
                } else {
                    Ok(())
                }
            });
        if let Err(error) = written {
            // Half a line would spoil the next one, and a whole one would be there twice.
            if file.set_len(length).is_err() {
                state.repair = Some(length);
            }
            return Err(error);
        }
        used.add(bytes.len() as u64);
        Ok(())
    }

    /// Cuts letters of this journal behind this place, and an unfinished last line.
    pub(super) fn cut_behind(&self, journal: &str, place: Place) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.repair.is_none() && state.last.is_some_and(|last| last <= place) {
            return Ok(());
        }
        self.cut(|line| line::is_behind(line, journal, place))?;
        *state = State {
            last: Some(place),
            repair: None,
        };
        Ok(())
    }

    /// Cuts the last letters for as long as `goes` says so, and an unfinished last line.
    pub(super) fn cut_where(&self, goes: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.cut(goes)?;
        state.repair = None;
        Ok(())
    }

    fn cut(&self, goes: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        let mut used = self.room.used();
        let mut older = self.numbers()?;
        let (mut number, mut letters, mut torn_bytes) = (None, 0, 0);
        loop {
            let path = self.path(number);
            let cut = match cut::cut_end(&path, &goes) {
                Ok(cut) => cut,
                Err(error) if error.kind() == io::ErrorKind::NotFound => cut::Cut::default(),
                Err(error) => return Err(error),
            };
            used.subtract(cut.bytes);
            letters += cut.lines;
            torn_bytes += cut.torn_bytes;
            if cut.left_bytes > 0 {
                break;
            }
            if number.is_some() {
                fs::remove_file(&path)?;
            }
            number = older.pop();
            if number.is_none() {
                break;
            }
        }
        drop(used);
        if letters > 0 || torn_bytes > 0 {
            let file = self.path(None);
            tracing::info!(
                file = %file.display(),
                letters,
                torn_bytes,
                "letters that a crash or a failed write left were cut; they come again"
            );
        }
        Ok(())
    }

    fn path(&self, number: Option<u32>) -> PathBuf {
        let Self {
            stem, extension, ..
        } = self;
        self.room.dir().join(match number {
            Some(number) => format!("{stem}.{number:06}.{extension}"),
            None => format!("{stem}.{extension}"),
        })
    }

    /// The numbers of the older files, ascending.
    fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(self.room.dir())? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_prefix(&self.stem)?.strip_prefix('.'))
                .and_then(|rest| rest.strip_suffix(self.extension)?.strip_suffix('.'))
                .and_then(|number| number.parse().ok());
            numbers.extend::<Option<u32>>(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}
