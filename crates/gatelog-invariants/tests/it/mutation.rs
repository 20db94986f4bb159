//! What a fuzzer does to a seed.

use proptest::prelude::*;
use proptest::sample::Index;

/// One edit.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Flip(Index),
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
    /// A piece of another seed, in this place.
    Splice(Index, Index),
}

/// Words that formats are made of.
const WORDS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b"\n",
    b"-",
    b"\"\"",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"1e999",
];

pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let word = prop::sample::select(WORDS.as_slice()).prop_map(<[u8]>::to_vec);
    let edit = prop_oneof![
        any::<Index>().prop_map(Edit::Flip),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), 1usize..40).prop_map(|(at, bytes)| Edit::Remove(at, bytes)),
        (any::<Index>(), 1usize..40).prop_map(|(at, bytes)| Edit::Repeat(at, bytes)),
        (any::<Index>(), word).prop_map(|(at, word)| Edit::Insert(at, word)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, from)| Edit::Splice(at, from)),
    ];
    prop::collection::vec(edit, 0..6)
}

pub(crate) fn apply(edits: &[Edit], other: &[u8], bytes: &mut Vec<u8>) {
    for edit in edits {
        let length = bytes.len();
        // Insertions may stand behind the last byte.
        let between = |at: &Index| at.index(length + 1);
        match edit {
            Edit::Insert(at, word) => drop(bytes.splice(between(at)..between(at), word.clone())),
            Edit::Splice(at, from) => {
                let piece = other.get(from.index(other.len() + 1)..).unwrap_or_default();
                let piece = piece.get(..piece.len().min(100)).unwrap_or_default();
                drop(bytes.splice(between(at)..between(at), piece.iter().copied()));
            }
            _ if length == 0 => {}
            Edit::Flip(at) => bytes[at.index(length * 8) / 8] ^= 1 << (at.index(length * 8) % 8),
            Edit::Set(at, byte) => bytes[at.index(length)] = *byte,
            Edit::Cut(at) => bytes.truncate(at.index(length)),
            Edit::Remove(at, count) => {
                let begin = at.index(length);
                drop(bytes.drain(begin..length.min(begin + count)));
            }
            Edit::Repeat(at, count) => {
                let begin = at.index(length);
                bytes.extend_from_within(begin..length.min(begin + count));
            }
        }
    }
}
