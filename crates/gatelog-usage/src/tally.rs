//! What was found so far.

use crate::json_scan::Value;
use crate::place::{Field, PLACES};
use crate::usage::Usage;

/// The values of a response, as they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    model: Ranked<String>,
    chat_id: Ranked<String>,
    input: Ranked<u64>,
    output: Ranked<u64>,
    total: Ranked<u64>,
    cached: Ranked<u64>,
    cache_creation: Ranked<u64>,
    reasoning: Ranked<u64>,
    /// Whether `input` is without what came from and went into the cache.
    is_cache_beside: bool,
    /// Whether the model has written something.
    pub(crate) has_token: bool,
    /// How often something was found that was not known before.
    pub(crate) changes: u64,
}

/// A value, and the rank of the place where it was found.
#[derive(Clone, Debug, Default)]
struct Ranked<T> {
    value: Option<T>,
    rank: u8,
}

impl<T: PartialEq> Ranked<T> {
    /// Says whether that changed anything.
    fn set(&mut self, value: T, rank: u8) -> bool {
        if self.value.is_some() && rank < self.rank {
            return false;
        }
        let is_new = self.rank != rank || self.value.as_ref() != Some(&value);
        self.value = Some(value);
        self.rank = rank;
        is_new
    }
}

impl Ranked<u64> {
    fn set_number(&mut self, value: Value<'_>, rank: u8) -> bool {
        number(value).is_some_and(|number| self.set(number, rank))
    }

    fn add(&mut self, value: Value<'_>, rank: u8) -> bool {
        let sum = |number| self.value.unwrap_or(0).saturating_add(number);
        match number(value).map(sum) {
            Some(sum) => self.set(sum, rank),
            None => false,
        }
    }
}

impl Ranked<String> {
    fn set_text(&mut self, value: Value<'_>, rank: u8) -> bool {
        match value {
            Value::Text { text, .. } if !text.is_empty() && self.value.as_deref() != Some(text) => {
                self.set(text.to_owned(), rank)
            }
            _ => false,
        }
    }
}

impl Tally {
    /// What was found at the path with this number.
    pub(crate) fn take(&mut self, path: usize, value: Value<'_>) {
        let Some((field, rank)) = PLACES.field(path) else {
            return;
        };
        let is_new = match field {
            Field::Model => self.model.set_text(value, rank),
            Field::ModelOfList if self.model.value.is_none() => self.model.set_text(value, rank),
            Field::ChatId => self.chat_id.set_text(value, rank),
            Field::Input => self.input.set_number(value, rank),
            Field::Output => self.output.set_number(value, rank),
            Field::Total => self.total.set_number(value, rank),
            Field::Cached => self.cached.set_number(value, rank),
            Field::CacheCreation => self.cache_creation.set_number(value, rank),
            Field::Reasoning => self.reasoning.set_number(value, rank),
            Field::CachedBeside => {
                let was_beside = std::mem::replace(&mut self.is_cache_beside, true);
                self.cached.set_number(value, rank) || !was_beside
            }
            Field::CacheCreationBeside => {
                let was_beside = std::mem::replace(&mut self.is_cache_beside, true);
                self.cache_creation.set_number(value, rank) || !was_beside
            }
            // Each answer tells of all its models: the sums begin anew.
            Field::Models if value == Value::Array => {
                self.input.value = None;
                self.output.value = None;
                true
            }
            Field::ModelOfList | Field::Models => false,
            Field::InputOfList => self.input.add(value, rank),
            Field::OutputOfList => self.output.add(value, rank),
            Field::Token => {
                let is_token = matches!(value, Value::Text { text, .. } if !text.is_empty());
                is_token && !std::mem::replace(&mut self.has_token, true)
            }
        };
        self.changes += u64::from(is_new);
    }

    /// What is known by now.
    pub(crate) fn usage(self) -> Usage {
        let beside = |part: Option<u64>| part.filter(|_| self.is_cache_beside).unwrap_or(0);
        let (cached, cache_creation) = (self.cached.value, self.cache_creation.value);
        let sum = |input: u64| {
            let output = self.output.value.unwrap_or(0);
            let parts = [output, beside(cached), beside(cache_creation)];
            parts.into_iter().fold(input, u64::saturating_add)
        };
        Usage {
            total: self.total.value.or_else(|| self.input.value.map(sum)),
            model: self.model.value,
            chat_id: self.chat_id.value,
            input: self.input.value,
            output: self.output.value,
            cached,
            cache_creation,
            reasoning: self.reasoning.value,
            response_type: None,
            unread: None,
        }
    }
}

/// A count: whole, or the whole part of one, or one of them in a string. None is negative.
fn number(value: Value<'_>) -> Option<u64> {
    let text = match value {
        Value::Number(text) | Value::Text { text, cut: false } => text.trim(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // `parse` takes a plus sign, too.
    (is_digits(whole) && is_digits(fraction)).then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_in_their_forms() {
        for (text, count) in [
            ("12", Some(12)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("3.9", Some(3)),
            ("12.0", Some(12)),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("", None),
            (".5", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
        ] {
            assert_eq!(number(Value::Number(text)), count, "{text:?}");
            assert_eq!(number(Value::Text { text, cut: false }), count, "{text:?}");
        }
        assert_eq!(number(Value::Null), None);
        assert_eq!(
            number(Value::Text {
                text: "12",
                cut: true
            }),
            None
        );
    }
}
