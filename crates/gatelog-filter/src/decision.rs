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
        let weight = match run.answer(&self.root) {
            Answer { value: false, .. } => return Decision::Drop,
            Answer {
                left: Left::Known, ..
            } => 1.0,
            Answer {
                left: Left::One(rate),
                ..
            } => rate.weight(),
            Answer {
                left: Left::Several,
                ..
            } => 1.0 / run.probability(&self.root),
        };
        Decision::Keep { weight }
    }
}

/// What a condition says, and what of it is chance.
#[derive(Clone, Copy, Debug)]
struct Answer {
    value: bool,
    left: Left,
}

/// What is chance in an answer.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// Nothing: the facts alone decide.
    Known,
    /// One runtime filter, with this rate, and nothing else.
    One(Rate),
    /// More, or not all was looked at.
    Several,
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

    /// Asks a condition, no further than its value needs; of what is true by chance also whether it
    /// would be without.
    fn answer(&mut self, condition: &Condition) -> Answer {
        let (parts, deciding) = match condition {
            Condition::All(parts) => (parts, false),
            Condition::Any(parts) => (parts, true),
            Condition::Test(_, test) => {
                return Answer {
                    value: test.is_true(self.facts),
                    left: Left::Known,
                };
            }
            Condition::Chance(index, chance) => return self.throw(*index, chance),
        };
        let mut so_far = Answer {
            value: !deciding,
            left: Left::Known,
        };
        for part in parts {
            let answer = self.answer(part);
            let is_known = matches!(answer.left, Left::Known);
            if answer.value == deciding {
                if is_known {
                    return answer;
                }
                if !deciding {
                    // False by chance: if it matters, all is looked at again.
                    let left = Left::Several;
                    return Answer { value: false, left };
                }
                so_far.value = true;
            }
            if !is_known {
                so_far.left = match so_far.left {
                    Left::Known => answer.left,
                    _ => Left::Several,
                };
            }
        }
        so_far
    }

    fn throw(&mut self, index: u16, chance: &Chance) -> Answer {
        let rate = self.rate(index, chance);
        let number = match self.shared_number(chance) {
            Some(number) => u64::from(number),
            None => (self.random)(),
        };
        let is_certain = rate.numerator == 0 || rate.numerator == rate.denominator;
        Answer {
            value: rate.chooses(number),
            left: if is_certain {
                Left::Known
            } else {
                Left::One(rate)
            },
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
