//! A resource against the schema of its definition, as strictly as `kubectl apply`.
//!
//! **Limits.** The part of `OpenAPI` that `testdata/istio` uses; another keyword is a panic, so that none
//! is passed over.

use serde_json::Value;

/// What is wrong with `value`: place and reason.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults
}

fn check(schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    for (keyword, argument) in schema.as_object().unwrap() {
        let wrong = match keyword.as_str() {
            "type" => !is(value, argument.as_str().unwrap()),
            "enum" => !argument.as_array().unwrap().contains(value),
            "minLength" => {
                let length = value.as_str().map_or(0, |text| text.chars().count());
                (length as u64) < argument.as_u64().unwrap()
            }
            "required" => {
                let names = argument.as_array().unwrap();
                names
                    .iter()
                    .any(|name| value.get(name.as_str().unwrap()).is_none())
            }
            // Below.
            "items"
            | "properties"
            | "additionalProperties"
            | "x-kubernetes-preserve-unknown-fields" => false,
            other => panic!("{other} is not checked"),
        };
        if wrong {
            faults.push(format!("{place}: {keyword} {argument}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], item, &format!("{place}/{index}"), faults);
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{name}");
        let known = schema.pointer(&format!("/properties/{name}"));
        if let Some(schema) = known.or(schema.get("additionalProperties")) {
            check(schema, field, &place, faults);
        } else if schema["x-kubernetes-preserve-unknown-fields"] != true {
            faults.push(format!("{place}: unknown"));
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("{other} is not checked"),
    }
}
