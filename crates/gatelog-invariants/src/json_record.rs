//! `gatelog_record::json`: one object.

use gatelog_record::{AccessRecord, DecodeError, Field, Flaws, Kind, json};
use serde_json::value::RawValue;

use crate::wire;

/// - The reader never panics and never says that the object ends behind its text.
/// - What it takes is JSON, and what it calls no JSON is none, as `serde_json` sees it.
/// - What was read and written again reads the same, and is written the same; so in the journal's
///   form.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (next, end) = json::read_next(&text);
    assert!(end <= text.len());
    // Of text that is no JSON it is only how far was read.
    let is_json = !matches!(next, Err(DecodeError::Syntax(_)));
    assert!(
        !is_json || text.is_char_boundary(end),
        "the object ends at {end}"
    );
    let whole = json::read(&text);
    agrees(&text, &whole);
    if let Ok((record, _)) = &whole {
        assert_eq!(next.as_ref().map(|(record, _)| record), Ok(record));
        survives(record);
    }
}

fn agrees(text: &str, read: &Result<(AccessRecord<'_>, Flaws), DecodeError>) {
    match read {
        Ok(_) => {
            let oracle = serde_json::from_str::<&RawValue>(text);
            assert!(oracle.is_ok(), "{oracle:?}");
        }
        Err(DecodeError::Syntax(reason)) => {
            // The tree, as it minds an escape that is half a character; so do keys here.
            let oracle = serde_json::from_str::<serde_json::Value>(text);
            assert!(oracle.is_err(), "it is JSON, in spite of: {reason}");
        }
        Err(_) => {}
    }
}

/// Written and read again it is the same.
pub(crate) fn survives(record: &AccessRecord<'_>) {
    let mut text = String::new();
    json::write(record, &mut text);
    assert!(!text.contains(['\n', '\r']), "more than one line: {text:?}");
    let oracle = serde_json::from_str::<&RawValue>(&text);
    assert!(oracle.is_ok(), "{oracle:?}: {text}");
    // A record whose every field said "nothing" is an object without a key.
    if text != "{}" {
        let again = match json::read(&text) {
            Ok((again, _)) => again,
            Err(error) => panic!("{error}: {text}"),
        };
        for &field in Field::ALL {
            // Line breaks between the tokens are not kept.
            if field.kind() != Kind::Json {
                assert_eq!(again.get(field), record.get(field), "{field:?} in {text}");
            }
        }
        let mut text_again = String::new();
        json::write(&again, &mut text_again);
        assert_eq!(text_again, text);
    }
    wire::survives(record);
}
