//! What is answered where something is wrong: the bodies of Kong's Admin API.
//!
//! **Shape.** Simple ones are `{"message": …}`; the others have `code` and `name` beside it, and where
//! fields are wrong `fields`, nested as the entity is.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::api::json;
use crate::config::plugins::FieldProblem;

/// Where what is wrong with no single field stands among `fields`.
pub(super) const ENTITY: &str = "@entity";

/// An answer to a request that was not done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// An answer that is only a message.
pub(super) fn message(status: StatusCode, message: &str) -> Response {
    json(status, json!({"message": message}).to_string())
}

impl Problem {
    /// Only a message.
    pub(super) fn message(status: StatusCode, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self {
            status,
            body: json!({"message": message}),
        }
    }

    pub(super) fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not found")
    }

    /// 400, only a message.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::message(StatusCode::BAD_REQUEST, message)
    }

    /// What is wrong with fields, at least one.
    pub(super) fn schema(problems: &[FieldProblem]) -> Self {
        let mut texts: Vec<_> = problems
            .iter()
            .map(|problem| {
                // What is wrong with the whole comes first, and has no name.
                let is_entity = problem.field == ENTITY;
                let text = if is_entity {
                    problem.text.clone()
                } else {
                    problem.to_string()
                };
                (!is_entity, text)
            })
            .collect();
        texts.sort();
        let texts: Vec<_> = texts.into_iter().map(|(_, text)| text).collect();
        let named = match texts.len() {
            1 => "schema violation".to_owned(),
            number => format!("{number} schema violations"),
        };
        let message = format!("{named} ({})", texts.join("; "));
        Self::coded(2, &message, Some(fields(problems)))
    }

    /// The id is another entity's.
    pub(super) fn id_taken(id: &str) -> Self {
        let key = json!({"id": id});
        let message = format!("primary key violation on key '{}'", lua(&key));
        Self::coded(3, &message, Some(key))
    }

    /// These fields are together another entity's.
    pub(super) fn not_unique(fields: Value) -> Self {
        let message = format!("UNIQUE violation detected on '{}'", lua(&fields));
        Self::coded(5, &message, Some(fields))
    }

    /// The offset is none that was given out.
    pub(super) fn offset(offset: &str) -> Self {
        let message = format!("'{offset}' is not a valid offset: bad base64 encoding");
        Self::coded(7, &message, None)
    }

    /// The size of a page is none.
    pub(super) fn size(message: &str) -> Self {
        Self::coded(9, message, None)
    }

    /// An option is none.
    pub(super) fn option(name: &str, text: &str) -> Self {
        let message = format!("invalid option ({name}: {text})");
        let mut problem = Self::coded(11, &message, None);
        if let Value::Object(body) = &mut problem.body {
            body.insert("options".to_owned(), json!({name: text}));
        }
        problem
    }

    /// Entities are read-only.
    pub(super) fn unsupported(what: &str) -> Self {
        let message = format!("cannot {what} when not using a database");
        Self::coded(12, &message, None)
    }

    /// A declarative configuration is none.
    pub(super) fn declarative(fields: Value) -> Self {
        let message = format!("declarative config is invalid: {}", lua(&fields));
        Self::coded(14, &message, Some(fields))
    }

    fn coded(code: u8, message: &str, fields: Option<Value>) -> Self {
        let (status, name) = match code {
            2 => (StatusCode::BAD_REQUEST, "schema violation"),
            3 => (StatusCode::BAD_REQUEST, "primary key violation"),
            5 => (StatusCode::CONFLICT, "unique constraint violation"),
            7 => (StatusCode::BAD_REQUEST, "invalid offset"),
            9 => (StatusCode::BAD_REQUEST, "invalid size"),
            11 => (StatusCode::BAD_REQUEST, "invalid options"),
            12 => (StatusCode::METHOD_NOT_ALLOWED, "operation unsupported"),
            _ => (StatusCode::BAD_REQUEST, "invalid declarative configuration"),
        };
        let mut body = json!({"code": code, "name": name, "message": message});
        if let (Some(fields), Value::Object(body)) = (fields, &mut body) {
            body.insert("fields".to_owned(), fields);
        }
        Self { status, body }
    }

    /// As an answer.
    pub(super) fn response(&self) -> Response {
        json(self.status, self.body.to_string())
    }
}

/// Problems by their fields, nested. Where a field and a part of it are both wrong, what is wrong with
/// the field stands as its `@entity`.
pub(super) fn fields(problems: &[FieldProblem]) -> Value {
    let mut fields = Map::new();
    for problem in problems {
        let mut parts = problem.field.split('.').peekable();
        let mut into = &mut fields;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                put(into, part, &problem.text);
                break;
            }
            let inner = into.entry(part).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({ENTITY: [inner.take()]});
            }
            let Value::Object(inner) = inner else { break };
            into = inner;
        }
    }
    Value::Object(fields)
}

fn put(fields: &mut Map<String, Value>, name: &str, text: &str) {
    match fields.get_mut(name) {
        Some(Value::Object(inner)) => put(inner, ENTITY, text),
        Some(Value::Array(texts)) => texts.push(Value::from(text)),
        Some(_) => {}
        None if name == ENTITY => {
            fields.insert(name.to_owned(), json!([text]));
        }
        None => {
            fields.insert(name.to_owned(), Value::from(text));
        }
    }
}

/// A value as a Lua table, as Kong's messages show one.
pub(super) fn lua(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let parts = object.iter().map(|(key, value)| {
                let is_word = key.bytes().enumerate().all(|(at, byte)| {
                    byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
                });
                if is_word && !key.is_empty() {
                    format!("{key}={}", lua(value))
                } else {
                    format!("[{}]={}", Value::from(key.as_str()), lua(value))
                }
            });
            let parts: Vec<_> = parts.collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(array) => {
            let is_sparse = array.iter().any(Value::is_null);
            let parts = array.iter().enumerate();
            let parts = parts.filter(|(_, value)| !value.is_null());
            let parts = parts.map(|(at, value)| {
                let value = lua(value);
                if is_sparse {
                    format!("[{}]={value}", at + 1)
                } else {
                    value
                }
            });
            let parts: Vec<_> = parts.collect();
            format!("{{{}}}", parts.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_fields_are_told_sorted_and_nested() {
        let one = [FieldProblem::required("config.http_endpoint")];
        let expected = json!({
            "code": 2,
            "name": "schema violation",
            "message": "schema violation (config.http_endpoint: required field missing)",
            "fields": {"config": {"http_endpoint": "required field missing"}},
        });
        assert_eq!(Problem::schema(&one).body, expected);
        let several = [
            FieldProblem::required("config.http_endpoint"),
            FieldProblem::new("config.a", "unknown field"),
            FieldProblem::new(ENTITY, "together wrong"),
            FieldProblem::new("config", "not this"),
        ];
        let body = Problem::schema(&several).body;
        let message = "4 schema violations (together wrong; config.a: unknown field; \
                       config.http_endpoint: required field missing; config: not this)";
        assert_eq!(body["message"], message);
        let expected = json!({
            "@entity": ["together wrong"],
            "config": {
                "@entity": ["not this"],
                "a": "unknown field",
                "http_endpoint": "required field missing",
            },
        });
        assert_eq!(body["fields"], expected);
        let turned = [
            FieldProblem::new("config", "not this"),
            FieldProblem::new("config.a", "unknown field"),
        ];
        let expected = json!({"config": {"@entity": ["not this"], "a": "unknown field"}});
        assert_eq!(fields(&turned), expected);
    }

    #[test]
    fn tables_are_shown_as_kong_shows_them() {
        for (value, expected) in [
            (
                json!({"consumer": null, "name": "http-log", "route": null, "service": {"id": "x"}}),
                "{consumer=null,name=\"http-log\",route=null,service={id=\"x\"}}",
            ),
            (
                json!({"plugins": [null, {"a-b": "c"}]}),
                "{plugins={[2]={[\"a-b\"]=\"c\"}}}",
            ),
            (json!({"a": ["x", 1, true]}), "{a={\"x\",1,true}}"),
            (json!({}), "{}"),
        ] {
            assert_eq!(lua(&value), expected);
        }
    }
}
