//! Records that can be told apart and tell whether they were changed.
//!
//! **Shape.** A standard record whose `request_id` is `lane-number-checksum`, all in hexadecimal; the
//! checksum (CRC-32C) is of the record's text without it. Some records carry what is hard to carry:
//! quotes, control characters, letters of four bytes, bodies, headers.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Field, Timestamp, json, standard};

use super::oracle::{Id, Sighting};

/// The fields behind the columns that are sent and compared.
const MORE_FIELDS: [Field; 4] = [
    Field::FirstByteTime,
    Field::RequestHeaders,
    Field::RequestBody,
    Field::ClientIp,
];

/// Appends the record with this id, begun at `start`, to `out` as one JSON object, with a body of so
/// many bytes if it is to be larger than usual. `start` is to be whole milliseconds, which is what
/// queries answer.
pub fn write(id: Id, start: Timestamp, body_bytes: usize, out: &mut String) {
    let mut record = standard::record(u64::from(id.lane) << 44 | id.number, start);
    // One that is lost in the store must not come back from `ai_log`.
    record.model = Some("chaos".into());
    if id.number.is_multiple_of(8) {
        record.user_agent = Some(Cow::Borrowed("quote \" back \\ tab \t nul \u{1} é 中 🦀"));
        record.request_body = Some("{\"messages\":[\"x\"]}\n".repeat(20).into());
        record.request_headers.push("x-lane", id.lane.to_string());
    }
    if body_bytes > 0 {
        record.request_body = Some("0123456789abcde\n".repeat(body_bytes / 16).into());
    }
    record.request_id = Some(name(id, checksum(&record, id)).into());
    json::write(&record, out);
}

/// What a row of `GET /query?fields=all` is.
pub fn examine(row: &str) -> Sighting {
    let foreign = || Sighting::Foreign(row.to_owned());
    let Ok((record, _)) = json::read(row) else {
        return foreign();
    };
    let Some((id, sum)) = record.request_id.as_deref().and_then(parse) else {
        return foreign();
    };
    if checksum(&record, id) == sum && record.flaws.is_none() {
        Sighting::Intact(id)
    } else {
        Sighting::Damaged(id, row.to_owned())
    }
}

fn name(id: Id, sum: u32) -> String {
    format!("{:x}-{:x}-{sum:08x}", id.lane, id.number)
}

fn parse(name: &str) -> Option<(Id, u32)> {
    let mut parts = name.split('-');
    let lane = u16::from_str_radix(parts.next()?, 16).ok()?;
    let number = u64::from_str_radix(parts.next()?, 16).ok()?;
    let sum = u32::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().is_none().then_some((Id { lane, number }, sum))
}

/// The checksum of the id and of every other field that was sent. What the receiver adds is not in
/// it.
fn checksum(record: &AccessRecord<'_>, id: Id) -> u32 {
    let mut text = id.to_string();
    for &field in Field::columns().iter().chain(&MORE_FIELDS) {
        if let Some(value) = record.get(field).filter(|_| field != Field::RequestId) {
            text.push('\n');
            text.push_str(field.name());
            text.push('=');
            json::write_value(value, &mut text);
        }
    }
    crc32c::crc32c(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_774_231_801_217);

    fn text(number: u64) -> (Id, String) {
        let id = Id { lane: 3, number };
        let mut text = String::new();
        write(id, START, 0, &mut text);
        (id, text)
    }

    #[test]
    fn a_record_that_comes_back_is_intact_whatever_the_receiver_added() {
        for number in [0, 1, 8, 16, 1 << 40] {
            let (id, text) = text(number);
            assert_eq!(examine(&text), Sighting::Intact(id), "{text}");
            let more = text.replacen('{', "{\"receive_time\":\"2026-03-23T02:10:09Z\",", 1);
            assert_eq!(examine(&more), Sighting::Intact(id), "{more}");
        }
    }

    #[test]
    fn every_change_of_a_value_is_seen() {
        let (id, text) = text(8);
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (key, value) in row.as_object().unwrap() {
            let mut changed = row.clone();
            changed[key] = match value {
                serde_json::Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
                serde_json::Value::Object(_) => serde_json::json!({"x": "y"}),
                _ if key == "start_time" => "2026-03-23T02:10:01.218Z".into(),
                _ => "other".into(),
            };
            let sighting = examine(&changed.to_string());
            if key == "request_id" {
                assert!(matches!(sighting, Sighting::Foreign(_)), "{sighting:?}");
            } else {
                let damaged = matches!(sighting, Sighting::Damaged(found, _) if found == id);
                assert!(damaged, "{key}: {sighting:?}");
            }
            let mut missing = row.clone();
            missing.as_object_mut().unwrap().remove(key);
            let sighting = examine(&missing.to_string());
            assert!(!matches!(sighting, Sighting::Intact(_)), "without {key}");
        }
    }

    #[test]
    fn another_records_id_or_content_is_seen() {
        let ((_, one), (_, other)) = (text(1), text(2));
        let name = |text: &str| {
            let (record, _) = json::read(text).unwrap();
            record.request_id.unwrap().into_owned()
        };
        let mixed = one.replace(&name(&one), &name(&other));
        assert!(matches!(examine(&mixed), Sighting::Damaged(..)));
        assert!(matches!(examine("{}"), Sighting::Foreign(_)));
        assert!(matches!(examine("nonsense"), Sighting::Foreign(_)));
    }
}
