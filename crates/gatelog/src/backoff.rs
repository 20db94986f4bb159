//! Pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses that double with every failure, up to a longest one, each shortened by up to a half at
/// random: many that fail together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `first`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The pause after a failure.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = (pause * 2).min(self.longest);
        // The seed of the standard library's hash maps: random, and at hand.
        let random = RandomState::new().hash_one(0) % 1024;
        pause.mul_f64(1.0 - f64::from(u16::try_from(random).unwrap_or(0)) / 2048.0)
    }

    /// Something went well: the next pause is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_differ() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(6));
        let mut backoff = Backoff::new(first, longest);
        for whole in [1, 2, 4, 6, 6] {
            let (pause, whole) = (backoff.pause(), Duration::from_secs(whole));
            assert!(
                pause * 2 + Duration::from_millis(2) > whole && pause <= whole,
                "{pause:?}"
            );
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
        let pauses: std::collections::HashSet<_> = (0..50).map(|_| backoff.pause()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
