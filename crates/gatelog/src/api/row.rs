//! A record as a row of `GET /query`.

use gatelog_record::json::{write_text, write_value};
use gatelog_record::{AccessRecord, Field, Kind, Value};

/// How rows are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Also the fields behind the 37 columns.
    pub(super) all_fields: bool,
    /// Absent texts as "" and absent numbers as 0.
    pub(super) empty_strings: bool,
}

/// Appends the row: the 37 columns in the seed's order, each key always there. Times are RFC 3339
/// in UTC with milliseconds.
pub(super) fn write(record: &AccessRecord<'_>, style: Style, out: &mut String) {
    let fields = if style.all_fields {
        Field::ALL
    } else {
        Field::columns()
    };
    for (index, &field) in fields.iter().enumerate() {
        out.push_str(if index == 0 { "{\"" } else { ",\"" });
        out.push_str(field.name());
        out.push_str("\":");
        match record.get(field) {
            Some(Value::Time(time)) => write_text(&time.to_rfc3339_millis(), out),
            Some(value) => write_value(value, out),
            None if style.empty_strings => out.push_str(match field.kind() {
                Kind::Text => "\"\"",
                Kind::Integer => "0",
                _ => "null",
            }),
            None => out.push_str("null"),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use gatelog_record::Timestamp;

    use super::*;

    #[test]
    fn a_row_has_every_key_and_absent_values_as_asked_for() {
        let record = AccessRecord {
            start_time: Some(Timestamp::from_micros(1_774_231_801_217_999)),
            method: Some(Cow::Borrowed("GET")),
            ai_log: Some(Cow::Borrowed(r#"{"model":"x"}"#)),
            ..AccessRecord::default()
        };
        let row = |all_fields, empty_strings| -> serde_json::Value {
            let mut text = String::new();
            write(
                &record,
                Style {
                    all_fields,
                    empty_strings,
                },
                &mut text,
            );
            serde_json::from_str(&text).unwrap()
        };
        let plain = row(false, false);
        assert_eq!(plain.as_object().unwrap().len(), 37);
        assert_eq!(plain["start_time"], "2026-03-23T02:10:01.217Z");
        assert_eq!(plain["ai_log"]["model"], "x");
        assert!(plain["path"].is_null() && plain["duration"].is_null());
        let old = row(false, true);
        assert_eq!((&old["path"], &old["duration"]), (&"".into(), &0.into()));
        assert_eq!(
            row(true, false).as_object().unwrap().len(),
            Field::ALL.len()
        );
    }
}
