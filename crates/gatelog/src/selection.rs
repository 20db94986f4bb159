//! Which records are kept: the filter, then the sampling policy.
//!
//! **Shape.** Each record is asked about once, before it is redacted and written. One that is kept has in
//! `sample_weight` what it stands for: what it came with (1 if nothing) times the filter's weight times
//! the policy's. Where that changes nothing the record is left as it came.
//!
//! **Limits.** A decision allocates nothing, but for what `gatelog_filter` says; without `filter` and
//! `sample` there is none. Dice are thrown by each thread for itself.
//!
//! **Failure.** What the policy has spent of its budget is on disk ([`spent`]); its windows of routes are
//! not, and begin anew with the process.

pub mod outlay;
pub mod reads;
pub mod spent;

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use gatelog_filter::sample::Subject;
use gatelog_filter::{CompileError, Decision, Filter, Runtime, Sampler};
use gatelog_record::{AccessRecord, Timestamp};

use self::outlay::Outlay;
use crate::config::Config;

/// What decides.
#[derive(Debug, Default)]
pub struct Selection {
    filter: Option<Filter>,
    sampler: Option<Arc<Sampler>>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is kept.
    Keep,
    /// It is not.
    Drop(Reason),
}

/// What has dropped a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `filter`.
    Filter,
    /// `sample`.
    Sample,
}

/// How many records were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// By the filter.
    pub by_filter: u64,
    /// By the sampling policy.
    pub by_sample: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(self) -> u64 {
        self.by_filter + self.by_sample
    }

    /// Counts one more.
    pub fn count(&mut self, reason: Reason) {
        match reason {
            Reason::Filter => self.by_filter += 1,
            Reason::Sample => self.by_sample += 1,
        }
    }
}

impl Selection {
    /// What the configuration asks for, with these runtime keys.
    ///
    /// # Errors
    /// [`CompileError`]: the filter cannot be used.
    pub fn configured(config: &Config, runtime: &Runtime) -> Result<Self, CompileError> {
        let filter = config.filter.as_ref();
        Ok(Self {
            filter: filter
                .map(|filter| Filter::compile(filter, runtime))
                .transpose()?,
            sampler: config.sample.as_ref().map(Sampler::new).map(Arc::new),
        })
    }

    /// What the log should say when it is loaded.
    pub fn warnings(&self) -> &[String] {
        self.filter.as_ref().map_or(&[], Filter::warnings)
    }

    /// The sampling policy, if there is one.
    pub fn sampler(&self) -> Option<&Arc<Sampler>> {
        self.sampler.as_ref()
    }

    /// Begins to count what the records of a body take of the budget.
    pub fn outlay(&self) -> Outlay {
        Outlay::of(self.sampler.as_ref())
    }

    /// Decides about a record of so many bytes, and gives the one that is kept its weight.
    #[inline]
    pub fn choose(&self, record: &mut AccessRecord<'_>, bytes: usize, now: Timestamp) -> Choice {
        if self.filter.is_none() && self.sampler.is_none() {
            return Choice::Keep;
        }
        self.decide(record, bytes, now)
    }

    fn decide(&self, record: &mut AccessRecord<'_>, bytes: usize, now: Timestamp) -> Choice {
        let mut stands_for = 1.0;
        if let Some(filter) = &self.filter {
            match filter.decide(record, &mut dice) {
                Decision::Drop => return Choice::Drop(Reason::Filter),
                Decision::Keep { weight } => stands_for *= weight,
            }
        }
        if let Some(sampler) = &self.sampler {
            let subject = Subject::of(record, u64::try_from(bytes).unwrap_or(u64::MAX));
            let now_ms = u64::try_from(now.micros() / 1000).unwrap_or(0);
            match sampler.decide(&subject, now_ms, &mut dice).decision {
                Decision::Drop => return Choice::Drop(Reason::Sample),
                Decision::Keep { weight } => stands_for *= weight,
            }
        }
        if stands_for > 1.0 {
            let came_with = record.sample_weight.unwrap_or(1.0);
            record.sample_weight = Some((came_with * stands_for).min(f64::MAX));
        }
        Choice::Keep
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
}

/// 64 random bits, as `SplitMix64` gives them.
fn dice() -> u64 {
    let mut bits = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(bits);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn selection(yaml: &str) -> Selection {
        Selection::configured(&config::parse(yaml).unwrap(), &Runtime::default()).unwrap()
    }

    const HALF: &str = "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 50}}";

    fn record(code: i64, weight: Option<f64>) -> AccessRecord<'static> {
        AccessRecord {
            response_code: Some(code),
            request_id: Some("00000031-0000-4000-8000-000000000abc".into()),
            sample_weight: weight,
            ..AccessRecord::default()
        }
    }

    /// What it is kept with.
    fn kept(selection: &Selection, mut record: AccessRecord<'_>) -> Option<f64> {
        let choice = selection.choose(&mut record, 100, Timestamp::EPOCH);
        assert_eq!(choice, Choice::Keep);
        record.sample_weight
    }

    #[test]
    fn weights_are_multiplied_and_what_stands_for_itself_has_none() {
        let errors = "status_code_filter: {comparison: {op: GE, value: {default_value: 400}}}";
        let filter = format!("filter: {{or_filter: {{filters: [{{{errors}}}, {{{HALF}}}]}}}}\n");
        let both = selection(&format!(
            "{filter}sample: {{rate: 0.9999999, keep: {{status_ge: 500}}}}"
        ));
        assert_eq!(kept(&both, record(503, None)), None);
        assert_eq!(kept(&both, record(503, Some(7.0))), Some(7.0));
        assert_eq!(kept(&both, record(503, Some(1.0))), Some(1.0));
        let only_filter = selection(&filter);
        assert_eq!(kept(&only_filter, record(200, None)), Some(2.0));
        assert_eq!(kept(&only_filter, record(200, Some(3.0))), Some(6.0));
        let most = kept(&only_filter, record(200, Some(f64::MAX)));
        assert_eq!(
            most,
            Some(f64::MAX),
            "an infinite weight would count as none"
        );
        let product = kept(&both, record(200, Some(3.0))).unwrap();
        assert!(product > 6.0 && product < 6.001, "{product}");
        assert_eq!(kept(&Selection::default(), record(200, None)), None);
    }

    #[test]
    fn it_is_told_what_has_dropped_a_record() {
        let drops =
            |yaml: &str| selection(yaml).choose(&mut record(200, None), 100, Timestamp::EPOCH);
        let nothing = HALF.replace("50", "0");
        let filter = format!("filter: {{{nothing}}}\nsample: {{rate: 0}}");
        assert_eq!(drops(&filter), Choice::Drop(Reason::Filter));
        assert_eq!(drops("sample: {rate: 0}"), Choice::Drop(Reason::Sample));
    }

    #[test]
    fn dice_are_even() {
        let below = (0..10_000).filter(|_| dice() < 1 << 62).count();
        // A quarter, within eight deviations.
        assert!(below.abs_diff(2500) < 350, "{below}");
    }
}
