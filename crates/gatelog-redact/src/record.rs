//! Where in a record secrets stand.
//!
//! **Shape.** Each field by what it holds. Headers by their names, and the URLs in the others' values.
//! Bodies and `ai_log` by the paths and for URLs; the columns that are copied from `ai_log` with it.
//! Any other text for URLs: most come from the client, and whoever writes one with a secret in it has
//! not asked which column it belongs to.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Field, Headers, Kind, Slot};

use crate::body;
use crate::rules::Rules;
use crate::url::{self, Form};

/// Redacts the record in place; says whether something was.
pub(crate) fn apply(rules: &Rules, record: &mut AccessRecord<'_>) -> bool {
    let mut any = false;
    for &field in Field::ALL {
        any |= match (field.kind(), record.slot(field)) {
            (Kind::Text, Slot::Text(slot)) => text(rules, field, slot),
            (Kind::Json, Slot::Json(slot)) => json(rules, field, slot),
            (Kind::Headers, Slot::Headers(slot)) => headers(rules, slot),
            _ => false,
        };
    }
    if record.ai_log.is_some() {
        for &field in &rules.promoted {
            any |= promoted(rules, record.slot(field));
        }
    }
    any
}

fn text(rules: &Rules, field: Field, slot: &mut Option<Cow<'_, str>>) -> bool {
    let Some(value) = slot.as_deref() else {
        return false;
    };
    let redacted = match field {
        Field::RequestBody | Field::ResponseBody => body::redact(value, rules),
        _ => {
            let authority = matches!(field, Field::Path | Field::Authority);
            url::redact(value, rules, Form::Url { authority })
        }
    };
    put(slot, redacted)
}

fn json(rules: &Rules, field: Field, slot: &mut Option<Cow<'_, str>>) -> bool {
    let Some(value) = slot.as_deref() else {
        return false;
    };
    let redacted = match field {
        Field::AiLog => body::redact_json(value, rules),
        _ => url::redact(value, rules, Form::Prose),
    };
    put(slot, redacted)
}

/// Puts what is left in the place of a text. One that has nothing left is absent.
fn put(slot: &mut Option<Cow<'_, str>>, redacted: Option<String>) -> bool {
    let Some(text) = redacted else {
        return false;
    };
    let is_nothing = text.is_empty() || text == "-";
    *slot = (!is_nothing).then_some(Cow::Owned(text));
    true
}

fn headers(rules: &Rules, headers: &mut Headers<'_>) -> bool {
    let mut any = false;
    headers.edit(|name, value| {
        let by = match rules.header(name, value) {
            Some(Cow::Borrowed(same)) if same == value.as_ref() => return true,
            Some(by) => by.into_owned(),
            None => {
                any = true;
                return false;
            }
        };
        any = true;
        *value = Cow::Owned(by);
        true
    });
    any
}

/// A column that holds what a path finds in `ai_log`.
fn promoted(rules: &Rules, slot: Slot<'_, '_>) -> bool {
    match slot {
        Slot::Text(slot) => {
            let Some(value) = slot.as_deref() else {
                return false;
            };
            let by = rules.how.of(value.as_bytes());
            put(slot, Some(by.unwrap_or_default().into_owned()))
        }
        // A number has no room for anything else.
        Slot::Integer(slot) => slot.take().is_some(),
        _ => false,
    }
}

/// Whether the value of this header may begin with a host, and so with a user.
pub(crate) fn holds_authority(name: &str) -> bool {
    [":path", ":authority", "host"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}
