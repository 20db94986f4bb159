//! Copies of bytes that are cut or passed over: `.torn` and `.damaged` files beside the segments,
//! for whoever wants to know what was in them.
//!
//! **Limits.** 1 MiB a file, 64 MiB together; the oldest go first. An earlier copy is never
//! overwritten.
//!
//! **Failure.** A copy that cannot be written is let be: it must not keep the journal from working.

use std::io;
use std::path::PathBuf;

use crate::directory::Directory;
use crate::filesystem::Mode;

/// Bytes of one copy.
pub(crate) const MAX_COPY_BYTES: usize = 1 << 20;

/// Bytes of all copies.
const MAX_BYTES: u64 = 64 << 20;

/// Why bytes are put aside; it ends their file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The end of a segment that a crash has left.
    Torn,
    /// Bytes that were durable and are not what was written.
    Damaged,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Kind::Torn => "torn",
            Kind::Damaged => "damaged",
        }
    }
}

/// Keeps `bytes` in a file named after the base of their segment and their offset in its file. The
/// file, if it could be written.
pub(crate) fn keep(
    directory: &Directory,
    kind: Kind,
    base: u64,
    offset: u64,
    bytes: &[u8],
) -> Option<PathBuf> {
    let bytes = bytes.get(..MAX_COPY_BYTES).unwrap_or(bytes);
    make_room(directory, bytes.len() as u64).ok()?;
    let name = format!("{base:020}-{offset:010}");
    let suffix = kind.suffix();
    let names = std::iter::once(format!("{name}.{suffix}"))
        .chain((2..100).map(|copy| format!("{name}.{copy}.{suffix}")));
    for name in names {
        let path = directory.path.join(name);
        let file = match directory.fs.open(&path, Mode::CreateNew) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file.ok()?,
        };
        if file.write_at(bytes, 0).is_err() {
            // The beginning of a copy, on a disk that is full: better none.
            let _removed = directory.fs.remove(&path).is_ok();
            return None;
        }
        return Some(path);
    }
    None
}

/// Removes the oldest copies until there is room for `bytes` more.
fn make_room(directory: &Directory, bytes: u64) -> io::Result<()> {
    let names = directory.fs.list(&directory.path)?;
    let mut copies = Vec::new();
    for name in names {
        let is_copy = [Kind::Torn, Kind::Damaged]
            .iter()
            .any(|kind| name.ends_with(&format!(".{}", kind.suffix())));
        if is_copy {
            let path = directory.path.join(&name);
            let length = directory.fs.open(&path, Mode::Read)?.length()?;
            copies.push((name, path, length));
        }
    }
    // Names begin with positions, which grow with time.
    copies.sort_unstable();
    let mut used: u64 = copies.iter().map(|(_, _, length)| length).sum();
    for (_, path, length) in copies {
        if used + bytes <= MAX_BYTES {
            break;
        }
        directory.fs.remove(&path)?;
        used -= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::filesystem::Disk;

    fn copies(directory: &Directory) -> Vec<String> {
        let mut names = directory.fs.list(&directory.path).unwrap();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    #[test]
    fn copies_are_bounded_and_an_earlier_one_of_the_same_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (directory, _lock) = Directory::enter(Arc::new(Disk), dir.path()).unwrap();
        for _ in 0..2 {
            let kept = keep(&directory, Kind::Torn, 1, 100, b"tail").unwrap();
            assert_eq!(std::fs::read(kept).unwrap(), b"tail");
        }
        let first = copies(&directory);
        assert_eq!(first.len(), 2);
        let large = vec![7; MAX_COPY_BYTES + 5];
        for offset in 0..64 {
            let kept = keep(&directory, Kind::Damaged, 2, offset, &large).unwrap();
            assert_eq!(kept.metadata().unwrap().len(), MAX_COPY_BYTES as u64);
        }
        let now = copies(&directory);
        assert_eq!(now.len(), 64);
        assert!(first.iter().all(|name| !now.contains(name)), "{now:?}");
    }
}
