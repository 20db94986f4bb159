//! From the body of `POST /config` to one value.

use serde_json::{Value, json};

use crate::api::admin::body::Sent;
use crate::api::admin::problem::Problem;
use crate::config;

/// Levels of what is sent at most.
pub(super) const DEEPEST: usize = 64;

/// What was sent: raw, as an object, or as a text in `config`.
pub(super) fn read(sent: Sent) -> Result<Value, Problem> {
    let nothing = || Problem::bad("expected a declarative configuration");
    let value = match sent {
        Sent::Nothing => return Err(nothing()),
        Sent::Yaml(text) => of_text(&text)?,
        Sent::Form(form) => of_text(form.text("config").ok_or_else(nothing)?)?,
        Sent::Object(object) => match object.get("config") {
            Some(Value::String(text)) if object.len() == 1 => of_text(text)?,
            _ => Value::Object(object),
        },
    };
    if !value.is_object() {
        return Err(nothing());
    }
    if depth(&value) > DEEPEST {
        return Err(Problem::declarative(
            json!({"error": "it is nested too deeply"}),
        ));
    }
    Ok(value)
}

/// The value of a text in YAML, and so of one in JSON. What is told of an error shows nothing of the
/// text: there may be secrets in it.
fn of_text(text: &str) -> Result<Value, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::bad("expected a declarative configuration"));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let place = config::without_values(&error.to_string());
        let text = format!("failed parsing declarative configuration: {place}");
        Problem::declarative(json!({"error": text}))
    })
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(array) => array.iter().map(depth).max(),
        Value::Object(object) => object.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or_default()
}
