//! What gatelog is and what plugins it has: `/`, `/plugins/enabled`, `/schemas/plugins`.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::config::plugins::{Kind, schema};

/// The version of Kong whose Admin API this is.
const KONG: &str = "3.10.0";

/// `GET /`: enough for clients that look at the version and at whether there is a database.
pub(super) fn root(read_only: bool) -> Value {
    let available: Map<String, Value> = Kind::NAMES
        .into_iter()
        .map(|name| (name.to_owned(), Value::Bool(true)))
        .collect();
    json!({
        "tagline": "gatelog: Kong's Admin API for log plugins, and nothing else of Kong",
        "version": KONG,
        "gatelog": {"version": env!("CARGO_PKG_VERSION")},
        "configuration": {"database": if read_only { "off" } else { "gatelog" }},
        "plugins": {"available_on_server": available, "enabled_in_cluster": Kind::NAMES},
    })
}

/// `GET /plugins/enabled`
pub(super) fn enabled() -> Value {
    json!({"enabled_plugins": Kind::NAMES})
}

/// `GET /schemas/plugins/NAME`
pub(super) fn of_plugin(name: &str) -> Result<Value, Problem> {
    if !Kind::NAMES.contains(&name) {
        let text = format!("No plugin named '{name}'");
        return Err(Problem::message(axum::http::StatusCode::NOT_FOUND, text));
    }
    let config = schema::described(schema::fields(name));
    let foreign = |list: &str| json!({"type": "foreign", "reference": list});
    Ok(json!({
        "entity_checks": [],
        "fields": [
            {"protocols": {
                "type": "set",
                "elements": {"type": "string", "one_of": crate::config::plugins::PROTOCOLS},
                "default": ["grpc", "grpcs", "http", "https"],
            }},
            {"service": foreign("services")},
            {"route": foreign("routes")},
            {"consumer": foreign("consumers")},
            {"config": {"type": "record", "required": true, "fields": config}},
        ],
    }))
}
