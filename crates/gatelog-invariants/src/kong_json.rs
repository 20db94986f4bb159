//! `gatelog::decode::read` on the log objects of Kong, and `gatelog::output::kong_json` on what they become.

use gatelog::decode::{self, Items};
use gatelog::output::kong_json::{CustomFields, KongJson, LogFormat};
use gatelog_record::{AccessRecord, DecodeError, json};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json_record;

/// A neighbour that can be read.
const NEIGHBOUR: &str = r#"{"request":{"method":"N"},"started_at":1}"#;

/// - The reader never panics, and ends where `gatelog_record::json` does.
/// - What has not the shape of Kong's is read as without Kong.
/// - A record of Kong's survives both of its forms, is written as one line of valid JSON, and is
///   written the same when that line was read.
/// - Neighbours in an array and in lines are read, whatever an item that is JSON holds.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (item, end) = decode::read_next(&text);
    let (flat, flat_end) = json::read_next(&text);
    assert_eq!(end, flat_end);
    match &item {
        Ok((record, _))
            if record.kong.is_some() && flat.as_ref().ok().is_none_or(|flat| flat.0 != *record) =>
        {
            json_record::survives(record);
            comes_out_again(record);
        }
        Err(DecodeError::Syntax(_)) => assert_eq!(item, flat),
        _ => {}
    }
    neighbours(&text);
}

fn comes_out_again(record: &AccessRecord<'_>) {
    for format in [LogFormat::Seed, LogFormat::Kong3] {
        let line = written(record, format);
        assert!(!line.contains(['\n', '\r']), "more than one line: {line:?}");
        let oracle = serde_json::from_str::<&RawValue>(&line);
        assert!(oracle.is_ok(), "{oracle:?}: {line}");
        let again = match decode::read(&line) {
            Ok((again, _)) => again,
            Err(error) => panic!("{error}: {line}"),
        };
        // Half a character in what was kept as it stands cannot be compared.
        let tree = |text: &str| serde_json::from_str::<Value>(text).ok();
        let line_again = written(&again, format);
        if let (Some(mut first), Some(mut second)) = (tree(&line), tree(&line_again)) {
            without_nulls(&mut first);
            without_nulls(&mut second);
            assert_eq!(first, second, "{line}");
        }
    }
}

fn written(record: &AccessRecord<'_>, format: LogFormat) -> String {
    let mut out = Vec::new();
    KongJson::new(format, CustomFields::default()).write(record, &mut out);
    match String::from_utf8(out) {
        Ok(line) => line,
        Err(error) => panic!("{error}"),
    }
}

/// The seed's form has `null` for what is not there.
fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(without_nulls);
    }
}

fn neighbours(text: &str) {
    if serde_json::from_str::<Value>(text).is_err() || text.len() > 1 << 16 {
        return;
    }
    let array = format!("[{NEIGHBOUR},{text},{NEIGHBOUR}]");
    let line = text.replace(['\n', '\r'], " ");
    for body in [array, format!("{NEIGHBOUR}\n{line}\n{NEIGHBOUR}\n")] {
        let items: Vec<_> = Items::new(&body).collect();
        assert_eq!(items.len(), 3, "{body}");
        for place in [0, 2] {
            let item = items.get(place).and_then(|item| item.as_ref().ok());
            let method = item.and_then(|(record, _)| record.method.as_deref());
            assert_eq!(method, Some("N"), "item {place} of {body}");
        }
    }
}
