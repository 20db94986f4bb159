//! Deciding about one request.

use crate::compile::{CompileError, Compiler, MAX_RUNTIME_FILTERS};
use crate::condition::{Chance, Condition, Rate};
use crate::facts::number_of_request_id;
use crate::{AccessLogFilter, Facts, Runtime};

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// It is not kept.
    Drop,
    /// It is kept.
    Keep {
        /// How many records it stands for, at least 1: 1/p, where p is the probability that this
        /// record, such as it is, is kept.
        ///
        /// What is not chance is taken as it is: response code, duration, headers and so on, and the
        /// values of the runtime keys. What is chance is the number of the request's id, which all
        /// runtime filters of the request share, and a number of its own for each filter with
        /// `use_independent_randomness`, or for every one where the id has no number. So p is 1 where a
        /// rule would have kept the record anyhow, the rate where one runtime filter has, the larger
        /// rate where two of one denominator are in an `or_filter`, and in general the part of all
        /// numbers with which the filter is true.
        weight: f64,
    },
}

impl Decision {
    /// Whether the record is kept.
    pub fn is_keep(self) -> bool {
        matches!(self, Self::Keep { .. })
    }
}

/// A filter, ready to decide.
#[derive(Debug)]
pub struct Filter {
    root: Condition,
    warnings: Vec<String>,
}

impl Filter {
    /// Makes a filter of a configuration. It reads the runtime's keys from then on.
    ///
    /// # Errors
    /// [`CompileError`]: a pattern or an expression is wrong, or there is too much of something.
    pub fn compile(config: &AccessLogFilter, runtime: &Runtime) -> Result<Self, CompileError> {
        let mut compiler = Compiler::new(runtime);
        let root = compiler.condition(config, "")?;
        Ok(Self {
            root,
            warnings: compiler.warnings,
        })
    }

    /// What a log should say of the filter when it is loaded: conditions that records cannot answer.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Decides about one request. `random` gives 64 random bits each time; it is asked only where Envoy
    /// throws dice.
    #[inline]
    pub fn decide(&self, facts: &dyn Facts, random: &mut dyn FnMut() -> u64) -> Decision {
        let mut run = Run::new(facts, random);
        if !run.is_true(&self.root) {
            return Decision::Drop;
        }
        // Where no chance was asked, none could have changed the answer.
        let weight = if run.known_rates == 0 {
            1.0
        } else {
            1.0 / run.probability(&self.root)
        };
        Decision::Keep { weight }
    }
}

/// The number of a request's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    NotAsked,
    None,
    Is(u32),
}

/// One decision under way.
pub(crate) struct Run<'f> {
    pub(crate) facts: &'f dyn Facts,
    random: &'f mut dyn FnMut() -> u64,
    number: Number,
    /// The rates of runtime filters as they were when they were first read.
    rates: [Rate; MAX_RUNTIME_FILTERS],
    /// Which of them were read, a bit each.
    known_rates: u16,
}

impl<'f> Run<'f> {
    fn new(facts: &'f dyn Facts, random: &'f mut dyn FnMut() -> u64) -> Self {
        Self {
            facts,
            random,
            number: Number::NotAsked,
            rates: [Rate::default(); MAX_RUNTIME_FILTERS],
            known_rates: 0,
        }
    }

    fn is_true(&mut self, condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.is_true(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.is_true(part)),
            Condition::Test(_, test) => test.is_true(self.facts),
            Condition::Chance(index, chance) => {
                let rate = self.rate(*index, chance);
                let number = match self.shared_number(chance) {
                    Some(number) => u64::from(number),
                    None => (self.random)(),
                };
                rate.chooses(number)
            }
        }
    }

    /// The number by which a runtime filter decides; `None` where it throws dice of its own.
    fn shared_number(&mut self, chance: &Chance) -> Option<u32> {
        if chance.is_independent {
            return None;
        }
        if self.number == Number::NotAsked {
            let number = self.facts.request_id().and_then(number_of_request_id);
            self.number = number.map_or(Number::None, Number::Is);
        }
        match self.number {
            Number::Is(number) => Some(number),
            _ => None,
        }
    }

    /// Whether a runtime filter decides by the request's number.
    pub(crate) fn is_shared(&mut self, chance: &Chance) -> bool {
        self.shared_number(chance).is_some()
    }

    /// The rate of a runtime filter, the same for the whole decision.
    pub(crate) fn rate(&mut self, index: u16, chance: &Chance) -> Rate {
        let bit = 1u16 << (index % 16);
        let Some(known) = self.rates.get_mut(usize::from(index)) else {
            return chance.rate();
        };
        if self.known_rates & bit == 0 {
            *known = chance.rate();
            self.known_rates |= bit;
        }
        *known
    }
}
