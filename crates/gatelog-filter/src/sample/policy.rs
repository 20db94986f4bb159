//! The policy at work.

use gatelog_record::AccessRecord;
use gatelog_record::response_flag;

use super::budget::Budget;
use super::config::{FlagRule, SampleConfig, SlowerThan};
use super::trace::number_of_trace;
use super::window::{Sight, Windows};
use crate::{Decision, Facts, FlagSet};

/// What the policy asks about a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Id of the trace.
    pub trace_id: Option<&'a str>,
    /// Id of the request, by which chance decides where there is no trace.
    pub request_id: Option<&'a str>,
    /// The response code; 0 where none was sent.
    pub response_code: u64,
    /// How long it took, in milliseconds, where that is known.
    pub duration_ms: Option<u64>,
    /// The response flags.
    pub flags: FlagSet,
    /// The route; records without one count as one route.
    pub route: Option<&'a str>,
    /// What keeping it costs of the budget.
    pub bytes: u64,
}

impl<'a> Subject<'a> {
    /// What a record says, and how many bytes it takes.
    pub fn of(record: &'a AccessRecord<'_>, bytes: u64) -> Self {
        let route = record.route_name.as_deref().or(record.route.as_deref());
        Self {
            trace_id: record.trace_id.as_deref(),
            request_id: record.request_id.as_deref(),
            response_code: Facts::response_code(record),
            duration_ms: record.duration.and_then(|ms| u64::try_from(ms).ok()),
            flags: Facts::response_flags(record),
            route,
            bytes,
        }
    }
}

/// What becomes of a record, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Kept with its weight, or not.
    pub decision: Decision,
    /// What decided.
    pub reason: Reason,
    /// With which probability it was to be kept: 1 where a rule kept it, else p as it was then.
    pub probability: f64,
}

/// What decided about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its response code, or that it has none.
    Status,
    /// Its response flags.
    Flags,
    /// Its duration.
    Slow,
    /// Its route.
    RareRoute,
    /// The rate.
    Rate,
}

impl Reason {
    /// As a label of a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Flags => "flags",
            Self::Slow => "slow",
            Self::RareRoute => "rare_route",
            Self::Rate => "rate",
        }
    }
}

/// The policy at work. It may be asked from several threads at once.
#[derive(Debug)]
pub struct Sampler {
    status_from: Option<u64>,
    flags: Option<Flags>,
    slower_than: Option<SlowerThan>,
    rare_routes: bool,
    /// Where percentiles or rare routes are asked for.
    windows: Option<Windows>,
    budget: Budget,
}

#[derive(Clone, Copy, Debug)]
enum Flags {
    Any,
    Bits(u64),
}

impl Sampler {
    /// A policy that has seen nothing yet.
    pub fn new(config: &SampleConfig) -> Self {
        let keep = &config.keep;
        let flags = keep.flags.as_ref().map(|rule| match rule {
            FlagRule::Any => Flags::Any,
            FlagRule::Names(names) => {
                let bits = names.iter().filter_map(|name| response_flag::bit(name));
                Flags::Bits(bits.fold(0, |bits, bit| bits | 1 << bit))
            }
        });
        let percentile = match keep.slower_than {
            Some(SlowerThan::Percentile(percent)) => Some(percent),
            _ => None,
        };
        let needs_windows = percentile.is_some() || keep.rare_routes;
        Self {
            status_from: keep.status_ge.map(u64::from),
            flags,
            slower_than: keep.slower_than,
            rare_routes: keep.rare_routes,
            windows: needs_windows.then(|| Windows::new(percentile)),
            budget: Budget::new(
                config.rate.get(),
                config.budget_per_day.map(|bytes| bytes.0),
            ),
        }
    }

    /// Decides about a record. `now_ms` is the time since 1970 in milliseconds; `random` gives 64 random
    /// bits, and is asked only where a record has neither a trace id nor a request id.
    pub fn decide(
        &self,
        subject: &Subject<'_>,
        now_ms: u64,
        random: &mut dyn FnMut() -> u64,
    ) -> Verdict {
        let probability = self.budget.probability(now_ms);
        let sight = match &self.windows {
            None => Sight::default(),
            Some(windows) => windows.pass(
                subject.route.unwrap_or_default(),
                subject.duration_ms.unwrap_or(0),
                now_ms,
            ),
        };
        if let Some(reason) = self.rule(subject, sight) {
            self.budget.keep_by_rule(subject.bytes);
            return Verdict {
                decision: Decision::Keep { weight: 1.0 },
                reason,
                probability: 1.0,
            };
        }
        let id = subject.trace_id.or(subject.request_id);
        let number = id.map_or_else(random, number_of_trace);
        let is_kept = is_below(number, probability);
        self.budget.leave_to_chance(subject.bytes, is_kept);
        let weight = 1.0 / probability;
        Verdict {
            decision: if is_kept {
                Decision::Keep { weight }
            } else {
                Decision::Drop
            },
            reason: Reason::Rate,
            probability,
        }
    }

    /// Takes back bytes of records that were to be kept, and were not after all. The pace of the traffic, and
    /// the windows, count them as they were offered.
    pub fn give_back(&self, bytes: u64) {
        self.budget.give_back(bytes);
    }

    /// The day since 1970 that is being counted, and the bytes kept in it: to be stored, and given to
    /// [`Sampler::resume`] after a restart.
    pub fn spent(&self) -> (u64, u64) {
        self.budget.spent()
    }

    /// Goes on with what was spent of a day. Another day begins anew.
    pub fn resume(&self, day: u64, bytes: u64) {
        self.budget.resume(day, bytes);
    }

    fn rule(&self, subject: &Subject<'_>, sight: Sight) -> Option<Reason> {
        let code = subject.response_code;
        if self
            .status_from
            .is_some_and(|from| code >= from || code == 0)
        {
            return Some(Reason::Status);
        }
        let has_flag = match self.flags {
            None => false,
            Some(Flags::Any) => !subject.flags.is_empty(),
            Some(Flags::Bits(bits)) => subject.flags.bits & bits != 0,
        };
        if has_flag {
            return Some(Reason::Flags);
        }
        let is_slow = match self.slower_than {
            None => false,
            Some(SlowerThan::Milliseconds(limit)) => {
                subject.duration_ms.is_some_and(|duration| duration > limit)
            }
            Some(SlowerThan::Percentile(_)) => sight.is_slow,
        };
        if is_slow {
            return Some(Reason::Slow);
        }
        (self.rare_routes && sight.is_rare).then_some(Reason::RareRoute)
    }
}

/// Whether a number of 64 even bits is in the part with this probability.
fn is_below(number: u64, probability: f64) -> bool {
    if probability >= 1.0 {
        return true;
    }
    // 2⁶⁴ as a double; the product fits, as the probability is below 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 0 to below 2⁶⁴"
    )]
    let limit = (probability * 18_446_744_073_709_551_616.0) as u64;
    number < limit
}
