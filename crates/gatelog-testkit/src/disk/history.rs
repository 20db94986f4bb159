//! Something that is changed in the kernel's memory first, and on the disk when it is synced.
//!
//! **Shape.** [`History`] keeps what is surely on the disk, and the changes since in their order,
//! each with how sure it is. A power failure is a decision about each that is not sure. One order
//! for all of them, synced or not, is what lets a synced change win over an older one that was lost.

use std::collections::VecDeque;

use super::chance::Chance;
use super::crash::Crash;

/// What a [`History`] is of.
pub(crate) trait Image: Clone {
    /// One change.
    type Change;

    fn apply(&mut self, change: &Self::Change);

    /// A part of the change, none and all included.
    fn apply_part(&mut self, change: &Self::Change, chance: &mut Chance);
}

/// Whether a change is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    /// A sync has returned.
    Synced,
    /// No sync has been asked for yet.
    Pending,
    /// A sync has failed. The kernel takes it for written, so no later sync writes it.
    Doubtful,
}

/// After so many the kernel writes back on its own, so that what is never synced takes no room.
const MAX_CHANGES: usize = 4096;

/// An image as it is seen, and what a power failure would leave of it.
#[derive(Clone, Debug)]
pub(crate) struct History<I: Image> {
    seen: I,
    durable: I,
    changes: VecDeque<(I::Change, Sure)>,
}

impl<I: Image> History<I> {
    /// All of it durable.
    pub(crate) fn new(image: I) -> Self {
        Self {
            seen: image.clone(),
            durable: image,
            changes: VecDeque::new(),
        }
    }

    /// As every process sees it.
    pub(crate) fn seen(&self) -> &I {
        &self.seen
    }

    /// Without all that is not surely on the disk, but for what later changes rely on.
    pub(crate) fn durable(&self) -> &I {
        &self.durable
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = &I::Change> {
        self.changes.iter().map(|(change, _)| change)
    }

    pub(crate) fn change(&mut self, change: I::Change) {
        self.seen.apply(&change);
        self.changes.push_back((change, Sure::Pending));
        if self.changes.len() > MAX_CHANGES
            && let Some((oldest, sure)) = self.changes.pop_front()
            && sure != Sure::Doubtful
        {
            self.durable.apply(&oldest);
        }
    }

    /// A sync that returned, of the changes that are meant.
    pub(crate) fn sync(&mut self, is_meant: impl Fn(&I::Change) -> bool) {
        self.mark(Sure::Synced, is_meant);
        let sure = |(_, sure): &(I::Change, Sure)| *sure == Sure::Synced;
        let leading = self
            .changes
            .iter()
            .take_while(|change| sure(change))
            .count();
        for (change, _) in self.changes.drain(..leading) {
            self.durable.apply(&change);
        }
    }

    /// A sync that failed.
    pub(crate) fn fail_sync(&mut self) {
        self.mark(Sure::Doubtful, |_| true);
    }

    fn mark(&mut self, sure: Sure, is_meant: impl Fn(&I::Change) -> bool) {
        for (change, state) in &mut self.changes {
            if *state == Sure::Pending && is_meant(change) {
                *state = sure;
            }
        }
    }

    /// What a power failure leaves.
    pub(crate) fn after_power_failure(&self, how: Crash, chance: &mut Chance) -> I {
        let mut left = self.durable.clone();
        let survivors_of_4 = chance.below(5);
        for (change, sure) in &self.changes {
            if *sure == Sure::Synced {
                left.apply(change);
            } else if matches!(how, Crash::PowerFailure { .. }) {
                if chance.quarters(survivors_of_4) {
                    left.apply(change);
                } else {
                    left.apply_part(change, chance);
                }
            }
        }
        left
    }

    /// Whatever was done to the disk behind the kernel's back: seen at once, and durable.
    pub(crate) fn tamper(&mut self, how: impl Fn(&mut I)) {
        how(&mut self.seen);
        how(&mut self.durable);
    }
}
