//! From a record to the text of an object: the wire form in JSON.

use std::fmt::Write as _;

use crate::field::{Field, Value};
use crate::{AccessRecord, Headers};

/// Appends the record as one JSON object, its present fields under their names, to `out`.
///
/// One line, no blanks between tokens; [`read`](super::read) gives the same record back.
pub fn write(record: &AccessRecord<'_>, out: &mut String) {
    let mut separator = '{';
    for &field in Field::ALL {
        let Some(value) = record.get(field) else {
            continue;
        };
        out.push(separator);
        separator = ',';
        out.push('"');
        out.push_str(field.name());
        out.push_str("\":");
        write_value(value, out);
    }
    out.push_str(if separator == '{' { "{}" } else { "}" });
}

/// Appends a field's value as the wire form has it: times with microseconds, headers as an object.
pub fn write_value(value: Value<'_>, out: &mut String) {
    match value {
        Value::Text(text) => write_text(text, out),
        Value::Json(json) => out.push_str(json),
        Value::Integer(number) => push(format_args!("{number}"), out),
        Value::Float(number) if number.is_finite() => push(format_args!("{number}"), out),
        Value::Float(_) => out.push_str("null"),
        Value::Time(time) => push(format_args!("\"{time}\""), out),
        Value::Id(id) => push(format_args!("\"{id}\""), out),
        Value::Headers(headers) => write_headers(headers, out),
    }
}

fn push(text: std::fmt::Arguments<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    if out.write_fmt(text).is_err() {
        out.push_str("null");
    }
}

/// An object of names to values; a name that repeats has an array, at the place of its first.
fn write_headers(headers: &Headers<'_>, out: &mut String) {
    out.push('{');
    let all: Vec<(&str, &str)> = headers.iter().collect();
    let mut first = true;
    for (at, &(name, value)) in all.iter().enumerate() {
        if all.iter().take(at).any(|&(earlier, _)| earlier == name) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        let more: Vec<&str> = all
            .iter()
            .skip(at + 1)
            .filter(|&&(other, _)| other == name)
            .map(|&(_, value)| value)
            .collect();
        if more.is_empty() {
            write_text(value, out);
        } else {
            out.push('[');
            write_text(value, out);
            for value in more {
                out.push(',');
                write_text(value, out);
            }
            out.push(']');
        }
    }
    out.push('}');
}

/// Appends `text` as a JSON string: `"`, `\` and control characters escaped (RFC 8259 §7).
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        // The byte found is ASCII, so both cuts lie between characters.
        let (head, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(head);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => push(format_args!("\\u{:04x}", control as u32), out),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
