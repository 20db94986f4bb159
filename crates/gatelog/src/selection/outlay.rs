//! What the records of a body take of the budget, until it is sure that they are kept.
//!
//! **Invariants.** What is not [settled](Outlay::settle) is given back when the outlay goes: with a body
//! that the journal has refused, or whose sender has gone before its answer.

use std::sync::Arc;

use gatelog_filter::Sampler;

/// Bytes that were taken of a budget.
#[derive(Debug, Default)]
pub struct Outlay {
    /// Where there is a budget.
    sampler: Option<Arc<Sampler>>,
    bytes: u64,
}

impl Outlay {
    /// Nothing yet, of the budget of this policy.
    pub fn of(sampler: Option<&Arc<Sampler>>) -> Self {
        Self {
            sampler: sampler.cloned(),
            bytes: 0,
        }
    }

    /// So many more were taken.
    pub fn add(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// So many of the records are kept. The share of those that were kept before, when they came first,
    /// is given back.
    pub fn settle(&mut self, kept: u64, kept_before: u64) {
        let all = kept.saturating_add(kept_before);
        let share = u128::from(self.bytes) * u128::from(kept_before) / u128::from(all.max(1));
        self.bytes = u64::try_from(share).unwrap_or(u64::MAX);
    }
}

impl Drop for Outlay {
    fn drop(&mut self) {
        if let (Some(sampler), 1..) = (&self.sampler, self.bytes) {
            sampler.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use gatelog_filter::sample::Subject;

    use super::*;

    #[test]
    fn what_is_not_kept_or_was_kept_before_is_given_back() {
        let config = serde_json::from_str(r#"{"rate":1,"budget_per_day":"1GiB"}"#).unwrap();
        let sampler = Arc::new(Sampler::new(&config));
        let day = 20_000;
        let begun = || {
            let mut outlay = Outlay::of(Some(&sampler));
            for _ in 0..4 {
                let bytes = 250;
                let subject = Subject {
                    bytes,
                    ..Subject::default()
                };
                sampler.decide(&subject, day * 86_400_000, &mut || 0);
                outlay.add(250);
            }
            outlay
        };
        let mut spent = 0;
        for (settled, kept) in [
            (None, 0),
            (Some((4, 0)), 1000),
            (Some((0, 4)), 0),
            (Some((3, 1)), 750),
        ] {
            let mut outlay = begun();
            if let Some((kept, kept_before)) = settled {
                outlay.settle(kept, kept_before);
            }
            drop(outlay);
            spent += kept;
            assert_eq!(sampler.spent(), (day, spent), "{settled:?}");
        }
        // Also where the day's account was looked at in between.
        let outlay = begun();
        sampler.decide(&Subject::default(), day * 86_400_000 + 2000, &mut || 0);
        drop(outlay);
        assert_eq!(sampler.spent(), (day, spent));
        sampler.decide(&Subject::default(), day * 86_400_000 + 4000, &mut || 0);
        assert_eq!(sampler.spent(), (day, spent));
    }
}
