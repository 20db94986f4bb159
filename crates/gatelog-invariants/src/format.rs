//! The text of a format, as somebody wrote it into a configuration.

use gatelog_format::{FormatError, Template};
use gatelog_record::{AccessRecord, Timestamp, standard};

/// - Any text is a format or an error at one of its bytes.
/// - What compiles renders any record; a JSON format gives JSON.
/// - The reader of a format takes any line without a panic.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let full = standard::record(7, Timestamp::from_millis(1_774_231_801_217));
    for (compiled, is_json) in [
        (Template::text(&text), false),
        (Template::json(&text), true),
    ] {
        let template = match compiled {
            Ok(template) => template,
            Err(error) => {
                is_within(&error, &text);
                continue;
            }
        };
        template.unanswerable();
        for omit in [false, true] {
            let template = template.clone().omit_empty_values(omit);
            for record in [&AccessRecord::default(), &full] {
                renders(&template, record, is_json);
            }
        }
    }
}

fn is_within(error: &FormatError, text: &str) {
    let place = error.text().unwrap_or(text);
    assert!(error.position() <= place.len(), "{error}");
    assert!(place.is_char_boundary(error.position()), "{error}");
}

fn renders(template: &Template, record: &AccessRecord<'_>, is_json: bool) {
    let mut line = b"before".to_vec();
    template.render(record, &mut line);
    assert!(line.starts_with(b"before"), "the buffer was changed");
    let line = line.strip_prefix(b"before").unwrap_or_default();
    if is_json {
        let read = serde_json::from_slice::<serde_json::Value>(line);
        assert!(read.is_ok_and(|value| value.is_object()), "no JSON object");
    }
    if let Ok(reader) = template.reader()
        && let Err(error) = reader.read(line)
    {
        assert!(error.position() <= line.len(), "{error}");
    }
}
