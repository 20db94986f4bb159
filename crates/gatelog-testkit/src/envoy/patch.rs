//! A change of the connection manager, as an Istio `EnvoyFilter` with `operation: MERGE` makes it.
//!
//! **Shape.** Istio merges protobuf messages; here the same is done to their JSON form: a field that is
//! a message is merged, a list is appended to, everything else is replaced. Keys are compared in
//! `snake_case`, as a field may also be written in `camelCase`.
//!
//! **Limits.** A `json_format` is a map and not a message, but its keys are compared like the others.

use serde_json::{Map, Value};

/// Merges `patch` into `target`.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                match target.get_mut(&snake_case(key)) {
                    Some(there) => merge(there, value),
                    None => drop(target.insert(snake_case(key), normal(value))),
                }
            }
        }
        (Value::Array(target), Value::Array(patch)) => target.extend(patch.iter().map(normal)),
        (target, patch) => *target = normal(patch),
    }
}

/// The same with all keys in `snake_case`.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (snake_case(key), normal(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        other => other.clone(),
    }
}

fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len());
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_merged_lists_appended_and_the_rest_replaced() {
        let mut target = json!({
            "name": "old",
            "typed_config": {"@type": "T", "access_log": [{"name": "first"}], "kept": 1},
        });
        merge(
            &mut target,
            &json!({
                "name": "new",
                "typed_config": {"@type": "T", "accessLog": [{"typedConfig": {}}], "more": {"a": 1}},
            }),
        );
        assert_eq!(
            target,
            json!({
                "name": "new",
                "typed_config": {
                    "@type": "T",
                    "access_log": [{"name": "first"}, {"typed_config": {}}],
                    "kept": 1,
                    "more": {"a": 1},
                },
            })
        );
    }
}
