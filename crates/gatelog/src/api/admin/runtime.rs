//! `GET` and `PATCH /runtime`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::problem::message;
use super::{Admin, json};
use crate::runtime_keys::ChangeError;

pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Response {
    shown(&admin)
}

fn shown(admin: &Admin) -> Response {
    let mut keys: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (key, value) in admin.keys.runtime().entries() {
        let value = value.map_or(Value::Null, gatelog_filter::RuntimeValue::to_json);
        let read_by: Vec<Value> = admin
            .reads
            .iter()
            .filter(|read| read.key == key)
            .map(|read| json!({"place": read.place, "default": read.default}))
            .collect();
        let shown = [("value", value), ("read_by", Value::Array(read_by))];
        let shown = shown.map(|(name, value)| (name.to_owned(), value));
        keys.insert(key, shown.into_iter().collect());
    }
    json(StatusCode::OK, json!({"runtime": keys}).to_string())
}

pub(super) async fn change(
    State(admin): State<Arc<Admin>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return message(rejection.status(), &rejection.body_text()),
    };
    let changes = match serde_json::from_slice(&body) {
        Ok(Value::Object(changes)) => changes,
        Ok(_) => {
            let expected = "expected a JSON object of runtime keys and their values";
            return message(StatusCode::BAD_REQUEST, expected);
        }
        Err(_) => return message(StatusCode::BAD_REQUEST, "Cannot parse JSON body"),
    };
    let changing = Arc::clone(&admin);
    let number = changes.len();
    // It waits for the disk.
    let changed = tokio::task::spawn_blocking(move || changing.keys.change(&changes)).await;
    match changed {
        Ok(Ok(())) => {
            tracing::info!(keys = number, "runtime keys were changed");
            shown(&admin)
        }
        Ok(Err(ChangeError::Value(error))) => {
            let violation = json!({
                "message": format!("schema violation ({}: {})", error.key, error.problem),
                "name": "schema violation",
                "fields": {error.key: error.problem},
                "code": 2,
            });
            json(StatusCode::BAD_REQUEST, violation.to_string())
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "runtime keys were not changed as asked for");
            message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
        }
        Err(_) => message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occurred",
        ),
    }
}
