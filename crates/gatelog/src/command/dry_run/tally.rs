//! What would have become of the records, in numbers.
//!
//! An *error* is a record without a response code (0) or with one from 400 on, with a response flag, or
//! with a gRPC status other than 0.
//!
//! **Limits.** [`MAX_NAMES`] names of a kind, the first that come; those behind are counted together.
//! [`EXAMPLES`] examples of each class of codes. Names are cut to [`MAX_NAME_CHARS`].

use std::collections::BTreeMap;
use std::ops::AddAssign;

use gatelog_filter::Facts;
use gatelog_record::{AccessRecord, Timestamp};

use crate::selection::{Choice, Reason};

/// Names that are told apart.
const MAX_NAMES: usize = 2048;

/// Characters of a name.
const MAX_NAME_CHARS: usize = 200;

/// Dropped errors that are shown, of each class of response codes.
const EXAMPLES: usize = 3;

/// How many records, and how much they are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    /// Rows of the store.
    pub(super) records: u64,
    /// Requests that they stand for: the sum of their weights as they are stored.
    pub(super) estimated: f64,
    /// As JSON.
    pub(super) bytes: u64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.estimated += other.estimated;
        self.bytes += other.bytes;
    }
}

/// Errors, by what makes them one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Errors {
    pub(super) all: Sum,
    /// By class of the response code: `0`, `2xx` and so on.
    pub(super) by_status: BTreeMap<&'static str, Sum>,
    /// By response flag; one record may have several.
    pub(super) by_flag: Names,
}

/// Sums under names, which come from clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    named: BTreeMap<String, Named>,
    /// Those that had no room.
    pub(super) others: Named,
}

/// What is counted under a name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Named {
    pub(super) all: Sum,
    pub(super) errors: Sum,
}

impl AddAssign for Named {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.errors += other.errors;
    }
}

/// An error that would be dropped.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Example {
    pub(super) request_id: Option<String>,
    pub(super) start_time: Option<String>,
    pub(super) response_code: u64,
    pub(super) response_flags: Option<String>,
    pub(super) route: Option<String>,
    pub(super) by: Reason,
}

/// The numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) looked_at: Sum,
    pub(super) kept: Sum,
    /// What the weights of the kept ones would say of all.
    pub(super) estimate_of_kept: f64,
    pub(super) by_filter: Sum,
    pub(super) by_sample: Sum,
    pub(super) kept_errors: Errors,
    pub(super) dropped_errors: Errors,
    /// Of what is dropped.
    pub(super) routes: Names,
    pub(super) services: Names,
    pub(super) examples: BTreeMap<&'static str, Vec<Example>>,
    /// Records that have a weight already.
    pub(super) weighted: u64,
    /// Rows that are no records.
    pub(super) unreadable: u64,
}

impl Tally {
    /// Counts a record that came with this weight and takes so many bytes.
    pub(super) fn count(
        &mut self,
        record: &AccessRecord<'_>,
        weight: f64,
        bytes: usize,
        choice: Choice,
    ) {
        let sum = Sum {
            records: 1,
            estimated: weight,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        };
        self.looked_at += sum;
        self.weighted += u64::from((weight - 1.0).abs() > f64::EPSILON);
        let class = class_of_error(record);
        match choice {
            Choice::Keep => {
                self.kept += sum;
                self.estimate_of_kept += record.sample_weight.unwrap_or(1.0);
                if let Some(class) = class {
                    self.kept_errors.count(record, class, sum);
                }
            }
            Choice::Drop(by) => {
                match by {
                    Reason::Filter => self.by_filter += sum,
                    Reason::Sample => self.by_sample += sum,
                }
                let errors = if class.is_some() { sum } else { Sum::default() };
                let named = Named { all: sum, errors };
                let route = record.route_name.as_deref().or(record.route.as_deref());
                self.routes.add(route.unwrap_or_default(), named);
                self.services
                    .add(record.service.as_deref().unwrap_or_default(), named);
                if let Some(class) = class {
                    self.dropped_errors.count(record, class, sum);
                    self.show(record, class, by);
                }
            }
        }
    }

    /// All that would be dropped.
    pub(super) fn dropped(&self) -> Sum {
        let mut dropped = self.by_filter;
        dropped += self.by_sample;
        dropped
    }

    fn show(&mut self, record: &AccessRecord<'_>, class: &'static str, by: Reason) {
        let examples = self.examples.entry(class).or_default();
        if examples.len() >= EXAMPLES {
            return;
        }
        let route = record.route_name.as_deref().or(record.route.as_deref());
        examples.push(Example {
            request_id: record.request_id.as_deref().map(cut),
            start_time: record.start_time.map(Timestamp::to_rfc3339_millis),
            response_code: Facts::response_code(record),
            response_flags: record.response_flags.as_deref().map(cut),
            route: route.map(cut),
            by,
        });
    }
}

impl Errors {
    fn count(&mut self, record: &AccessRecord<'_>, class: &'static str, sum: Sum) {
        self.all += sum;
        *self.by_status.entry(class).or_default() += sum;
        let flags = record.response_flags.as_deref().unwrap_or_default();
        for flag in flags.split(',').map(str::trim).filter(|flag| is_flag(flag)) {
            let named = Named {
                all: sum,
                errors: sum,
            };
            self.by_flag.add(flag, named);
        }
    }
}

impl Names {
    fn add(&mut self, name: &str, named: Named) {
        let name = cut(name);
        if let Some(found) = self.named.get_mut(&name) {
            *found += named;
        } else if self.named.len() < MAX_NAMES {
            self.named.insert(name, named);
        } else {
            self.others += named;
        }
    }

    /// So many names at most, those of the most requests first. A record without a name has the name "".
    pub(super) fn top(&self, most: usize) -> Vec<(&str, Named)> {
        let mut all: Vec<_> = self
            .named
            .iter()
            .map(|(name, named)| (name.as_str(), *named))
            .collect();
        all.sort_by(|(_, one), (_, other)| other.all.estimated.total_cmp(&one.all.estimated));
        all.truncate(most);
        all
    }
}

/// The class of the response code, if the record is an error.
fn class_of_error(record: &AccessRecord<'_>) -> Option<&'static str> {
    const CLASSES: [&str; 6] = ["0", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let code = Facts::response_code(record);
    let flags = record.response_flags.as_deref().unwrap_or_default();
    let is_error = code == 0
        || code >= 400
        || flags.split(',').any(|flag| is_flag(flag.trim()))
        || record.grpc_status.is_some_and(|status| status != 0);
    let class = if code == 0 {
        0
    } else {
        usize::try_from(code / 100).unwrap_or(usize::MAX)
    };
    is_error.then(|| CLASSES.get(class).copied().unwrap_or("other"))
}

fn is_flag(flag: &str) -> bool {
    !flag.is_empty() && flag != "-"
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> AccessRecord<'_> {
        gatelog_record::json::read(json).unwrap().0
    }

    #[test]
    fn an_error_is_what_an_operator_would_miss() {
        for (json, class) in [
            (r#"{"response_code":200}"#, None),
            (r#"{"response_code":399,"response_flags":"-"}"#, None),
            (r#"{"response_code":200,"grpc_status":0}"#, None),
            (r#"{"response_code":200,"grpc_status":14}"#, Some("2xx")),
            (
                r#"{"response_code":302,"response_flags":"UC"}"#,
                Some("3xx"),
            ),
            (
                r#"{"response_code":200,"response_flags":"OWN"}"#,
                Some("2xx"),
            ),
            (r#"{"response_code":400}"#, Some("4xx")),
            (r#"{"response_code":599}"#, Some("5xx")),
            (r#"{"response_code":0}"#, Some("0")),
            (r#"{"path":"/"}"#, Some("0")),
            (r#"{"response_code":99,"response_flags":"DC"}"#, Some("0")),
            (r#"{"response_code":666}"#, Some("other")),
        ] {
            assert_eq!(class_of_error(&record(json)), class, "{json}");
        }
    }

    #[test]
    fn records_are_counted_by_their_weights_and_kept_ones_by_what_they_would_have() {
        let mut tally = Tally::default();
        let json = r#"{"response_code":503,"response_flags":"UF,URX","route":"r","service":"s"}"#;
        let error = record(json);
        let mut kept = error.clone();
        kept.sample_weight = Some(6.0);
        tally.count(&kept, 3.0, 100, Choice::Keep);
        tally.count(&error, 1.0, 10, Choice::Drop(Reason::Filter));
        let fine = record(r#"{"response_code":200,"route_name":"n","route":"r"}"#);
        tally.count(&fine, 2.0, 1, Choice::Drop(Reason::Sample));
        let sum = |records, estimated, bytes| Sum {
            records,
            estimated,
            bytes,
        };
        assert_eq!(tally.looked_at, sum(3, 6.0, 111));
        assert_eq!(
            (tally.kept, tally.estimate_of_kept),
            (sum(1, 3.0, 100), 6.0)
        );
        assert_eq!(tally.dropped(), sum(2, 3.0, 11));
        assert_eq!(
            (tally.by_filter, tally.by_sample),
            (sum(1, 1.0, 10), sum(1, 2.0, 1))
        );
        assert_eq!(tally.weighted, 2);
        assert_eq!(tally.kept_errors.all, sum(1, 3.0, 100));
        assert_eq!(
            tally.dropped_errors.by_status,
            [("5xx", sum(1, 1.0, 10))].into()
        );
        let names = |names: &Names| -> Vec<_> {
            let top = names.top(9).into_iter();
            top.map(|(name, named)| (name.to_owned(), named.all.records, named.errors.records))
                .collect()
        };
        let of = |names: [(&str, u64, u64); 2]| {
            names
                .map(|(name, all, errors)| (name.to_owned(), all, errors))
                .to_vec()
        };
        assert_eq!(
            names(&tally.dropped_errors.by_flag),
            of([("UF", 1, 1), ("URX", 1, 1)])
        );
        assert_eq!(names(&tally.routes), of([("n", 1, 0), ("r", 1, 1)]));
        assert_eq!(names(&tally.services), of([("", 1, 0), ("s", 1, 1)]));
        assert_eq!(tally.examples.len(), 1);
        assert_eq!(tally.examples["5xx"][0].response_code, 503);
    }

    #[test]
    fn names_and_examples_without_end_take_no_memory_without_end() {
        let mut tally = Tally::default();
        for number in 0..MAX_NAMES + 5 {
            let json = format!(
                r#"{{"response_code":503,"route":"{number}{}"}}"#,
                "é".repeat(300)
            );
            tally.count(&record(&json), 1.0, 1, Choice::Drop(Reason::Filter));
        }
        assert_eq!(tally.routes.top(usize::MAX).len(), MAX_NAMES);
        assert_eq!(tally.routes.others.all.records, 5);
        assert_eq!(tally.routes.top(1)[0].0.chars().count(), MAX_NAME_CHARS);
        assert_eq!(tally.examples["5xx"].len(), EXAMPLES);
    }
}
