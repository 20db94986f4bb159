//! What each route has done of late.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

/// How many routes have a window of their own.
pub const MAX_ROUTES: usize = 2048;

/// Below this many records in the window a route is rare, and its percentiles are not known.
pub const MIN_RECORDS: u32 = 100;

/// Length of a slot.
const SLOT_MS: u64 = 120_000;

/// Slots of a window.
const SLOTS: usize = 5;

/// Steps of a histogram: up to 2²⁰ ms eight for each doubling.
const STEPS: usize = 152;

/// Locks, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// The windows of all routes.
#[derive(Debug)]
pub(super) struct Windows {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// Percent, if one is asked for.
    percentile: Option<f64>,
}

#[derive(Debug, Default)]
struct Shard {
    routes: HashMap<u64, Route>,
    /// Of routes that found no place.
    others: Option<Route>,
}

/// What a window says of a record, before the record is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) is_rare: bool,
    pub(super) is_slow: bool,
}

#[derive(Debug)]
struct Route {
    /// Number of the newest slot since 1970.
    newest: u64,
    /// Records by slot, the place being the slot's number modulo [`SLOTS`].
    counts: [u32; SLOTS],
    /// Histograms by slot, and their sum behind them; empty where no percentile is asked for.
    steps: Vec<[u32; STEPS]>,
    /// The last step that is not slow, as it was known last.
    limit: Option<usize>,
    /// Records until it is looked at again.
    until_look: u32,
}

impl Windows {
    pub(super) fn new(percentile: Option<f64>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            percentile,
        }
    }

    /// Looks at a record and counts it.
    pub(super) fn pass(&self, route: &str, duration_ms: u64, now_ms: u64) -> Sight {
        let hash = self.hasher.hash_one(route);
        let index = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        let Some(shard) = self.shards.get(index) else {
            return Sight::default();
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = now_ms / SLOT_MS;
        let has_steps = self.percentile.is_some();
        shard.make_room(hash, slot);
        if shard.routes.len() >= MAX_ROUTES / SHARDS && !shard.routes.contains_key(&hash) {
            let others = shard
                .others
                .get_or_insert_with(|| Route::new(slot, has_steps));
            let sight = others.pass(duration_ms, slot, self.percentile);
            return Sight {
                is_rare: false,
                ..sight
            };
        }
        let route = shard.routes.entry(hash);
        route.or_insert_with(|| Route::new(slot, has_steps)).pass(
            duration_ms,
            slot,
            self.percentile,
        )
    }
}

impl Shard {
    /// Removes routes that were not seen for a window, if a new one needs their place.
    fn make_room(&mut self, hash: u64, slot: u64) {
        if self.routes.len() >= MAX_ROUTES / SHARDS && !self.routes.contains_key(&hash) {
            self.routes
                .retain(|_, route| route.newest.saturating_add(SLOTS as u64) > slot);
        }
    }
}

impl Route {
    fn new(slot: u64, has_steps: bool) -> Self {
        let histograms = if has_steps { SLOTS + 1 } else { 0 };
        Self {
            newest: slot,
            counts: [0; SLOTS],
            steps: vec![[0; STEPS]; histograms],
            limit: None,
            until_look: 0,
        }
    }

    fn pass(&mut self, duration_ms: u64, slot: u64, percentile: Option<f64>) -> Sight {
        self.advance(slot);
        let count: u32 = self.counts.iter().sum();
        let step = step_of(duration_ms);
        let mut sight = Sight {
            is_rare: count < MIN_RECORDS,
            is_slow: false,
        };
        if let Some(percent) = percentile {
            if self.until_look == 0 {
                self.limit = (count >= MIN_RECORDS).then(|| self.limit(percent, count));
                self.until_look = if count < MIN_RECORDS {
                    1
                } else {
                    16.max(count / 32)
                };
            }
            self.until_look -= 1;
            sight.is_slow = self.limit.is_some_and(|limit| step > limit);
        }
        let place = usize::try_from(self.newest % SLOTS as u64).unwrap_or(0);
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
        for histogram in [place, SLOTS] {
            let counts = self.steps.get_mut(histogram);
            if let Some(count) = counts.and_then(|counts| counts.get_mut(step)) {
                *count = count.saturating_add(1);
            }
        }
        sight
    }

    /// Empties the slots that have become too old. Time that goes back stays in the newest slot.
    fn advance(&mut self, slot: u64) {
        let passed = slot.saturating_sub(self.newest);
        if passed == 0 {
            return;
        }
        for ahead in 1..=passed.min(SLOTS as u64) {
            let place = usize::try_from((self.newest + ahead) % SLOTS as u64).unwrap_or(0);
            if let Some(count) = self.counts.get_mut(place) {
                *count = 0;
            }
            if let Some((total, slots)) = self.steps.split_last_mut()
                && let Some(old) = slots.get_mut(place)
            {
                for (total, old) in total.iter_mut().zip(old.iter_mut()) {
                    *total = total.saturating_sub(*old);
                    *old = 0;
                }
            }
        }
        self.newest = slot;
        self.until_look = 0;
    }

    /// The step in which the percentile is.
    fn limit(&self, percent: f64, count: u32) -> usize {
        let wanted = f64::from(count) * percent / 100.0;
        let mut below = 0.0;
        let total = self.steps.last();
        let steps = total.map_or(&[][..], |total| &total[..]);
        let reached = steps.iter().position(|count| {
            below += f64::from(*count);
            below >= wanted
        });
        reached.unwrap_or(STEPS)
    }
}

/// The step of a duration: its number below 16 ms, then eight for each doubling, 12.5 % wide at most.
fn step_of(duration_ms: u64) -> usize {
    let Some(octave) = duration_ms.checked_ilog2().filter(|octave| *octave >= 3) else {
        return usize::try_from(duration_ms).unwrap_or(0);
    };
    let within = usize::try_from(duration_ms >> (octave - 3) & 7).unwrap_or(0);
    let step = (octave as usize - 2) * 8 + within;
    step.min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_with_the_duration() {
        let mut before = 0;
        for duration in 0..100_000 {
            let step = step_of(duration);
            assert!(step == before || step == before + 1, "{duration}");
            before = step;
        }
        assert_eq!(step_of(7), 7);
        assert_eq!(step_of(8), 8);
        assert_eq!(step_of(u64::MAX), STEPS - 1);
    }

    #[test]
    fn the_slowest_hundredth_is_slow() {
        let windows = Windows::new(Some(99.0));
        let mut slow = 0;
        for index in 0..50_000u64 {
            // Durations from 1 to 1000 ms, in no order.
            let duration = index * 7919 % 1000 + 1;
            let sight = windows.pass("r", duration, 1000 + index);
            slow += u32::from(sight.is_slow);
            assert_eq!(sight.is_rare, index < u64::from(MIN_RECORDS));
            assert!(!sight.is_slow || duration > 850, "{duration}");
        }
        assert!(slow <= 500, "{slow}");
        // One that is far out is slow, and what is usual is not.
        assert!(windows.pass("r", 5000, 60_000).is_slow);
        assert!(!windows.pass("r", 500, 60_000).is_slow);
        // A window later nothing is known any more.
        let later = windows.pass("r", 5000, 60_000 + SLOT_MS * 6);
        assert_eq!((later.is_slow, later.is_rare), (false, true));
    }

    #[test]
    fn routes_beyond_the_limit_share_a_window() {
        let windows = Windows::new(Some(99.0));
        for route in 0..3 * MAX_ROUTES {
            windows.pass(&route.to_string(), 5, 0);
        }
        let held = |windows: &Windows| -> usize {
            let count = |shard: &Mutex<Shard>| shard.lock().unwrap().routes.len();
            windows.shards.iter().map(count).sum()
        };
        assert_eq!(held(&windows), MAX_ROUTES);
        let rare = (0..3 * MAX_ROUTES)
            .filter(|route| windows.pass(&route.to_string(), 5, 0).is_rare)
            .count();
        assert_eq!(rare, MAX_ROUTES);
        windows.pass("new", 5, SLOT_MS * 7);
        assert!(held(&windows) < MAX_ROUTES);
    }
}
