//! Services, routes and consumers, as a Kong file has them.
//!
//! **Shape.** One type for all three, by its [`Is`]: what they may be called, what they hold, and the
//! other keys that Kong knows. Those are kept, and mean nothing here: gatelog is no gateway.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Plugin, Reference};

/// What an entity is.
pub trait Is: Clone + PartialEq + fmt::Debug {
    /// The list it stands in.
    const LIST: &'static str;
    /// The keys under which it is named, the one that people use first.
    const NAMES: &'static [&'static str];
    /// Every key that it may have.
    const KEYS: &'static [&'static str];
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route;

/// A consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer;

impl Is for Service {
    const LIST: &'static str = "services";
    const NAMES: &'static [&'static str] = &["name", "id"];
    const KEYS: &'static [&'static str] = &[
        "name",
        "id",
        "plugins",
        "routes",
        "url",
        "protocol",
        "host",
        "port",
        "path",
        "retries",
        "connect_timeout",
        "write_timeout",
        "read_timeout",
        "client_certificate",
        "ca_certificates",
        "tls_verify",
        "tls_verify_depth",
        "tls_sans",
        "enabled",
        "tags",
        "created_at",
        "updated_at",
        "_comment",
        "_ignore",
    ];
}

impl Is for Route {
    const LIST: &'static str = "routes";
    const NAMES: &'static [&'static str] = &["name", "id"];
    const KEYS: &'static [&'static str] = &[
        "name",
        "id",
        "plugins",
        "service",
        "protocols",
        "methods",
        "hosts",
        "paths",
        "headers",
        "snis",
        "sources",
        "destinations",
        "expression",
        "priority",
        "regex_priority",
        "strip_path",
        "preserve_host",
        "path_handling",
        "https_redirect_status_code",
        "request_buffering",
        "response_buffering",
        "tags",
        "created_at",
        "updated_at",
        "_comment",
        "_ignore",
    ];
}

impl Is for Consumer {
    const LIST: &'static str = "consumers";
    const NAMES: &'static [&'static str] = &["username", "custom_id", "id"];
    const KEYS: &'static [&'static str] = &[
        "username",
        "custom_id",
        "id",
        "plugins",
        "tags",
        "created_at",
        "updated_at",
        "_comment",
        "_ignore",
    ];
}

/// Kong's top-level lists of other things, and of what belongs to consumers. They are passed over, and
/// nothing of them is kept: there are secrets among it.
pub const IGNORED_LISTS: &[&str] = &[
    "acls",
    "basicauth_credentials",
    "ca_certificates",
    "certificates",
    "clustering_data_planes",
    "consumer_groups",
    "consumer_group_consumers",
    "consumer_group_plugins",
    "custom_entities",
    "degraphql_routes",
    "filter_chains",
    "hmacauth_credentials",
    "jwt_secrets",
    "key_sets",
    "keyauth_credentials",
    "keyauth_enc_credentials",
    "keys",
    "licenses",
    "mtls_auth_credentials",
    "oauth2_authorization_codes",
    "oauth2_credentials",
    "oauth2_tokens",
    "parameters",
    "partials",
    "plugin_configs",
    "rbac_roles",
    "sm_vaults",
    "snis",
    "tags",
    "targets",
    "upstreams",
    "vaults",
    "workspaces",
];

/// Whether a key of an entity holds what belongs to it in Kong, and means nothing here: credentials of
/// a consumer, the groups it is in, filters of a service.
pub fn is_credential(key: &str) -> bool {
    const ASIDE: [&str; 5] = [
        "acls",
        "groups",
        "jwt_secrets",
        "consumer_group_consumers",
        "filter_chains",
    ];
    ASIDE.contains(&key) || key.ends_with("_credentials") || key.starts_with("oauth2_")
}

/// The keys that entities of this list may have.
pub fn known_keys(list: &str) -> &'static [&'static str] {
    match list {
        Service::LIST => Service::KEYS,
        Route::LIST => Route::KEYS,
        Consumer::LIST => Consumer::KEYS,
        _ => &[],
    }
}

/// Entities of one kind.
pub type Entities<K> = Vec<Entity<K>>;

/// A service, a route or a consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity<K: Is> {
    /// Everything but the plugins and routes within it.
    keys: Map<String, Value>,
    /// The plugins for it.
    pub plugins: Vec<Plugin>,
    /// Of a service.
    pub routes: Vec<Entity<Route>>,
    /// Of a route: its service.
    pub service: Option<Reference>,
    kind: PhantomData<K>,
}

impl<K: Is> Entity<K> {
    /// What it may be called: its names and its id, the one that people use first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        K::NAMES
            .iter()
            .filter_map(|key| self.keys.get(*key)?.as_str())
    }

    /// Everything that was written of it but the plugins and routes within it, and its service.
    pub fn keys(&self) -> &Map<String, Value> {
        &self.keys
    }

    /// Sets what is not there yet.
    pub(super) fn complete(&mut self, key: &str, value: impl Into<Value>) {
        let value_there = self.keys.get(key).is_some_and(|value| !value.is_null());
        if !value_there {
            self.keys.insert(key.to_owned(), value.into());
        }
    }
}

impl<K: Is> Serialize for Entity<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        if !self.plugins.is_empty() {
            map.serialize_entry("plugins", &self.plugins)?;
        }
        if !self.routes.is_empty() {
            map.serialize_entry("routes", &self.routes)?;
        }
        if let Some(service) = &self.service {
            map.serialize_entry("service", service)?;
        }
        map.end()
    }
}

impl<'de, K: Is> Deserialize<'de> for Entity<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<K>(PhantomData<K>);

impl<'de, K: Is> Visitor<'de> for Keys<K> {
    type Value = Entity<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of the {}: a mapping", K::LIST)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entity<K>, A::Error> {
        let mut entity = Entity {
            keys: Map::new(),
            plugins: Vec::new(),
            routes: Vec::new(),
            service: None,
            kind: PhantomData,
        };
        while let Some(key) = map.next_key::<String>()? {
            if is_credential(&key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if !K::KEYS.contains(&key.as_str()) {
                return Err(A::Error::unknown_field(&key, K::KEYS));
            }
            match key.as_str() {
                "plugins" => entity.plugins = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "routes" => entity.routes = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "service" => entity.service = map.next_value()?,
                name if K::NAMES.contains(&name) => {
                    if let Some(text) = map.next_value::<Option<String>>()? {
                        if text.is_empty() {
                            return Err(A::Error::custom(format!(
                                "{key}: length must be at least 1"
                            )));
                        }
                        entity.keys.insert(key, Value::String(text));
                    }
                }
                _ => {
                    let value = map.next_value::<Value>()?;
                    entity.keys.insert(key, value);
                }
            }
        }
        Ok(entity)
    }
}

/// A list, or nothing.
pub(in crate::config) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}
