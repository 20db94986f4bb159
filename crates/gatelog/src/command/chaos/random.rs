//! Random numbers that a seed repeats (splitmix64).

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for each of several users, from the same seed.
    pub fn fork(&self, user: u64) -> Self {
        let mut forked = Self(self.0 ^ user.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93));
        forked.next();
        forked
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_users_have_their_own() {
        let numbers = |mut random: Random| (0..8).map(|_| random.next()).collect::<Vec<_>>();
        let seeded = Random::new(7);
        assert_eq!(numbers(seeded.clone()), numbers(Random::new(7)));
        assert_ne!(numbers(seeded.fork(0)), numbers(seeded.fork(1)));
        assert_eq!(numbers(seeded.fork(1)), numbers(seeded.fork(1)));
        let mut random = seeded;
        assert!((0..1000).all(|_| random.below(10) < 10));
        assert_eq!(random.below(0), 0);
        let heads = (0..1000).filter(|_| random.percent(50)).count();
        assert!((400..600).contains(&heads), "{heads}");
    }
}
