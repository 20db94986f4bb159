//! Secrets in bodies, whatever these are.
//!
//! **Shape.** JSON and NDJSON by the paths ([`json`](crate::json)); server-sent events line by line,
//! what stands behind `data:` as JSON; where an event has several such lines, the last keys of the paths
//! count in all of them wherever they stand. In any other text nobody knows what a path means: from the first
//! place on where one of the paths' last keys stands, the text is masked (a line of server-sent
//! events: the line). Then, in all of them, URLs and forms.
//!
//! **Limits.** What a body holds in another encoding is not seen: compressed bytes, base 64, JSON in a
//! string of JSON.

use crate::edits::Edits;
use crate::replacement::MASK;
use crate::rules::Rules;
use crate::unit::unit;
use crate::url::{self, Form};
use crate::{json, rules};

/// Fields of server-sent events. <https://html.spec.whatwg.org/multipage/server-sent-events.html>
const EVENT_FIELDS: [&str; 5] = ["data:", "event:", "id:", "retry:", ":"];

/// What ends a stream of events of an LLM: no JSON, and no secret.
const DONE: &str = "[DONE]";

/// The body without its secrets; `None` when it has none.
pub(crate) fn redact(body: &str, rules: &Rules) -> Option<String> {
    let found = by_paths(body, rules);
    let text = found.as_deref().unwrap_or(body);
    let form = if is_form(text) {
        Form::Url { authority: false }
    } else {
        Form::Prose
    };
    url::redact(text, rules, form).or(found)
}

/// As [`redact`], of JSON.
pub(crate) fn redact_json(text: &str, rules: &Rules) -> Option<String> {
    let found = (!rules.paths.is_empty()).then(|| json::redact(text, rules));
    let found = found.flatten();
    let text = found.as_deref().unwrap_or(text);
    url::redact(text, rules, Form::Prose).or(found)
}

/// As [`redact_json`], also by the names of headers and parameters, wherever they are keys.
pub(crate) fn redact_members(text: &str, rules: &Rules) -> Option<String> {
    let found = json::redact_named(text, rules);
    let text = found.as_deref().unwrap_or(text);
    url::redact(text, rules, Form::Prose).or(found)
}

fn by_paths(body: &str, rules: &Rules) -> Option<String> {
    if rules.paths.is_empty() {
        return None;
    }
    let begin = body.trim_ascii_start();
    if is_json(begin) {
        json::redact(body, rules)
    } else if EVENT_FIELDS.iter().any(|field| begin.starts_with(field)) {
        events(body, rules)
    } else {
        other(body, rules)
    }
}

fn is_json(begin: &str) -> bool {
    begin.starts_with(['{', '[', '"'])
}

/// Whether it may be `application/x-www-form-urlencoded`. It should have no blanks, but begins with a
/// parameter also where nobody has encoded them (`curl -d`).
fn is_form(text: &str) -> bool {
    let text = text.trim_ascii();
    let name = text.bytes().position(url::ends_name);
    let begins_with_parameter =
        name.is_some_and(|at| at > 0 && text.as_bytes().get(at) == Some(&b'='));
    !is_json(text)
        && (begins_with_parameter || !text.contains(|char: char| char.is_ascii_whitespace()))
}

fn events(body: &str, rules: &Rules) -> Option<String> {
    let mut edits = Edits::of(body);
    let mut begin = 0;
    let is_torn = has_data_of_several_lines(body);
    for line in body.split_inclusive(['\n', '\r']) {
        let text = line.trim_end_matches(['\n', '\r']);
        let data = text.strip_prefix("data:").unwrap_or(text);
        let found = match data.trim_ascii() {
            DONE => None,
            data if is_json(data) && is_torn => json::redact_part(data, rules),
            data if is_json(data) => json::redact(data, rules),
            data => other(data, rules),
        };
        if let Some(by) = found {
            let at = begin + text.len() - data.trim_ascii_start().len();
            edits.replace(at..begin + text.trim_ascii_end().len(), &by);
        }
        begin += line.len();
    }
    edits.finish()
}

/// Whether an event has several lines of data: then a line need not be a whole document.
fn has_data_of_several_lines(body: &str) -> bool {
    let mut was_data = false;
    for line in body.lines() {
        let is_data = line.starts_with("data:");
        if is_data && was_data && line.trim_start_matches("data:").trim_ascii() != DONE {
            return true;
        }
        was_data = is_data || (was_data && !line.trim_ascii().is_empty());
    }
    false
}

/// A text that is no JSON.
fn other(text: &str, rules: &Rules) -> Option<String> {
    if rules.nameless && !text.is_empty() {
        return Some(MASK.to_owned());
    }
    let bytes = text.as_bytes();
    let (mut at, mut word) = (0, 0);
    let mut found = None;
    while let Some(unit) = unit(bytes, at, true) {
        if !is_of_word(unit.byte) {
            if is_key(bytes, word, at, rules) {
                found = Some(word);
                break;
            }
            word = at + unit.len;
        }
        at += unit.len;
    }
    if found.is_none() && is_key(bytes, word, bytes.len(), rules) {
        found = Some(word);
    }
    let begin = found?;
    let mut edits = Edits::of(text);
    edits.replace(begin..text.len(), MASK);
    edits.finish()
}

fn is_key(bytes: &[u8], begin: usize, end: usize, rules: &rules::Rules) -> bool {
    bytes
        .get(begin..end)
        .is_some_and(|word| !word.is_empty() && rules.is_leaf(word))
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$' | b'%') || !byte.is_ascii()
}
