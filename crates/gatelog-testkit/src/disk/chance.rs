//! Decisions that are the same again for the same seed.

/// A source of decisions: `SplitMix64`, which needs no state but one number.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to and without `bound`; 0 when there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = self.next();
        match u64::try_from(bound) {
            Ok(0) | Err(_) => 0,
            Ok(bound) => usize::try_from(number % bound).unwrap_or_default(),
        }
    }

    /// True in `of` cases out of 4.
    pub(crate) fn quarters(&mut self, of: usize) -> bool {
        self.below(4) < of
    }
}
