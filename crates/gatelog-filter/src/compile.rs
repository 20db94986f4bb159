//! From configuration to conditions.

use crate::condition::{Chance, Condition, Rate, Test, Threshold};
use crate::config::{AccessLogFilter, Compared, RuntimeFilter};
use crate::header::HeaderTest;
use crate::metadata::MetadataTest;
use crate::{Runtime, RuntimeError};

/// Conditions that a filter may have, in all of its parts.
pub const MAX_CONDITIONS: usize = 256;

/// Runtime filters that a filter may have, in all of its parts: what they choose together is worked out
/// for each record that only chance has kept.
pub const MAX_RUNTIME_FILTERS: usize = 16;

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A pattern or an expression is wrong: it is to be corrected.
    #[error("{place}: {problem}")]
    Value {
        /// Path of the value.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The filter has too many parts: it is to be made simpler.
    #[error("{place}: a filter may have {limit} {what}")]
    TooMany {
        /// Path of the first part too many.
        place: String,
        /// How many there may be.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// The runtime has no room for a key.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The gRPC status that a response code stands for where none was sent.
pub(crate) fn derived_grpc_status(response_code: u64) -> i64 {
    match response_code {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// What is being compiled.
pub(crate) struct Compiler<'r> {
    runtime: &'r Runtime,
    tests: u16,
    chances: u16,
    /// What cannot work as written on records.
    pub(crate) warnings: Vec<String>,
}

impl<'r> Compiler<'r> {
    pub(crate) fn new(runtime: &'r Runtime) -> Self {
        Self {
            runtime,
            tests: 0,
            chances: 0,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn condition(
        &mut self,
        filter: &AccessLogFilter,
        place: &str,
    ) -> Result<Condition, CompileError> {
        match filter {
            AccessLogFilter::AndFilter(all) => {
                let place = below(place, "and_filter.filters");
                return Ok(Condition::All(self.conditions(&all.filters, &place)?));
            }
            AccessLogFilter::OrFilter(any) => {
                let place = below(place, "or_filter.filters");
                return Ok(Condition::Any(self.conditions(&any.filters, &place)?));
            }
            AccessLogFilter::RuntimeFilter(filter) => {
                return self.chance(filter, below(place, "runtime_filter"));
            }
            _ => {}
        }
        let (key, test) = self.test(filter, place)?;
        if usize::from(self.tests) >= MAX_CONDITIONS {
            return Err(CompileError::TooMany {
                place: below(place, key),
                limit: MAX_CONDITIONS,
                what: "conditions",
            });
        }
        self.tests += 1;
        Ok(Condition::Test(self.tests - 1, test))
    }

    /// A filter that the facts alone decide, and its key.
    fn test(
        &mut self,
        filter: &AccessLogFilter,
        place: &str,
    ) -> Result<(&'static str, Test), CompileError> {
        let wrong = |key: &str, problem| CompileError::Value {
            place: below(place, key),
            problem,
        };
        Ok(match filter {
            AccessLogFilter::StatusCodeFilter(compared) => {
                let threshold = self.threshold(compared)?;
                let test = Test::Status(compared.comparison.op, threshold);
                ("status_code_filter", test)
            }
            AccessLogFilter::DurationFilter(compared) => {
                let threshold = self.threshold(compared)?;
                let test = Test::Duration(compared.comparison.op, threshold);
                ("duration_filter", test)
            }
            AccessLogFilter::TraceableFilter(_) => ("traceable_filter", Test::Traceable),
            AccessLogFilter::HeaderFilter(filter) => {
                let key = "header_filter.header";
                let test = HeaderTest::compile(&filter.header);
                (
                    key,
                    Test::Header(test.map_err(|problem| wrong(key, problem))?),
                )
            }
            AccessLogFilter::ResponseFlagFilter(filter) if filter.flags.is_empty() => {
                ("response_flag_filter", Test::AnyFlag)
            }
            AccessLogFilter::ResponseFlagFilter(filter) => {
                let bit = |name: &String| gatelog_record::response_flag::bit(name);
                let bits = filter.flags.iter().filter_map(bit);
                let bits = bits.fold(0u64, |bits, bit| bits | 1 << bit);
                ("response_flag_filter", Test::Flags(bits))
            }
            AccessLogFilter::GrpcStatusFilter(filter) => {
                let bits = filter.statuses.iter();
                let bits = bits.fold(0, |bits, status| bits | 1 << (*status as u8));
                ("grpc_status_filter", Test::Grpc(bits, filter.exclude))
            }
            AccessLogFilter::ExtensionFilter(filter) => {
                let key = "extension_filter.typed_config.expression";
                let test = expression(&filter.typed_config.expression);
                (key, test.map_err(|problem| wrong(key, problem))?)
            }
            AccessLogFilter::MetadataFilter(filter) => {
                let key = "metadata_filter";
                let test = MetadataTest::compile(filter);
                let test = test.map_err(|problem| wrong(key, problem))?;
                let place = below(place, key);
                let otherwise = filter.match_if_key_not_found;
                self.warnings.push(format!(
                    "{place}: records carry no dynamic metadata; it decides as \
                     `match_if_key_not_found: {otherwise}` says"
                ));
                (key, Test::Metadata(test))
            }
            AccessLogFilter::LogTypeFilter(filter) => {
                let bits = filter.types.iter();
                let bits = bits.fold(0, |bits, log_type| bits | log_type.bit());
                ("log_type_filter", Test::LogType(bits, filter.exclude))
            }
            // The three that are combined or left to chance have been dealt with.
            _ => ("not_health_check_filter", Test::NotHealthCheck),
        })
    }

    fn conditions(
        &mut self,
        filters: &[AccessLogFilter],
        place: &str,
    ) -> Result<Box<[Condition]>, CompileError> {
        let conditions = filters.iter().enumerate();
        conditions
            .map(|(index, filter)| self.condition(filter, &format!("{place}[{index}]")))
            .collect()
    }

    fn threshold(&self, compared: &Compared) -> Result<Threshold, CompileError> {
        let value = &compared.comparison.value;
        let key = match value.runtime_key.as_str() {
            "" => None,
            key => Some(self.runtime.key(key)?),
        };
        Ok(Threshold {
            default: value.default_value,
            key,
        })
    }

    fn chance(&mut self, filter: &RuntimeFilter, place: String) -> Result<Condition, CompileError> {
        if usize::from(self.chances) >= MAX_RUNTIME_FILTERS {
            return Err(CompileError::TooMany {
                place,
                limit: MAX_RUNTIME_FILTERS,
                what: "runtime filters",
            });
        }
        self.chances += 1;
        let percent = filter.percent_sampled;
        let chance = Chance {
            key: self.runtime.key(&filter.runtime_key)?,
            default: Rate::new(u64::from(percent.numerator), percent.denominator.number()),
            is_independent: filter.use_independent_randomness,
        };
        Ok(Condition::Chance(self.chances - 1, chance))
    }
}

fn below(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        place => format!("{place}.{key}"),
    }
}

#[cfg(feature = "cel")]
fn expression(text: &str) -> Result<Test, String> {
    match gatelog_cel::Expression::parse(text) {
        Ok(expression) => Ok(Test::Expression(expression)),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(not(feature = "cel"))]
fn expression(_text: &str) -> Result<Test, String> {
    Err("there is no CEL here: expressions work in the collector, not in the plugin".to_owned())
}
