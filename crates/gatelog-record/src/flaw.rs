//! What was odd about a record that was kept all the same.

/// A set of flaws, as bits of the field `flaws`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws(i64);

impl Flaws {
    /// Nothing was odd.
    pub const NONE: Flaws = Flaws(0);
    /// `start_time` was missing or unreadable; the receive time stands in its place.
    pub const START_TIME: Flaws = Flaws(1);
    /// `ai_log` was neither an object nor an object in a string, and was left out.
    pub const AI_LOG: Flaws = Flaws(1 << 1);
    /// A text was not valid UTF-8; the bad bytes are U+FFFD now.
    pub const UTF8: Flaws = Flaws(1 << 2);
    /// `sample_weight` was no finite number above zero, and was left out.
    pub const SAMPLE_WEIGHT: Flaws = Flaws(1 << 3);

    /// Every flaw with its name in `/metrics`.
    pub const ALL: [(Flaws, &'static str); 4] = [
        (Self::START_TIME, "start_time"),
        (Self::AI_LOG, "ai_log"),
        (Self::UTF8, "utf8"),
        (Self::SAMPLE_WEIGHT, "sample_weight"),
    ];

    /// Adds the flaws of `other`.
    pub const fn insert(&mut self, other: Flaws) {
        self.0 |= other.0;
    }

    /// Whether all flaws of `other` are in this set.
    pub const fn contains(self, other: Flaws) -> bool {
        self.0 & other.0 == other.0
    }

    /// The field's value: `None` when nothing was odd.
    pub const fn to_field(self) -> Option<i64> {
        if self.0 == 0 { None } else { Some(self.0) }
    }
}
