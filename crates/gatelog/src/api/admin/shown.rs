//! A plugin as answers show it: every field, every default, secrets masked.

use serde_json::{Map, Value, json};

use super::mask::mask;
use super::scope::Kind;
use crate::config::plugins::{Kong, Plugin, schema};

/// Protocols of a plugin that names none.
const PROTOCOLS: [&str; 4] = ["grpc", "grpcs", "http", "https"];

/// What is shown of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// A mask.
    Masked,
    /// All, as `?secrets=true` asks for.
    Shown,
}

/// The plugin as Kong shows one.
pub(super) fn plugin(kong: &Kong, plugin: &Plugin, secrets: Secrets) -> Value {
    let written = plugin.written();
    let name = plugin.kind().name();
    let empty = Map::new();
    let config = written.get("config").and_then(Value::as_object);
    let mut config = schema::shown(schema::fields(name), config.unwrap_or(&empty));
    if secrets == Secrets::Masked {
        mask(schema::fields(name), &mut config);
    }
    let field = |name: &str| written.get(name).cloned().unwrap_or_default();
    let or = |name: &str, default: Value| written.get(name).cloned().unwrap_or(default);
    let reference = |kind: Kind| kind.shown(kong, kind.of(plugin));
    json!({
        "id": field("id"),
        "name": name,
        "instance_name": field("instance_name"),
        "created_at": field("created_at"),
        "updated_at": field("updated_at"),
        "service": reference(Kind::Service),
        "route": reference(Kind::Route),
        "consumer": reference(Kind::Consumer),
        "config": config,
        "protocols": or("protocols", json!(PROTOCOLS)),
        "enabled": or("enabled", Value::Bool(true)),
        "tags": field("tags"),
    })
}
