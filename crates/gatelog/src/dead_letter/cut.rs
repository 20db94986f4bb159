//! Cutting lines from the end of a file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that are read at once, from the end on.
const BLOCK_BYTES: u64 = 64 << 10;

/// What was cut from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Whole lines.
    pub(super) lines: u64,
    /// Bytes of the lines, and of an unfinished one behind them.
    pub(super) bytes: u64,
    /// Bytes of the unfinished one.
    pub(super) torn_bytes: u64,
    /// Bytes that are left.
    pub(super) left_bytes: u64,
}

/// Cuts an unfinished last line, and then last lines for as long as `goes` says so. What was cut is
/// gone for good when it returns.
pub(super) fn cut_end(path: &Path, goes: impl Fn(&[u8]) -> bool) -> io::Result<Cut> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut end = match last_newline(&file, length)? {
        Some(at) => at + 1,
        None => 0,
    };
    let torn_bytes = length - end;
    let mut lines = 0;
    while end > 0 {
        let start = match last_newline(&file, end - 1)? {
            Some(at) => at + 1,
            None => 0,
        };
        let mut line = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut line, start)?;
        if !goes(&line) {
            break;
        }
        lines += 1;
        end = start;
    }
    if end < length {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(Cut {
        lines,
        bytes: length - end,
        torn_bytes,
        left_bytes: end,
    })
}

/// The offset of the last newline before `end`.
fn last_newline(file: &File, mut end: u64) -> io::Result<Option<u64>> {
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        block.resize(usize::try_from(end - start).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle cuts in memory.
        #[test]
        fn only_what_goes_is_cut_from_the_end(
            lengths in proptest::collection::vec((0usize..200_000, any::<bool>()), 0..6),
            torn in 0usize..100_000,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("letters");
            let lines: Vec<String> = lengths
                .iter()
                .map(|(length, goes)| format!("{}{}\n", if *goes { '-' } else { '+' }, "x".repeat(*length)))
                .collect();
            fs::write(&path, lines.concat() + &"-".repeat(torn)).unwrap();
            let kept = lengths.iter().rposition(|(_, goes)| !goes).map_or(0, |last| last + 1);
            let cut = cut_end(&path, |line| line[0] == b'-').unwrap();
            prop_assert_eq!(fs::read_to_string(&path).unwrap(), lines[..kept].concat());
            prop_assert_eq!(cut.lines, (lines.len() - kept) as u64);
            prop_assert_eq!(cut.torn_bytes, torn as u64);
            prop_assert_eq!(cut.left_bytes, lines[..kept].concat().len() as u64);
        }
    }
}
