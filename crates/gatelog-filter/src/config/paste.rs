//! Finding the filter in what was pasted.

use serde_json::Value;

use super::message::Place;
use super::{AccessLogFilter, ConfigError, MAX_DEPTH};

/// Reads the filter of a document: the filter itself, an access logger's entry (`filter:`), a list of
/// these, a connection manager, a whole `EnvoyFilter`.
///
/// # Errors
/// There is no filter in it, or more than one, or it is refused.
pub fn from_pasted(document: &Value) -> Result<AccessLogFilter, ConfigError> {
    let is_filter = |key: &String| key.ends_with("_filter") || key.ends_with("Filter");
    let is_plain = match document {
        Value::Object(object) => object.keys().any(is_filter),
        _ => false,
    };
    if is_plain {
        return AccessLogFilter::from_json(document);
    }
    let mut found = Vec::new();
    // The document may itself be an entry or a list of entries.
    entries(document, &Place::root(), &mut found);
    below(document, &Place::root(), 0, &mut found);
    match found.as_slice() {
        [(value, place)] => super::kinds::filter(value, place, 0),
        [] => Err(Place::root().error(
            "no access log filter in it: expected a filter, or `filter` in an entry of `access_log`",
        )),
        [(_, first), (_, second), ..] => {
            let places = format!("{first}{second}");
            let problem = format!("more than one filter in it ({}); give one", places.trim());
            Err(Place::root().error(problem))
        }
    }
}

fn entries<'v>(value: &'v Value, place: &Place, found: &mut Vec<(&'v Value, Place)>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                entries(element, &place.element(index), found);
            }
        }
        Value::Object(object) => {
            if let Some(filter) = object.get("filter").filter(|filter| filter.is_object()) {
                found.push((filter, place.key("filter")));
            }
        }
        _ => {}
    }
}

fn below<'v>(value: &'v Value, place: &Place, depth: usize, found: &mut Vec<(&'v Value, Place)>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                below(element, &place.element(index), depth + 1, found);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                let place = place.key(key);
                if key == "access_log" || key == "accessLog" {
                    entries(value, &place, found);
                } else {
                    below(value, &place, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}
