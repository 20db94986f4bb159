//! The compiled form of a filter.
//!
//! A leaf has a number, by which a run remembers what it has answered.

use crate::config::Operator;
use crate::header::HeaderTest;
use crate::metadata::MetadataTest;
use crate::runtime::Key;
use crate::{Facts, RuntimeValue};

/// A filter, or a part of one.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    /// What the facts alone decide.
    Test(u16, Test),
    /// What chance decides.
    Chance(u16, Chance),
}

/// What the facts alone decide.
#[derive(Debug)]
pub(crate) enum Test {
    Status(Operator, Threshold),
    Duration(Operator, Threshold),
    NotHealthCheck,
    Traceable,
    Header(HeaderTest),
    /// Any of these flags.
    Flags(u64),
    /// Any flag at all.
    AnyFlag,
    /// Bits of statuses, and whether they are those left out.
    Grpc(u32, bool),
    #[cfg(feature = "cel")]
    Expression(gatelog_cel::Expression),
    Metadata(MetadataTest),
    /// Bits of types, and whether they are those left out.
    LogType(u32, bool),
}

/// A number that a runtime key may replace.
#[derive(Debug)]
pub(crate) struct Threshold {
    pub(crate) default: u32,
    pub(crate) key: Option<Key>,
}

/// A part of the requests.
#[derive(Debug)]
pub(crate) struct Chance {
    pub(crate) key: Key,
    pub(crate) default: Rate,
    pub(crate) is_independent: bool,
}

/// So many of so many; the denominator is 100, 10,000 or 1,000,000 and the numerator not above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

impl Rate {
    pub(crate) fn new(numerator: u64, denominator: u32) -> Self {
        let numerator = u32::try_from(numerator).unwrap_or(u32::MAX);
        Self {
            numerator: numerator.min(denominator),
            denominator,
        }
    }

    /// Whether a number is among those that are chosen.
    #[inline]
    pub(crate) fn chooses(self, number: u64) -> bool {
        // A division by what the compiler knows is quicker by far.
        let rest = match self.denominator {
            100 => number % 100,
            10_000 => number % 10_000,
            _ => number % 1_000_000,
        };
        rest < u64::from(self.numerator)
    }

    /// One over the probability; the numerator is not 0.
    #[inline]
    pub(crate) fn weight(self) -> f64 {
        f64::from(self.denominator) / f64::from(self.numerator.max(1))
    }

    pub(crate) fn probability(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator.max(1))
    }
}

impl Chance {
    /// The rate that counts now.
    #[inline]
    pub(crate) fn rate(&self) -> Rate {
        match self.key.value() {
            None => self.default,
            Some(RuntimeValue::Integer(number)) => Rate::new(number, self.default.denominator),
            Some(RuntimeValue::Fraction(fraction)) => {
                Rate::new(u64::from(fraction.numerator), fraction.denominator.number())
            }
        }
    }
}

impl Threshold {
    /// A fraction is no threshold, and passed over.
    fn number(&self) -> u64 {
        match self.key.as_ref().and_then(Key::value) {
            Some(RuntimeValue::Integer(number)) => number,
            _ => u64::from(self.default),
        }
    }
}

impl Test {
    #[inline]
    pub(crate) fn is_true(&self, facts: &dyn Facts) -> bool {
        match self {
            Self::Status(operator, threshold) => {
                compare(*operator, facts.response_code(), threshold.number())
            }
            Self::Duration(operator, threshold) => {
                compare(*operator, facts.duration_ms(), threshold.number())
            }
            Self::NotHealthCheck => !facts.is_health_check(),
            Self::Traceable => facts.is_trace_forced(),
            Self::Header(test) => test.is_match(facts),
            Self::Flags(bits) => facts.response_flags().bits & bits != 0,
            Self::AnyFlag => !facts.response_flags().is_empty(),
            Self::Grpc(bits, exclude) => {
                let derived = || crate::compile::derived_grpc_status(facts.response_code());
                let status = facts.grpc_status().unwrap_or_else(derived);
                is_in(status, *bits) != *exclude
            }
            #[cfg(feature = "cel")]
            Self::Expression(expression) => {
                expression.is_true(&crate::attributes::FactAttributes(facts))
            }
            Self::Metadata(test) => test.is_match(facts),
            Self::LogType(bits, exclude) => (facts.log_type().bit() & bits != 0) != *exclude,
        }
    }
}

fn is_in(number: i64, bits: u32) -> bool {
    u32::try_from(number).is_ok_and(|number| number < 32 && bits >> number & 1 == 1)
}

fn compare(operator: Operator, left: u64, right: u64) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::GreaterOrEqual => left >= right,
        Operator::LessOrEqual => left <= right,
        Operator::NotEqual => left != right,
    }
}
