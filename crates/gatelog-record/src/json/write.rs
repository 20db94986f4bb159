//! From a record to the text of an object: the wire form in JSON.

use std::fmt::Write as _;

use crate::field::{Field, Value};
use crate::{AccessRecord, Headers};

/// Appends the record as one JSON object, its present fields under their names, to `out`.
///
/// One line; [`read`](super::read) gives the same record back, line breaks in its JSON values being
/// blanks.
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
        Value::Json(json) => write_json(json, out),
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

/// Appends a value as it came, on one line.
///
/// Inside a string a line break is escaped (RFC 8259 §7), so one that stands here as it is lies
/// between tokens, where a blank means the same.
fn write_json(json: &str, out: &mut String) {
    let mut lines = json.split(['\n', '\r']);
    out.push_str(lines.next().unwrap_or_default());
    for line in lines {
        out.push(' ');
        out.push_str(line);
    }
}

/// Appends headers as an object: `{"name":"value","other":["first","second"]}`.
///
/// Values of one name that follow each other are an array. A name that comes again behind another
/// one is a key again, so the order comes back as it was, and very many headers cost no more than
/// their length.
pub fn write_headers(headers: &Headers<'_>, out: &mut String) {
    let mut separator = '{';
    let mut headers = headers.iter().peekable();
    while let Some((name, value)) = headers.next() {
        out.push(separator);
        separator = ',';
        write_text(name, out);
        out.push(':');
        let mut more = headers.next_if(|(next, _)| *next == name);
        let repeats = more.is_some();
        if repeats {
            out.push('[');
        }
        write_text(value, out);
        while let Some((_, value)) = more {
            out.push(',');
            write_text(value, out);
            more = headers.next_if(|(next, _)| *next == name);
        }
        if repeats {
            out.push(']');
        }
    }
    out.push_str(if separator == '{' { "{}" } else { "}" });
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
