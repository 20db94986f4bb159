//! The admin listener: what changes a running gatelog.
//!
//! | | |
//! |---|---|
//! | `GET /runtime` | the runtime keys: their values, and what of the filter reads them |
//! | `PATCH /runtime` | a JSON object of keys and values; `null` unsets one. All of them or none |
//!
//! ```text
//! {"runtime":{"log.sampled":{"value":20,"read_by":[
//!     {"place":"filter.or_filter.filters[1].runtime_filter","default":{"denominator":"HUNDRED","numerator":50}}]}}}
//! ```
//!
//! Both answer with the keys. Errors have the form of Kong's Admin API: `{"message": …}`, and where a
//! value is refused `name`, `fields` and `code` beside it.
//!
//! **Limits.** [`BODY_BYTES`] for a body.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::json;
use crate::runtime_keys::{ChangeError, RuntimeKeys};
use crate::selection::reads::Read;

/// Bytes of a body.
const BODY_BYTES: usize = 1 << 20;

/// What the handlers work with.
#[derive(Debug)]
pub struct Admin {
    /// The runtime keys.
    pub keys: RuntimeKeys,
    /// What reads them.
    pub reads: Vec<Read>,
}

/// What answers the requests of the admin listener.
pub fn router(admin: Arc<Admin>) -> Router {
    let not_found = || async { message(StatusCode::NOT_FOUND, "Not found") };
    let not_allowed = || async { message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed") };
    Router::new()
        .route("/runtime", get(show).patch(change))
        .method_not_allowed_fallback(not_allowed)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(admin)
}

async fn show(State(admin): State<Arc<Admin>>) -> Response {
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

async fn change(State(admin): State<Arc<Admin>>, body: Result<Bytes, BytesRejection>) -> Response {
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

fn message(status: StatusCode, message: &str) -> Response {
    json(status, json!({"message": message}).to_string())
}
