//! Record ids.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Timestamp;

/// A record's id: 128 bits that sort by receive time, printed as a UUID (version 7, RFC 9562 §5.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(u128);

impl RecordId {
    /// The id with these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The id's bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// Reads an id from its UUID text, with or without hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0u128;
        let mut digits = 0;
        for byte in text.bytes().filter(|&byte| byte != b'-') {
            bits = bits << 4 | u128::from((byte as char).to_digit(16)?);
            digits += 1;
        }
        (digits == 32).then_some(Self(bits))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Gives out ids that are never given twice by one process, nor, with different seeds, by two.
#[derive(Debug)]
pub struct RecordIds {
    /// Told apart per process: 42 random bits.
    seed: u64,
    next: AtomicU64,
}

impl RecordIds {
    /// Ids told apart from other processes' by `seed` (random; the low 42 bits count).
    pub const fn new(seed: u64) -> Self {
        Self {
            seed: seed & ((1 << 42) - 1),
            next: AtomicU64::new(0),
        }
    }

    /// A fresh id for a record received at `now`.
    ///
    /// The low 32 bits of a counter follow the milliseconds, so ids of one millisecond keep the
    /// order they were given in and would repeat only after 4,294,967,296 in that millisecond.
    pub fn next(&self, now: Timestamp) -> RecordId {
        let millis = u128::from(now.millis().max(0).unsigned_abs() & ((1 << 48) - 1));
        let count = u128::from(self.next.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff);
        let (count_high, count_low) = (count >> 20, count & 0xf_ffff);
        RecordId(
            millis << 80
                | 7 << 76
                | count_high << 64
                | 2 << 62
                | count_low << 42
                | u128::from(self.seed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_given_and_read_back_from_their_text() {
        let ids = RecordIds::new(u64::MAX);
        let now = Timestamp::from_millis(1_774_231_801_000);
        let (first, second) = (ids.next(now), ids.next(now));
        assert!(first < second);
        assert_eq!(first.to_string(), "019d1874-cca8-7000-8000-03ffffffffff");
        assert_eq!(RecordId::parse(&second.to_string()), Some(second));
        assert_eq!(RecordId::parse("019d1874"), None);
    }
}
