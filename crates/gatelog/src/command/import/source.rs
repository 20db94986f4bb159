//! A file to import, decompressed.
//!
//! By content, not by name: gzip and zstd are known by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;

/// The largest window of a zstd file: `zstd -d` takes no larger one unless it is told to.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Bytes that are read from the disk at once.
const READ_BYTES: usize = 128 << 10;

/// What a file is called in messages.
pub(super) fn name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// The content of a file; the bar moves on by what is read of it.
///
/// # Errors
/// The system's; a directory is one.
pub(super) fn open(path: &Path, bar: &ProgressBar) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return decompressed(bar.wrap_read(io::stdin()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        let told = "is a directory; name the files in it";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, told));
    }
    decompressed(bar.wrap_read(file))
}

fn decompressed(raw: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut raw = BufReader::with_capacity(READ_BYTES, raw);
    // A pipe may give the first bytes one by one.
    let mut head = Vec::new();
    while head.len() < 4 {
        let buffer = raw.fill_buf()?;
        let Some(byte) = buffer.first().copied() else {
            break;
        };
        head.push(byte);
        raw.consume(1);
    }
    let gzip = head.starts_with(b"\x1f\x8b");
    let zstd = head == b"\x28\xb5\x2f\xfd";
    let whole = BufReader::with_capacity(READ_BYTES, io::Cursor::new(head).chain(raw));
    if gzip {
        return Ok(Box::new(MultiGzDecoder::new(whole)));
    }
    if zstd {
        let mut decoder = zstd::Decoder::with_buffer(whole)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(whole))
}
