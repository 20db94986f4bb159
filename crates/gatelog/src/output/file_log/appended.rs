//! A file that is appended to, by a thread of its own.
//!
//! **Shape.** What is to be appended goes to the thread with a channel for the answer. A pipe that
//! nobody reads, or a file system that hangs, holds up that thread and nothing else: whoever waits for
//! the answer may give up, and the process may end.
//!
//! **Invariants.** A piece is appended with one write where the system takes it so, and other pieces
//! never come in between. Before each it is looked whether the path still leads to the open file:
//! a file that was renamed gets no more, one that is missing is made (mode 0644, less the umask).
//! Directories are not made. Where a write ends in the middle, what it wrote is cut off again; where
//! that cannot be done, as on a pipe, the next piece begins with a line break. So does the first piece in
//! a file that ends within a line, as a crash within a write leaves it.
//!
//! **Limits.** `/dev/stdout` and `/dev/stderr` are the process' own: they are not opened anew, and what
//! they have taken is not cut.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

/// A file's mode where it is made.
const MODE: u32 = 0o644;

/// How long a descriptor is left alone that takes nothing at the moment.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// The piece back, and what became of it.
pub(super) type Answer = (Vec<u8>, io::Result<()>);

struct Order {
    piece: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

/// The way to the thread. It ends when this is dropped and its last piece is written.
#[derive(Debug)]
pub struct AppendedFile {
    orders: mpsc::Sender<Order>,
}

impl AppendedFile {
    /// Starts the thread. The file is opened with the first piece.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let (orders, taken) = mpsc::channel::<Order>();
        let mut file = Appender::new(path.to_owned());
        std::thread::Builder::new()
            .name("output-file".to_owned())
            .spawn(move || {
                for Order { piece, answer } in taken {
                    let written = file.append(&piece);
                    // Whoever waited for it may have given up.
                    let _told = answer.send((piece, written)).is_ok();
                }
            })?;
        Ok(Self { orders })
    }

    /// Has the piece appended.
    pub(super) fn append(&self, piece: Vec<u8>) -> io::Result<oneshot::Receiver<Answer>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.orders.send(Order { piece, answer });
        sent.map_err(|_| io::Error::other("the file's thread is gone"))?;
        Ok(answered)
    }
}

/// The file as its thread has it.
#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    file: Option<File>,
    /// What was written last is not a whole line, and could not be cut off.
    half_line: bool,
}

impl Appender {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            half_line: false,
        }
    }

    /// Appends the whole piece or nothing, as far as the file allows.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        let own = Own::at(&self.path);
        match own {
            Some(own) if self.file.is_none() => self.file = Some(own.descriptor()?),
            Some(_) => {}
            None if self.is_open_file_there()? => {}
            None => {
                self.file = None;
                let file = self.open()?;
                self.half_line = ends_within_line(&file, &self.path);
                self.file = Some(file);
            }
        }
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("no file is open"));
        };
        let wrong = |error| with_path("write", &self.path, &error);
        if self.half_line {
            write(file, b"\n").map_err(|(_, error)| wrong(error))?;
            self.half_line = false;
        }
        match write(file, piece) {
            Ok(()) => Ok(()),
            Err((0, error)) => Err(wrong(error)),
            Err((written, error)) => {
                self.half_line = own.is_some() || cut_off(file, written).is_err();
                Err(wrong(error))
            }
        }
    }

    /// Whether the path leads to the open file.
    fn is_open_file_there(&self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let identity = |data: &Metadata| (data.dev(), data.ino());
        let open = file.metadata().map(|data| identity(&data));
        match (open, std::fs::metadata(&self.path)) {
            (Ok(open), Ok(there)) => Ok(open == identity(&there)),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            (Err(error), _) | (_, Err(error)) => Err(with_path("open", &self.path, &error)),
        }
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.append(true).create(true).mode(MODE);
        let opened = options.open(&self.path);
        opened.map_err(|error| with_path("open", &self.path, &error))
    }
}

/// Whether the file that was opened at the path ends with half a line. Where it cannot be read nobody
/// knows, and it counts as whole.
fn ends_within_line(file: &File, path: &Path) -> bool {
    // A pipe is not to be opened for reading.
    let bytes = match file.metadata() {
        Ok(data) if data.is_file() => data.len(),
        _ => 0,
    };
    let mut last = [b'\n'];
    let Some(at) = bytes.checked_sub(1) else {
        return false;
    };
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, at));
    read.is_ok() && last != *b"\n"
}

/// A descriptor that the process was started with.
#[derive(Clone, Copy, Debug)]
enum Own {
    Output,
    Error,
}

impl Own {
    /// The one that is meant by this path.
    fn at(path: &Path) -> Option<Self> {
        match path.to_str() {
            Some("/dev/stdout") => Some(Self::Output),
            Some("/dev/stderr") => Some(Self::Error),
            _ => None,
        }
    }

    fn descriptor(self) -> io::Result<File> {
        let descriptor = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned(),
            Self::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        descriptor.map(File::from)
    }
}

/// Writes all of it; what has been written before an error.
fn write(file: &mut File, piece: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while let Some(rest) = piece.get(written..).filter(|rest| !rest.is_empty()) {
        match write_some(file, rest, written) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(FULL_PAUSE);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Writes as much as the system takes at once.
#[expect(
    clippy::disallowed_methods,
    reason = "how much was written is needed, to take it back"
)]
fn write_some(file: &mut File, rest: &[u8], written: usize) -> io::Result<usize> {
    if let Err(error) = gatelog_failpoint::disk("file_log.write") {
        // A disk that is full takes a part first.
        if written > 0 || rest.len() < 2 {
            return Err(error);
        }
        let (half, _) = rest.split_at(rest.len() / 2);
        return file.write(half);
    }
    file.write(rest)
}

/// Cuts off what was written last, unless somebody else has written behind it.
fn cut_off(file: &mut File, written: usize) -> io::Result<()> {
    let end = file.stream_position()?;
    if file.metadata()?.len() != end {
        return Err(io::Error::other("somebody else has written behind it"));
    }
    file.set_len(end.saturating_sub(written as u64))
}

fn with_path(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}
