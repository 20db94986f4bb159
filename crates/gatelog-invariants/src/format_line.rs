//! A line of an access log, read with a known format or with one that the bytes bring along.

use std::borrow::Cow;

use gatelog_format::{Known, Reader, Template};
use gatelog_record::{AccessRecord, Field, Value, json};

/// The first line is a format or the name of one, the rest is the line.
///
/// - A line is a record, or an error at one of its bytes.
/// - No text of the record is empty or `-`, and what stands in it stood in the line, unless JSON had it
///   escaped.
/// - The record survives being written.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (format, line) = bytes
        .split_at_checked(end.unwrap_or(bytes.len()))
        .unwrap_or((bytes, b""));
    let line = line.strip_prefix(b"\n").unwrap_or(line);
    let Some(reader) = reader(&String::from_utf8_lossy(format)) else {
        return;
    };
    match reader.read(line) {
        Ok((record, _)) => holds(&record, line),
        Err(error) => assert!(error.position() <= line.len(), "{error}"),
    }
}

fn reader(format: &str) -> Option<Reader> {
    let template = match Known::find(format) {
        Some(known) => known.template(),
        None => Template::text(format),
    };
    template.ok()?.reader().ok()
}

fn holds(record: &AccessRecord<'_>, line: &[u8]) {
    let is_escaped = line.contains(&b'\\');
    let line = String::from_utf8_lossy(line);
    for field in Field::ALL {
        let Some(Value::Text(text)) = record.get(*field) else {
            continue;
        };
        assert!(
            !text.is_empty() && text != "-",
            "{} is `{text}`",
            field.name()
        );
        let is_made = *field == Field::ResponseFlags || is_of_ai_log(record, *field);
        assert!(
            is_made || is_escaped || line.contains(text),
            "{} is `{text}`, which is not in the line",
            field.name()
        );
    }
    let mut written = String::new();
    json::write(record, &mut written);
    if *record != AccessRecord::default() {
        let read = json::read(&written).map(|(record, _)| record.into_owned());
        assert_eq!(read.as_ref(), Ok(&Cow::Borrowed(record).into_owned()));
    }
}

/// Fields that `ai_log` fills.
fn is_of_ai_log(record: &AccessRecord<'_>, field: Field) -> bool {
    record.ai_log.is_some()
        && (field.name().starts_with("ai_") || matches!(field, Field::Api | Field::Model))
}
