//! A record as a reader of its row must see it.

use gatelog_record::{AccessRecord, Field, Value};

/// A record with what its table can show of its time.
#[derive(Debug)]
pub(super) struct Seen<'r> {
    record: &'r AccessRecord<'static>,
    /// The start, cut to what the column holds.
    pub(super) start_micros: i64,
    ai_log: serde_json::Value,
}

impl<'r> Seen<'r> {
    pub(super) fn new(record: &'r AccessRecord<'static>, step_micros: i64) -> Self {
        let start = record.start_time.unwrap().micros();
        let ai_log = record.ai_log.as_deref().unwrap_or("null");
        Self {
            record,
            start_micros: start / step_micros * step_micros,
            ai_log: serde_json::from_str(ai_log).unwrap(),
        }
    }

    /// A column's text; numbers as digits.
    pub(super) fn text(&self, field: Field) -> Option<String> {
        match self.record.get(field)? {
            Value::Text(text) => Some(text.to_owned()),
            Value::Integer(number) => Some(number.to_string()),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn integer(&self, field: Field) -> Option<i64> {
        match self.record.get(field)? {
            Value::Integer(number) => Some(number),
            other => panic!("{other:?}"),
        }
    }

    /// A value of `ai_log`, as the databases take it out of its quotes: JSON's null is the text
    /// `null`.
    pub(super) fn ai(&self, key: &str) -> Option<String> {
        match self.ai_log.get(key)? {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// Whether `ai_log` has this text under the key.
    pub(super) fn ai_is(&self, key: &str, text: &str) -> bool {
        self.ai(key).as_deref() == Some(text)
    }
}

/// What the tables' collations take to be the same text: they do not tell upper from lower case.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The sum of a column over those records that have it, as SQL's: nothing if none has.
pub(super) fn sum(records: &[&Seen<'_>], field: Field) -> Option<f64> {
    let numbers: Vec<i64> = records
        .iter()
        .filter_map(|seen| seen.integer(field))
        .collect();
    (!numbers.is_empty()).then(|| float(numbers.iter().sum()))
}

/// The mean of what is there.
pub(super) fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / count(numbers.len()))
}

pub(super) fn count(count: usize) -> f64 {
    float(i64::try_from(count).unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "the sums stay far below 2^53")]
pub(super) fn float(number: i64) -> f64 {
    assert!(number.abs() < 1 << 53, "{number}");
    number as f64
}
