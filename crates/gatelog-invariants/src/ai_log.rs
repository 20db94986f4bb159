//! `ai_log`, which comes as an object, as a string that holds one, or escaped once more.

use gatelog_record::{AccessRecord, json};

use crate::json_record;

/// - Whatever the value is, the record is kept, and survives being written.
/// - What is kept of the value is the text of a JSON object.
/// - Nothing in the value becomes a field that it may not fill.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let quoted = serde_json::Value::String(text.clone().into_owned()).to_string();
    for value in [quoted.as_str(), text.as_ref()] {
        let item = format!(r#"{{"method":"M","ai_log":{value},"path":"/p"}}"#);
        json_record::check(item.as_bytes());
        let Ok((record, _)) = json::read(&item) else {
            assert_ne!(value, quoted, "a string costs no record");
            continue;
        };
        if value == quoted {
            holds(&record);
        }
    }
}

fn holds(record: &AccessRecord<'_>) {
    assert_eq!(record.method.as_deref(), Some("M"));
    assert_eq!(record.path.as_deref(), Some("/p"));
    assert_eq!(record.response_code, None);
    if let Some(kept) = &record.ai_log {
        let object = serde_json::from_str::<&serde_json::value::RawValue>(kept);
        let is_object = object.is_ok_and(|raw| raw.get().starts_with('{'));
        assert!(is_object, "kept as ai_log: {kept}");
    }
}
