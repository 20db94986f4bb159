//! The beginning of a body, as text.
//!
//! **Limits.** The beginnings of all bodies that a worker is reading take their bytes out of one [`Room`]: however
//! many requests are open, they hold no more. A body that finds it full is cut there for good, as what comes
//! later would leave a gap.

use std::cell::Cell;
use std::rc::Rc;

use super::attribute::lossy;

/// Bytes of bodies that a worker may hold.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Rc<Cell<usize>>,
}

/// Bytes of a body up to a limit.
#[derive(Debug)]
pub(super) struct Prefix {
    bytes: Vec<u8>,
    limit: usize,
    room: Room,
    /// Bytes that were taken out of the room.
    taken: usize,
}

impl Room {
    /// So many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            free: Rc::new(Cell::new(bytes)),
        }
    }
}

impl Prefix {
    /// The first `limit` bytes, of which none is there yet.
    pub(super) fn new(limit: usize, room: &Room) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            room: room.clone(),
            taken: 0,
        }
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= self.limit
    }

    /// How many bytes are wanted still.
    pub(super) fn wants(&mut self) -> usize {
        self.limit = self.limit.min(self.bytes.len() + self.room.free.get());
        self.limit.saturating_sub(self.bytes.len())
    }

    /// The next bytes of the body; what is too much is left.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let wanted = bytes.get(..self.wants()).unwrap_or(bytes);
        self.bytes.extend_from_slice(wanted);
        self.taken += wanted.len();
        let free = &self.room.free;
        free.set(free.get().saturating_sub(wanted.len()));
    }

    /// What came, without half a character at its end; `None` when nothing came.
    pub(super) fn text(mut self) -> Option<String> {
        self.bytes.truncate(whole(&self.bytes));
        (!self.bytes.is_empty()).then(|| lossy(std::mem::take(&mut self.bytes)))
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let free = &self.room.free;
        free.set(free.get().saturating_add(self.taken));
    }
}

/// The length of the bytes without the character that they end in the middle of.
fn whole(bytes: &[u8]) -> usize {
    let longest = bytes.len().min(3);
    for tail in 1..=longest {
        let start = bytes.len() - tail;
        let end = bytes.get(start..).unwrap_or_default();
        let error = std::str::from_utf8(end).err();
        if error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none()) {
            return start;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(limit: usize, pieces: &[&[u8]]) -> Option<String> {
        let mut prefix = Prefix::new(limit, &Room::new(1000));
        for piece in pieces {
            prefix.push(piece);
        }
        prefix.text()
    }

    #[test]
    fn a_body_is_cut_between_characters() {
        assert_eq!(prefix(4, &[b"ab", b"cdef"]).as_deref(), Some("abcd"));
        assert_eq!(prefix(4, &["aéé".as_bytes()]).as_deref(), Some("aé"));
        assert_eq!(prefix(3, &["😀".as_bytes()]), None);
        assert_eq!(prefix(9, &[b"a\xffb"]).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(prefix(0, &[b"a"]), None);
        assert_eq!(prefix(5, &[]), None);
    }

    #[test]
    fn all_bodies_share_one_room_and_leave_it() {
        let room = Room::new(5);
        let (mut first, mut second) = (Prefix::new(9, &room), Prefix::new(9, &room));
        first.push(b"abcd");
        second.push(b"efg");
        assert_eq!(first.wants(), 0);
        drop(first);
        second.push(b"hi");
        assert_eq!(second.text().as_deref(), Some("e"), "without a gap");
        assert_eq!(Prefix::new(9, &room).wants(), 5);
    }

    proptest! {
        #[test]
        fn a_prefix_of_a_text_is_a_prefix(text in "\\PC{0,40}", limit in 0..60_usize, cut in 0..60_usize) {
            let bytes = text.as_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let kept = prefix(limit, &[head, tail]).unwrap_or_default();
            prop_assert!(text.starts_with(&kept));
            prop_assert!(kept.len() <= limit);
            prop_assert!(kept.len() + 3 >= limit.min(text.len()));
        }
    }
}
