//! A record's field as a value that its column takes.
//!
//! **Shape.** Text is cut at the column's characters or bytes, between two characters; characters
//! that the column's character set lacks become `?`; numbers are moved into the column's range;
//! moments are written in UTC with as many digits as the column has, the rest cut off (MySQL would
//! round, MariaDB cut). What is absent is NULL, or the nothing of its type where the column takes
//! no NULL: `''`, 0, `{}`, the receive time.
//!
//! **Invariants.** A JSON text is written whole or not at all.
//!
//! **Limits.** `TIMESTAMP` goes from 1970-01-01T00:00:01Z to 2038-01-19T03:14:07Z; moments outside
//! become these.

use gatelog_record::{AccessRecord, Field, Headers, Kind, Timestamp, Value, json};

use super::charset::Charset;
use super::column::{Class, Column};
use super::form::Out;

/// The range of `TIMESTAMP`, in seconds since 1970.
pub(super) const TIMESTAMP_SECONDS: (i64, i64) = (1, 2_147_483_647);

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Appends the record's value for a column. Answers whether the value had to be
/// changed to fit. `now` stands in for a time of receipt that the record lacks.
pub(super) fn write(
    record: &AccessRecord<'_>,
    column: &Column,
    now: Timestamp,
    out: &mut Out<'_>,
) -> bool {
    let received = record.receive_time.unwrap_or(now);
    let value = column.field.and_then(|field| match field {
        Field::StartTime => record.start_time.or(record.receive_time).map(Value::Time),
        _ => record.get(field),
    });
    let Some(value) = value else {
        write_nothing(column, received, out);
        return false;
    };
    let fit = match &column.class {
        Class::Text {
            max_chars,
            max_bytes,
            charset,
        } => {
            let limits = Limits {
                chars: *max_chars,
                bytes: *max_bytes,
                charset,
            };
            write_as_text(value, &limits, out)
        }
        Class::Json => write_as_json(value, out),
        Class::Integer { min, max } => write_as_integer(value, *min, *max, out),
        Class::Float => write_as_float(value, out),
        Class::DateTime { digits } => match value {
            Value::Time(time) => {
                write_moment(time, *digits, out);
                Fit::Whole
            }
            _ => Fit::Not,
        },
        Class::Timestamp { digits } => match value {
            Value::Time(time) => {
                let clamped = in_timestamp_range(time);
                write_moment(clamped, *digits, out);
                Fit::of(clamped == time)
            }
            _ => Fit::Not,
        },
        Class::Other => Fit::Not,
    };
    if fit == Fit::Not {
        write_nothing(column, received, out);
    }
    fit != Fit::Whole
}

/// How a value went into its column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    Changed,
    /// Nothing was written.
    Not,
}

impl Fit {
    fn of(whole: bool) -> Self {
        if whole { Self::Whole } else { Self::Changed }
    }
}

/// What a text column can hold.
struct Limits<'c> {
    chars: usize,
    bytes: usize,
    charset: &'c Charset,
}

fn write_nothing(column: &Column, received: Timestamp, out: &mut Out<'_>) {
    let is = |kind| column.field.is_some_and(|field| field.kind() == kind);
    if column.nullable {
        out.null();
        return;
    }
    match column.class {
        Class::Text { .. } if is(Kind::Json) || is(Kind::Headers) => out.text("{}"),
        Class::Json => out.text("{}"),
        Class::Text { .. } | Class::Other => out.text(""),
        Class::Integer { .. } if is(Kind::Time) => {
            out.number(received.micros() / MICROS_PER_SECOND);
        }
        Class::Integer { .. } | Class::Float => out.number(0),
        Class::DateTime { digits } => write_moment(received, digits, out),
        Class::Timestamp { digits } => write_moment(in_timestamp_range(received), digits, out),
    }
}

fn write_as_text(value: Value<'_>, limits: &Limits<'_>, out: &mut Out<'_>) -> Fit {
    match value {
        Value::Text(text) => write_text(text, limits, out),
        Value::Json(text) => write_whole(text, limits, out),
        Value::Headers(headers) => write_whole(&headers_json(headers), limits, out),
        Value::Integer(number) => write_text(&number.to_string(), limits, out),
        Value::Float(number) => write_text(&number.to_string(), limits, out),
        Value::Time(time) => write_text(&time.to_string(), limits, out),
        Value::Id(id) => write_text(&id.to_string(), limits, out),
    }
}

fn write_as_json(value: Value<'_>, out: &mut Out<'_>) -> Fit {
    let mut quoted = String::new();
    match value {
        Value::Json(text) => quoted.push_str(text),
        Value::Text(text) => json::write_text(text, &mut quoted),
        Value::Headers(headers) => quoted = headers_json(headers),
        Value::Integer(number) => quoted = number.to_string(),
        Value::Float(number) if number.is_finite() => quoted = number.to_string(),
        Value::Float(_) => return Fit::Not,
        Value::Time(time) => json::write_text(&time.to_string(), &mut quoted),
        Value::Id(id) => json::write_text(&id.to_string(), &mut quoted),
    }
    out.text(&quoted);
    Fit::Whole
}

fn write_as_integer(value: Value<'_>, min: i64, max: i64, out: &mut Out<'_>) -> Fit {
    let whole = match value {
        Value::Integer(number) => number,
        Value::Time(time) => time.micros() / MICROS_PER_SECOND,
        Value::Text(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => return Fit::Not,
        },
        _ => return Fit::Not,
    };
    let clamped = whole.clamp(min, max);
    out.number(clamped);
    Fit::of(clamped == whole)
}

fn write_as_float(value: Value<'_>, out: &mut Out<'_>) -> Fit {
    match value {
        Value::Integer(whole) => out.number(whole),
        Value::Float(float) if float.is_finite() => out.number(format_args!("{float:e}")),
        Value::Time(time) => {
            let (seconds, micros) = (
                time.micros() / MICROS_PER_SECOND,
                time.micros() % MICROS_PER_SECOND,
            );
            out.number(format_args!("{seconds}.{micros:06}"));
        }
        Value::Text(text) => match text.parse::<f64>() {
            Ok(float) if float.is_finite() => out.number(format_args!("{float:e}")),
            _ => return Fit::Not,
        },
        _ => return Fit::Not,
    }
    Fit::Whole
}

fn write_moment(time: Timestamp, digits: usize, out: &mut Out<'_>) {
    out.text(&time.to_sql(digits));
}

fn in_timestamp_range(time: Timestamp) -> Timestamp {
    let (first, last) = TIMESTAMP_SECONDS;
    let micros = time
        .micros()
        .clamp(first * MICROS_PER_SECOND, last * MICROS_PER_SECOND);
    Timestamp::from_micros(micros)
}

fn write_text(text: &str, limits: &Limits<'_>, out: &mut Out<'_>) -> Fit {
    let cut = cut(text, limits);
    if limits.charset.has_all(cut) {
        out.text(cut);
        return Fit::of(cut.len() == text.len());
    }
    let stored = cut.chars().map(|character| stored(character, limits));
    out.text(&stored.collect::<String>());
    Fit::Changed
}

/// The character that is stored for this one.
fn stored(character: char, limits: &Limits<'_>) -> char {
    if limits.charset.has(character) {
        character
    } else {
        '?'
    }
}

/// Writes a text of which a part would be worth nothing.
fn write_whole(text: &str, limits: &Limits<'_>, out: &mut Out<'_>) -> Fit {
    if cut(text, limits).len() == text.len() {
        write_text(text, limits, out)
    } else {
        Fit::Not
    }
}

/// As much of the text as fits, whole characters only.
fn cut<'t>(text: &'t str, limits: &Limits<'_>) -> &'t str {
    // No text has more characters than bytes.
    if text.len() <= limits.chars && limits.charset.most_bytes(text) <= limits.bytes {
        return text;
    }
    let mut bytes = 0;
    for (count, (at, character)) in text.char_indices().enumerate() {
        bytes += limits.charset.bytes(stored(character, limits));
        if count == limits.chars || bytes > limits.bytes {
            return text.split_at_checked(at).map_or(text, |(head, _)| head);
        }
    }
    text
}

/// The headers as the record's JSON form has them.
fn headers_json(headers: &Headers<'_>) -> String {
    let mut text = String::new();
    json::write_value(Value::Headers(headers), &mut text);
    text
}

#[cfg(test)]
mod tests {
    use gatelog_record::RecordId;
    use proptest::prelude::*;

    use super::*;
    use crate::mysql::column::Demand;

    const NOW: Timestamp = Timestamp::from_millis(1_774_231_801_217);

    fn column(field: Field, class: Class, nullable: bool) -> Column {
        Column {
            name: field.name().to_owned(),
            field: Some(field),
            class,
            nullable,
            demand: if nullable {
                Demand::Optional
            } else {
                Demand::Value
            },
            computed: None,
        }
    }

    fn varchar(chars: usize) -> Class {
        Class::Text {
            max_chars: chars,
            max_bytes: usize::MAX,
            charset: Charset::named("utf8mb4"),
        }
    }

    fn written(record: &AccessRecord<'_>, column: &Column) -> (String, bool) {
        let mut bytes = Vec::new();
        let changed = write(record, column, NOW, &mut Out::literals(&mut bytes));
        (String::from_utf8(bytes).unwrap(), changed)
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let record = AccessRecord {
            path: Some("日本語のpath".into()),
            ..AccessRecord::default()
        };
        let of = |class| written(&record, &column(Field::Path, class, true));
        assert_eq!(of(varchar(8)), ("'日本語のpath'".to_owned(), false));
        assert_eq!(of(varchar(3)), ("'日本語'".to_owned(), true));
        let bytes = |max_bytes| Class::Text {
            max_chars: usize::MAX,
            max_bytes,
            charset: Charset::named("utf8mb4"),
        };
        assert_eq!(of(bytes(16)), ("'日本語のpath'".to_owned(), false));
        assert_eq!(of(bytes(8)), ("'日本'".to_owned(), true));
        let utf16 = Class::Text {
            max_chars: usize::MAX,
            max_bytes: 7,
            charset: Charset::named("utf16"),
        };
        assert_eq!(of(utf16), ("'日本語'".to_owned(), true));
        let basic = Class::Text {
            max_chars: 3,
            max_bytes: usize::MAX,
            charset: Charset::named("utf8mb3"),
        };
        let record = AccessRecord {
            path: Some("a😀bc".into()),
            ..AccessRecord::default()
        };
        let written = written(&record, &column(Field::Path, basic, true));
        assert_eq!(written, ("'a?b'".to_owned(), true));
    }

    #[test]
    fn numbers_and_moments_are_moved_into_the_columns_range() {
        let record = AccessRecord {
            duration: Some(1 << 31),
            start_time: Some(Timestamp::from_micros(4_102_444_800_999_999)),
            upstream_service_time: Some("12".into()),
            sample_weight: Some(2.5),
            ..AccessRecord::default()
        };
        let int = Class::Integer {
            min: i32::MIN.into(),
            max: i32::MAX.into(),
        };
        let of = |field, class| written(&record, &column(field, class, false));
        assert_eq!(
            of(Field::Duration, int.clone()),
            ("2147483647".to_owned(), true)
        );
        assert_eq!(
            of(Field::UpstreamServiceTime, int.clone()),
            ("12".to_owned(), false)
        );
        assert_eq!(of(Field::StartTime, int), ("2147483647".to_owned(), true));
        assert_eq!(
            of(Field::SampleWeight, Class::Float),
            ("2.5e0".to_owned(), false)
        );
        assert_eq!(
            of(Field::StartTime, Class::DateTime { digits: 3 }),
            ("'2100-01-01 00:00:00.999'".to_owned(), false)
        );
        assert_eq!(
            of(Field::StartTime, Class::Timestamp { digits: 0 }),
            ("'2038-01-19 03:14:07'".to_owned(), true)
        );
    }

    #[test]
    fn what_is_absent_is_null_or_the_nothing_of_its_type() {
        let empty = AccessRecord::default();
        let of = |field, class, nullable| written(&empty, &column(field, class, nullable)).0;
        let int = Class::Integer { min: 0, max: 9 };
        let seconds = Class::Integer {
            min: 0,
            max: i64::MAX,
        };
        assert_eq!(of(Field::Path, varchar(9), true), "NULL");
        assert_eq!(of(Field::Path, varchar(9), false), "''");
        assert_eq!(of(Field::AiLog, varchar(9), false), "'{}'");
        assert_eq!(of(Field::AiLog, Class::Json, false), "'{}'");
        assert_eq!(of(Field::Duration, int, false), "0");
        assert_eq!(of(Field::StartTime, seconds, false), "1774231801");
        assert_eq!(
            of(Field::StartTime, Class::DateTime { digits: 3 }, true),
            "NULL"
        );
        assert_eq!(
            of(Field::StartTime, Class::DateTime { digits: 3 }, false),
            "'2026-03-23 02:10:01.217'"
        );
        let received = AccessRecord {
            receive_time: Some(Timestamp::from_millis(1000)),
            ..AccessRecord::default()
        };
        let start = column(Field::StartTime, Class::DateTime { digits: 0 }, true);
        assert_eq!(written(&received, &start).0, "'1970-01-01 00:00:01'");
    }

    #[test]
    fn json_is_written_whole_or_not_at_all() {
        let mut headers = Headers::new();
        headers.push("a", "it's");
        let record = AccessRecord {
            ai_log: Some(r#"{"a":"it's \"x\""}"#.into()),
            request_headers: headers,
            record_id: Some(RecordId::from_bits(1)),
            ..AccessRecord::default()
        };
        let of = |field, class| written(&record, &column(field, class, true));
        let literal = (r#"'{"a":"it''s \\"x\\""}'"#.to_owned(), false);
        assert_eq!(of(Field::AiLog, Class::Json), literal);
        assert_eq!(of(Field::AiLog, varchar(99)), literal);
        assert_eq!(of(Field::AiLog, varchar(9)), ("NULL".to_owned(), true));
        assert_eq!(
            of(Field::RequestHeaders, varchar(99)),
            (r#"'{"a":"it''s"}'"#.to_owned(), false)
        );
        assert_eq!(
            of(Field::RecordId, varchar(36)).0,
            "'00000000-0000-0000-0000-000000000001'"
        );
    }

    proptest! {
        #[test]
        fn what_is_cut_fits_and_is_the_start(
            text in "\\PC{0,20}",
            charset in prop::sample::select(vec!["utf8mb4", "utf16", "utf32", "gbk"]),
            chars in 0usize..20,
            bytes in 0usize..40,
        ) {
            let charset = Charset::named(charset);
            let limits = Limits { chars, bytes, charset: &charset };
            let taken = |text: &str| -> usize { text.chars().map(|it| charset.bytes(it)).sum() };
            let cut = cut(&text, &limits);
            prop_assert!(text.starts_with(cut));
            prop_assert!(cut.chars().count() <= chars && taken(cut) <= bytes);
            let next = text.strip_prefix(cut).and_then(|rest| rest.chars().next());
            let as_much_as_fits = next.is_none_or(|next| {
                cut.chars().count() == chars || taken(cut) + charset.bytes(next) > bytes
            });
            prop_assert!(as_much_as_fits);
        }
    }
}
