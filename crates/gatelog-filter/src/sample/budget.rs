//! The rate under a budget of a day.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const DAY_MS: u64 = 86_400_000;

/// How often the rate is looked at.
const TICK_MS: u64 = 1000;

/// Over how long traffic is averaged.
const AVERAGE_MS: f64 = 60_000.0;

/// How much faster than evenly the budget may be spent.
const HASTE: f64 = 2.0;

/// The part of the configured rate that is always kept.
const FLOOR: f64 = 0.001;

/// What may be kept, and what was.
#[derive(Debug)]
pub(super) struct Budget {
    rate: f64,
    bytes_per_day: Option<f64>,
    /// The probability that counts now, as bits.
    probability: AtomicU64,
    /// When it is looked at again.
    next_tick_ms: AtomicU64,
    /// Since the last look: bytes that were left to chance, kept or not; kept by rules; kept by chance.
    chance_bytes: AtomicU64,
    rule_bytes: AtomicU64,
    sampled_bytes: AtomicU64,
    /// Bytes that were counted as kept and were not, since the last look.
    given_back_bytes: AtomicU64,
    course: Mutex<Course>,
}

#[derive(Debug, Default)]
struct Course {
    day: u64,
    /// Bytes kept in it, as of the last look.
    spent: f64,
    last_ms: Option<u64>,
    /// Averages in bytes per millisecond.
    chance: f64,
    rule: f64,
}

impl Budget {
    pub(super) fn new(rate: f64, bytes_per_day: Option<u64>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a byte of a petabyte is no matter"
        )]
        let bytes_per_day = bytes_per_day.map(|bytes| bytes as f64);
        Self {
            rate,
            bytes_per_day,
            probability: AtomicU64::new(rate.to_bits()),
            next_tick_ms: AtomicU64::new(0),
            chance_bytes: AtomicU64::new(0),
            rule_bytes: AtomicU64::new(0),
            sampled_bytes: AtomicU64::new(0),
            given_back_bytes: AtomicU64::new(0),
            course: Mutex::default(),
        }
    }

    /// The probability with which a record is kept now.
    pub(super) fn probability(&self, now_ms: u64) -> f64 {
        if let Some(bytes_per_day) = self.bytes_per_day
            && now_ms >= self.next_tick_ms.load(Ordering::Relaxed)
        {
            self.look(now_ms, bytes_per_day);
        }
        f64::from_bits(self.probability.load(Ordering::Relaxed))
    }

    pub(super) fn keep_by_rule(&self, bytes: u64) {
        self.rule_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn leave_to_chance(&self, bytes: u64, is_kept: bool) {
        self.chance_bytes.fetch_add(bytes, Ordering::Relaxed);
        if is_kept {
            self.sampled_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Takes back bytes that were counted as kept, by rules or by chance.
    pub(super) fn give_back(&self, bytes: u64) {
        self.given_back_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The day since 1970 and the bytes that were kept in it.
    pub(super) fn spent(&self) -> (u64, u64) {
        let course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let since =
            self.rule_bytes.load(Ordering::Relaxed) + self.sampled_bytes.load(Ordering::Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of bytes"
        )]
        let spent = course.spent as u64;
        let given_back = self.given_back_bytes.load(Ordering::Relaxed);
        let spent = spent.saturating_add(since).saturating_sub(given_back);
        (course.day, spent)
    }

    /// Goes on with what an earlier process has spent of a day.
    pub(super) fn resume(&self, day: u64, bytes: u64) {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.day = day;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a byte of a petabyte is no matter"
        )]
        let spent = bytes as f64;
        course.spent = spent;
    }

    fn look(&self, now_ms: u64, bytes_per_day: f64) {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms < self.next_tick_ms.load(Ordering::Relaxed) {
            return;
        }
        let taken = |bytes: &AtomicU64| {
            #[expect(clippy::cast_precision_loss, reason = "bytes of a second")]
            let bytes = bytes.swap(0, Ordering::Relaxed) as f64;
            bytes
        };
        let chance = taken(&self.chance_bytes);
        let rule = taken(&self.rule_bytes);
        let sampled = taken(&self.sampled_bytes);
        let given_back = taken(&self.given_back_bytes);
        // What was counted yesterday and is given back today is not today's.
        course.spent = (course.spent + rule + sampled - given_back).max(0.0);
        if let Some(last_ms) = course.last_ms {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a day")]
            let passed = now_ms.saturating_sub(last_ms).max(1) as f64;
            let new = 1.0 - (-passed / AVERAGE_MS).exp();
            course.chance += new * (chance / passed - course.chance);
            course.rule += new * (rule / passed - course.rule);
        }
        course.last_ms = Some(now_ms);
        let day = now_ms / DAY_MS;
        if day != course.day {
            course.day = day;
            course.spent = 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a day")]
        let left_ms = (DAY_MS - now_ms % DAY_MS) as f64;
        let left = (bytes_per_day - course.spent).max(0.0);
        // First what the rules will need for the rest of the day. Never more in a second than is left.
        let pace = (HASTE * (left / left_ms - course.rule)).min(left / 1000.0);
        let probability = if course.chance > 0.0 {
            (pace / course.chance).clamp(self.rate * FLOOR, self.rate)
        } else if left > 0.0 {
            self.rate
        } else {
            self.rate * FLOOR
        };
        self.probability
            .store(probability.to_bits(), Ordering::Relaxed);
        self.next_tick_ms
            .store(now_ms.saturating_add(TICK_MS), Ordering::Relaxed);
    }
}
