//! The journal's files, written and read by another hand than the journal's: an oracle.
//!
//! **Shape.** The functions follow the layout in `gatelog_journal`'s documentation and nothing of
//! its code. [`readable`] is what a reader has to find in a segment, in its simplest form.

use std::path::{Path, PathBuf};

/// Where the journal is.
pub(crate) const DIR: &str = "/journal";

/// The journal's id, and that of another.
pub(crate) const JOURNAL: [u8; 16] = *b"gatelog's frames";
pub(crate) const OTHER_JOURNAL: [u8; 16] = *b"another's frames";

/// Bytes before a segment's first frame.
pub(crate) const HEADER_BYTES: usize = 64;

/// Bytes before a frame's payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 28;

/// In place of the bytes between a frame and the beginning of its round.
pub(crate) const UNKNOWN: u32 = u32::MAX;

const MAX_PAYLOAD_BYTES: u32 = 256 << 20;

/// The path of the segment whose first frame is at `base`.
pub(crate) fn path(base: u64) -> PathBuf {
    Path::new(DIR).join(format!("{base:020}.segment"))
}

/// What the file `id` holds.
pub(crate) fn id_file() -> (PathBuf, String) {
    let mut text = JOURNAL.map(|byte| format!("{byte:02x}")).concat();
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text.push('\n');
    (Path::new(DIR).join("id"), text)
}

/// The header of a segment.
pub(crate) fn header(version: u32, base: u64, stale_bytes: u64) -> Vec<u8> {
    let mut bytes = b"GATELOGJ".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(JOURNAL);
    for number in [base, 0, 1_700_000_000_000, stale_bytes] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// The version of a header with a right checksum.
pub(crate) fn version(file: &[u8]) -> Option<u32> {
    let (covered, stored) = file.get(..HEADER_BYTES)?.split_last_chunk::<4>()?;
    let version = covered.strip_prefix(b"GATELOGJ")?.first_chunk::<4>()?;
    let is_whole = crc32c::crc32c(covered).to_le_bytes() == *stored;
    is_whole.then_some(u32::from_le_bytes(*version))
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) journal: [u8; 16],
    pub(crate) position: u64,
    pub(crate) length: u32,
    /// Bytes between the beginning of its round and the frame.
    pub(crate) behind: u32,
    pub(crate) payload_checksum: u32,
}

impl Head {
    /// That of an ordinary frame, in a round of its own.
    pub(crate) fn of(payload: &[u8], position: u64) -> Self {
        Self {
            journal: JOURNAL,
            position,
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            behind: 0,
            payload_checksum: crc32c::crc32c(payload),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let records = 1u32;
        let mut bytes = Vec::new();
        for number in [self.length, records, self.behind, self.payload_checksum] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(1_700_000_000_000u64.to_le_bytes());
        bytes.extend(checksum(&self.journal, self.position, &bytes).to_le_bytes());
        bytes
    }

    /// The one that begins `bytes`, if it belongs to this position of our journal.
    fn read(bytes: &[u8], position: u64) -> Option<Self> {
        let (fields, stored) = bytes.get(..FRAME_HEADER_BYTES)?.split_last_chunk::<4>()?;
        let number = |index: usize| {
            let bytes = fields.get(index * 4..)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let length = number(0)?;
        let whole = (1..=MAX_PAYLOAD_BYTES).contains(&length)
            && checksum(&JOURNAL, position, fields).to_le_bytes() == *stored;
        whole.then_some(Self {
            journal: JOURNAL,
            position,
            length,
            behind: number(2)?,
            payload_checksum: number(3)?,
        })
    }

    /// Where its round began, as far as that is known.
    fn round(&self) -> Option<u64> {
        let behind = Some(self.behind).filter(|behind| *behind != UNKNOWN)?;
        Some(self.position.saturating_sub(behind.into()))
    }
}

fn checksum(journal: &[u8; 16], position: u64, fields: &[u8]) -> u32 {
    let covered = [&journal[..], &position.to_le_bytes(), fields].concat();
    crc32c::crc32c(&covered)
}

/// An ordinary frame, in a round of its own.
pub(crate) fn frame(payload: &[u8], position: u64) -> Vec<u8> {
    [&Head::of(payload, position).bytes(), payload].concat()
}

/// What a reader finds: frames and holes, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// `None` for a hole.
    pub(crate) payload: Option<Vec<u8>>,
}

/// What a segment holds whose frames' bytes are these, up to `limit`, which may lie behind them.
pub(crate) fn readable(bytes: &[u8], base: u64, limit: u64) -> Vec<Seen> {
    let length = usize::try_from(limit - base).unwrap_or(usize::MAX);
    let bytes = bytes.get(..length).unwrap_or(bytes);
    let mut all = Vec::new();
    let mut from = base;
    while from < limit {
        let mut to = None;
        let mut payload = None;
        if let Some((head, rest)) = head_at(bytes, base, from)
            && let Some(found) = rest.get(..head.length as usize)
        {
            to = Some(end_of(&head));
            let is_whole = crc32c::crc32c(found) == head.payload_checksum;
            payload = is_whole.then(|| found.to_vec());
        }
        let to = to.unwrap_or_else(|| next_head(bytes, base, from + 1).unwrap_or(limit));
        all.push(Seen { from, to, payload });
        from = to;
    }
    all
}

/// Where the newest segment has to end, whose frames' bytes are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind the last frame that is followed by whole ones only from the beginning on.
    At(u64),
    /// What is behind that was durable once: nothing before this may be cut.
    NotBefore(u64),
}

/// See there.
pub(crate) fn end(bytes: &[u8], base: u64) -> End {
    let limit = base + bytes.len() as u64;
    let (mut at, mut durable, mut first_hole) = (base, base, None);
    while at < limit {
        let Some((head, rest)) = head_at(bytes, base, at) else {
            first_hole = first_hole.or(Some(at));
            let Some(next) = next_head(bytes, base, at + 1) else {
                break;
            };
            at = next;
            continue;
        };
        durable = durable.max(head.round().unwrap_or(base));
        let payload = rest.get(..head.length as usize);
        if payload.is_none_or(|payload| crc32c::crc32c(payload) != head.payload_checksum) {
            first_hole = first_hole.or(Some(at));
        }
        at = end_of(&head);
    }
    let first_hole = first_hole.unwrap_or(limit);
    if durable > first_hole {
        End::NotBefore(durable)
    } else {
        End::At(first_hole)
    }
}

fn end_of(head: &Head) -> u64 {
    head.position + FRAME_HEADER_BYTES as u64 + u64::from(head.length)
}

/// The head at a position, and the bytes behind it.
fn head_at(bytes: &[u8], base: u64, position: u64) -> Option<(Head, &[u8])> {
    let bytes = bytes.get(usize::try_from(position - base).ok()?..)?;
    let head = Head::read(bytes, position)?;
    Some((head, bytes.get(FRAME_HEADER_BYTES..)?))
}

/// The first head at `from` or behind it. One whose round began before its segment is none.
fn next_head(bytes: &[u8], base: u64, from: u64) -> Option<u64> {
    let limit = base + bytes.len() as u64;
    (from..limit).find(|position| {
        head_at(bytes, base, *position).is_some_and(|(head, _)| {
            head.behind == UNKNOWN || u64::from(head.behind) <= position - base
        })
    })
}
