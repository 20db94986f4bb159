//! Conditions as expressions, and what they say about times.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ident, lit};
use gatelog_record::{Field, Kind, Timestamp};

use super::super::file::StoredFile;
use super::super::schema::TIME_ZONE;
use super::text_test::{contains, has_flag};
use super::{json_test, never};
use crate::Condition;

/// Each condition as an expression.
///
/// A condition on a field of another kind, such as a text for a number, fits no row.
pub(super) fn all(conditions: &[Condition]) -> Vec<Expr> {
    conditions.iter().map(expression).collect()
}

fn expression(condition: &Condition) -> Expr {
    match condition {
        Condition::TextIs(field, text) if is_text(*field) => column(*field).eq(lit(text.as_str())),
        Condition::TextContains(field, text) if is_text(*field) => contains(column(*field), text),
        Condition::TextStartsWith(field, text) if is_text(*field) => starts_with(*field, text),
        Condition::IntegerIs(field, number) if is_integer(*field) => {
            column(*field).eq(lit(*number))
        }
        Condition::IntegerFrom(field, number) if is_integer(*field) => {
            column(*field).gt_eq(lit(*number))
        }
        Condition::IntegerTo(field, number) if is_integer(*field) => {
            column(*field).lt_eq(lit(*number))
        }
        Condition::From(time) => column(Field::StartTime).gt_eq(moment(*time)),
        Condition::To(time) => column(Field::StartTime).lt_eq(moment(*time)),
        Condition::JsonIs(field, key, text) if field.kind() == Kind::Json => {
            json_test::has(column(*field), key, text)
        }
        Condition::HasFlag(flag) => has_flag(column(Field::ResponseFlags), flag),
        _ => never(),
    }
}

fn is_text(field: Field) -> bool {
    matches!(field.kind(), Kind::Text | Kind::Json | Kind::Headers)
}

fn is_integer(field: Field) -> bool {
    field.kind() == Kind::Integer
}

fn column(field: Field) -> Expr {
    ident(field.name())
}

/// A moment as a value of a column.
pub(super) fn moment(time: Timestamp) -> Expr {
    let value = ScalarValue::TimestampMicrosecond(Some(time.micros()), Some(TIME_ZONE.into()));
    lit(value)
}

/// Texts compare byte by byte, so those that begin with `prefix` lie between it and the next text
/// that does not: a range, by which pages and files can be passed over.
fn starts_with(field: Field, prefix: &str) -> Expr {
    let from = column(field).gt_eq(lit(prefix));
    match successor(prefix) {
        Some(end) => from.and(column(field).lt(lit(end))),
        None => from,
    }
}

/// The least text greater than all that begin with `prefix`; `None` if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let next = (last..=char::MAX).nth(1);
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// A range of start times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Times {
    /// `None`: also rows without a start time.
    from: Option<Timestamp>,
    /// As `from`.
    to: Option<Timestamp>,
}

impl Times {
    /// The range that the conditions allow.
    pub(super) fn of(conditions: &[Condition]) -> Self {
        let mut times = Self::default();
        for condition in conditions {
            match condition {
                Condition::From(from) => times.narrow(Self {
                    from: Some(*from),
                    to: None,
                }),
                Condition::To(to) => times.narrow(Self {
                    from: None,
                    to: Some(*to),
                }),
                _ => {}
            }
        }
        times
    }

    /// Leaves what lies in the other range too.
    fn narrow(&mut self, other: Self) {
        // `None` is less than any moment.
        self.from = self.from.max(other.from);
        self.to = match (self.to, other.to) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
    }

    /// Whether a row of the file can lie in the range.
    pub(super) fn may_hold_some(&self, file: &StoredFile) -> bool {
        match file.start {
            _ if *self == Self::default() => true,
            Some((least, greatest)) => {
                self.from.is_none_or(|from| from <= greatest)
                    && self.to.is_none_or(|to| to >= least)
            }
            None => false,
        }
    }

    /// Whether every row of the file lies in the range.
    pub(super) fn holds_all(&self, file: &StoredFile) -> bool {
        match file.start {
            _ if *self == Self::default() => true,
            Some((least, greatest)) => {
                file.without_start == 0
                    && self.from.is_none_or(|from| from <= least)
                    && self.to.is_none_or(|to| to >= greatest)
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_is_a_range(prefix in "[a\u{7f}\u{d7ff}\u{e000}\u{10ffff}]{0,3}", text in any::<String>(), with: bool) {
            let text = if with { format!("{prefix}{text}") } else { text };
            let end = successor(&prefix);
            let inside = text >= prefix && end.is_none_or(|end| text < end);
            prop_assert_eq!(inside, text.starts_with(&prefix));
        }
    }

    #[test]
    fn conditions_on_time_narrow_each_other() {
        let millis = Timestamp::from_millis;
        let times = Times::of(&[
            Condition::From(millis(5)),
            Condition::To(millis(20)),
            Condition::From(millis(3)),
            Condition::To(millis(30)),
        ]);
        let expected = Times {
            from: Some(millis(5)),
            to: Some(millis(20)),
        };
        assert_eq!(times, expected);
    }
}
