//! Kong's entities in the configuration: which plugins there are, and for which requests.
//!
//! **Shape.** As in Kong's declarative file: `plugins` at the top level, or within `services`,
//! `routes` and `consumers`. A [`Plugin`] is what all plugins have ([`Written`]), and its settings by
//! its name ([`Kind`]). [`instances`] puts all of them together, each with its scope and the name of
//! its output. [`Keys`] reads settings and gathers what is wrong with them, for every plugin alike.
//!
//! ```text
//! file ─► Plugin (Kind::read) ─► Kong ─► instances() ─► output::configured
//! ```
//!
//! **A new plugin** is a variant of [`Kind`] with a module that reads its settings here, and an
//! output that is made of them in `output::configured`.
//!
//! **Failure.** What is not known is an error: keys, names of plugins, words. It names the plugin, the
//! field and what is allowed, in Kong's words where it has some. Values are not shown: they may be
//! secrets.

mod delivery;
mod entity;
mod file_log;
mod flat;
mod http_log;
mod instances;
mod keys;
mod log_json;
mod loggly;
mod queue;
mod reference;
pub mod schema;
mod severity;
mod tls;
mod vault;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::delivery::Delivery;
pub(super) use self::entity::list;
pub use self::entity::{Consumer, Entities, Entity, Route, Service};
pub use self::entity::{IGNORED_LISTS, is_credential, known_keys};
pub use self::file_log::{FileLog, Line, template};
pub use self::http_log::{Destination, DestinationError, HttpLog};
pub use self::instances::{Instance, ItemError, instances};
pub use self::keys::{FieldProblem, Keys};
pub use self::log_json::LogJson;
pub use self::loggly::{Framing, KeyError, Loggly, Token, Transport};
pub use self::queue::{MOST_CONCURRENT, Queue};
pub use self::reference::Reference;
pub use self::severity::{Severities, Severity};
pub use self::vault::{Referable, VaultError};

/// Protocols that Kong's plugins may name. They are kept and mean nothing here.
pub(crate) const PROTOCOLS: [&str; 10] = [
    "grpc",
    "grpcs",
    "http",
    "https",
    "tcp",
    "tls",
    "tls_passthrough",
    "udp",
    "ws",
    "wss",
];

/// Kong's entities: all that says what is sent on where.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Kong {
    /// Services, with their plugins and routes.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub services: Entities<Service>,
    /// Routes, with their plugins.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub routes: Entities<Route>,
    /// Consumers, with their plugins.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub consumers: Entities<Consumer>,
    /// The plugins that stand in none of these.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

/// One plugin.
#[derive(Clone, Deserialize, Serialize, PartialEq)]
#[serde(try_from = "Written", into = "Written")]
pub struct Plugin {
    written: Written,
    kind: Kind,
}

/// A plugin as it is written.
#[derive(Clone, Default, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocols: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Value>,
    #[serde(rename = "_comment", skip_serializing_if = "Option::is_none")]
    comment: Option<Value>,
    #[serde(rename = "_ignore", skip_serializing_if = "Option::is_none")]
    ignore: Option<Value>,
    /// Only `null`: it would be for fewer requests than gatelog could tell.
    #[serde(skip_serializing)]
    consumer_group: Option<Value>,
    /// Of Kong Enterprise, and of Kong 1.x. Without a meaning here, and not kept.
    #[serde(skip_serializing)]
    ordering: Option<serde::de::IgnoredAny>,
    #[serde(skip_serializing)]
    run_on: Option<serde::de::IgnoredAny>,
}

/// The settings of a plugin, by its name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// `file-log`
    FileLog(FileLog),
    /// `http-log`
    HttpLog(Box<HttpLog>),
    /// `loggly`
    Loggly(Box<Loggly>),
}

/// Why a plugin cannot be used. The operator mends what it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{name}`: {}", joined(.problems))]
pub struct PluginError {
    /// The plugin's name, or a blank.
    pub name: String,
    /// What is wrong with its fields, at least one.
    pub problems: Vec<FieldProblem>,
}

fn joined(problems: &[FieldProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Kind {
    /// The names of all plugins.
    pub const NAMES: [&'static str; 3] = [FileLog::NAME, HttpLog::NAME, Loggly::NAME];

    /// The plugin's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FileLog(_) => FileLog::NAME,
            Self::HttpLog(_) => HttpLog::NAME,
            Self::Loggly(_) => Loggly::NAME,
        }
    }

    fn read(name: &str, mut keys: Keys) -> Result<Self, Vec<FieldProblem>> {
        if name == FileLog::NAME {
            let read = FileLog::read(&mut keys);
            return keys.end(read).map(Self::FileLog);
        }
        if name == HttpLog::NAME {
            let read = HttpLog::read(&mut keys);
            return keys.end(read).map(|read| Self::HttpLog(Box::new(read)));
        }
        if name == Loggly::NAME {
            let read = Loggly::read(&mut keys).map(Box::new);
            return keys.end(read).map(Self::Loggly);
        }
        let known = Self::NAMES.join(", ");
        let text = format!("there is no such plugin; expected one of: {known}");
        Err(vec![FieldProblem::new("name", text)])
    }
}

impl TryFrom<Written> for Plugin {
    type Error = PluginError;

    fn try_from(written: Written) -> Result<Self, PluginError> {
        let name = written.name.clone().unwrap_or_default();
        let wrong = |problems| PluginError {
            name: name.clone(),
            problems,
        };
        if name.is_empty() {
            return Err(wrong(vec![FieldProblem::required("name")]));
        }
        let config = Keys::new("config", written.config.clone().unwrap_or_default());
        let kind = Kind::read(&name, config).map_err(wrong)?;
        let mut problems = Vec::new();
        let mut protocols = written.protocols.iter().flatten();
        if protocols.any(|protocol| !PROTOCOLS.contains(&protocol.as_str())) {
            let text = format!("expected one of: {}", PROTOCOLS.join(", "));
            problems.push(FieldProblem::new("protocols", text));
        }
        if written.consumer_group.is_some() {
            let text = "value must be null: gatelog knows no consumer groups";
            problems.push(FieldProblem::new("consumer_group", text));
        }
        let texts = [
            ("instance_name", &written.instance_name),
            ("id", &written.id),
        ];
        for (field, text) in texts {
            if text.as_ref().is_some_and(String::is_empty) {
                problems.push(FieldProblem::new(field, "length must be at least 1"));
            }
        }
        if problems.is_empty() {
            Ok(Self { written, kind })
        } else {
            Err(wrong(problems))
        }
    }
}

impl From<Plugin> for Written {
    fn from(plugin: Plugin) -> Self {
        plugin.written
    }
}

impl Plugin {
    /// Its settings.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether it runs.
    pub fn enabled(&self) -> bool {
        self.written.enabled.unwrap_or(true)
    }

    /// Its id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.written.id.as_deref()
    }

    /// All that was written of it: its secrets, too.
    pub fn written(&self) -> Map<String, Value> {
        match serde_json::to_value(&self.written) {
            Ok(Value::Object(written)) => written,
            // Its parts are texts, lists and values.
            _ => Map::new(),
        }
    }

    /// The name that tells it from others of the same scope.
    pub fn instance_name(&self) -> Option<&str> {
        self.written.instance_name.as_deref()
    }

    /// What it names as its service, its route and its consumer.
    pub fn references(&self) -> [Option<&Reference>; 3] {
        let Written {
            service,
            route,
            consumer,
            ..
        } = &self.written;
        [service.as_ref(), route.as_ref(), consumer.as_ref()]
    }
}

/// Without its settings, which may hold secrets.
impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.kind.name())
            .field("instance_name", &self.instance_name())
            .field("references", &self.references())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
