//! The configuration. Its reference for people is `docs/configuration.md`, which a test holds to these
//! types.
//!
//! **Shape.** A YAML file, then the environment, then the flags of the command line; each wins over
//! the one before. Every key of the file has an environment form: `GATELOG_`, the path in capitals,
//! levels joined by two underscores (`GATELOG_JOURNAL__MAX_BYTES`). `PORT` and `MYSQL_DSN` work as
//! in the Go db-log-collector.
//!
//! **Invariants.** An unknown key is an error that names it and its line.

mod address;
mod admin;
mod age;
mod environment;
mod file;
mod filter;
mod number;
mod passed_over;
pub mod plugins;
mod size;
mod source;
mod switch;

pub use address::parse_address;
pub use admin::{AdminListen, parse_admin_listen};
pub use age::{Age, AgeError};
pub use environment::overlay;
pub(crate) use file::without_values;
pub use file::{ConfigError, FORMAT_VERSIONS, check, load, parse};
pub use source::{FileSource, Source, Start};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bytesize::ByteSize;
use gatelog_filter::{AccessLogFilter, SampleConfig};
use gatelog_redact::Redact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::plugins::{Entities, Kong, Plugin};

/// The configuration of `gatelog serve`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// As in a Kong declarative file: `1.1`, `2.1` or `3.0`; otherwise not used.
    #[serde(rename = "_format_version", skip_serializing_if = "Option::is_none")]
    pub format_version: Option<String>,
    /// As in a Kong declarative file; accepted and not used.
    #[serde(rename = "_transform", skip_serializing_if = "Option::is_none")]
    pub transform: Option<bool>,
    /// As in a Kong declarative file; accepted and not used.
    #[serde(rename = "_comment", skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Address of the data listener: ingestion, queries, health. Default `0.0.0.0:8080`.
    #[serde(deserialize_with = "address::deserialize")]
    pub listen: SocketAddr,
    /// Address of the admin listener, which changes what is kept: runtime keys. `off` goes without.
    /// Default `127.0.0.1:8001`.
    #[schemars(with = "String")]
    pub admin_listen: AdminListen,
    /// Directory of the journal, the lake and the dead letters. One process at a time may use it.
    /// Default `./gatelog-data`.
    pub data_dir: PathBuf,
    /// The durable log.
    pub journal: Journal,
    /// Where records are kept. Default: the lake.
    pub store: Stores,
    /// Which store answers queries when there are two. Default `mysql`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_store: Option<StoreName>,
    /// What is read beside `POST /ingest`: log files that are followed. Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What a sender may send.
    pub ingest: Ingest,
    /// Records that a store will never take.
    pub dead_letter: DeadLetter,
    /// Which records are kept: Envoy's `AccessLogFilter`, also in an `EnvoyFilter`. Default all.
    #[serde(
        deserialize_with = "filter::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub filter: Option<AccessLogFilter>,
    /// Which part of those is kept, and what is kept all the same. Default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleConfig>,
    /// What is kept out of everything that is written, besides what always is.
    pub redact: Redact,
    /// Services, with their plugins and routes. They need not be here for a plugin to name them.
    #[serde(
        deserialize_with = "plugins::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub services: Entities<plugins::Service>,
    /// Routes, with their plugins.
    #[serde(
        deserialize_with = "plugins::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub routes: Entities<plugins::Route>,
    /// Consumers, with their plugins.
    #[serde(
        deserialize_with = "plugins::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub consumers: Entities<plugins::Consumer>,
    /// Where records are sent on, as Kong's plugins do it.
    #[serde(
        deserialize_with = "plugins::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub plugins: Vec<Plugin>,
    /// What holds for all outputs.
    pub outputs: Outputs,
    /// Older forms of answers, for readers that depend on them.
    pub compat: Compat,
    /// The log of gatelog itself.
    pub log: Log,
}

impl Config {
    /// Kong's entities of the file.
    pub fn kong(&self) -> Kong {
        Kong {
            services: self.services.clone(),
            routes: self.routes.clone(),
            consumers: self.consumers.clone(),
            plugins: self.plugins.clone(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            format_version: None,
            transform: None,
            comment: None,
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            admin_listen: AdminListen::default(),
            data_dir: PathBuf::from("./gatelog-data"),
            journal: Journal::default(),
            store: Stores::default(),
            query_store: None,
            sources: Vec::new(),
            ingest: Ingest::default(),
            dead_letter: DeadLetter::default(),
            filter: None,
            sample: None,
            redact: Redact::default(),
            services: Vec::new(),
            routes: Vec::new(),
            consumers: Vec::new(),
            plugins: Vec::new(),
            outputs: Outputs::default(),
            compat: Compat::default(),
            log: Log::default(),
        }
    }
}

/// The durable log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Bytes it may take on disk, at least 64 MiB. At the cap `POST /ingest` answers 503 until the
    /// stores have caught up. Default `10GiB`.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub max_bytes: ByteSize,
    /// Bytes of the disk that it leaves free. With less, `POST /ingest` answers 503 until there is
    /// room: the stores need some to take what waits. Default `256MiB`; `0` takes all there is.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub reserve_bytes: ByteSize,
    /// What an acknowledgement waits for. Default `fsync`.
    pub sync: Sync,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            max_bytes: ByteSize::gib(10),
            reserve_bytes: ByteSize::mib(256),
            sync: Sync::Fsync,
        }
    }
}

/// What an acknowledgement waits for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// Until the disk has the record.
    Fsync,
    /// Until the kernel has it. Unsafe: acknowledged records are lost when the machine fails.
    None,
}

/// Where records are kept. Each of those named is used; with none named the lake is.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Stores {
    /// The embedded store, below `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lake: Option<Lake>,
    /// MySQL or MariaDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<Mysql>,
}

/// The embedded store.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Lake {}

/// MySQL or MariaDB.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Mysql {
    /// Go's form: `user:password@tcp(host:3306)/database?charset=utf8mb4`. Needed, here or in
    /// `MYSQL_DSN`.
    pub dsn: Secret,
    /// As soon as so many records wait they are written, in one transaction of up to 4 MiB. From 1;
    /// default 5000.
    #[serde(deserialize_with = "number::deserialize")]
    #[schemars(range(min = 1))]
    pub batch_records: u64,
    /// However few records wait, they wait no longer than so many milliseconds for others to be written
    /// with. From 0 to 10000; default 200.
    #[serde(deserialize_with = "number::deserialize")]
    #[schemars(range(max = 10_000))]
    pub batch_delay_ms: u64,
    /// Connections that write large batches at a time, where that helps: where the server loads rows
    /// over several connections beside each other (`innodb_autoinc_lock_mode=2`, as MySQL 8 has it).
    /// From 1 to 8; default 2.
    #[schemars(range(min = 1, max = 8))]
    pub connections: u8,
    /// File (PEM) with the certificates of those who may vouch for the server, and nobody else. With it
    /// the connection is encrypted and checked unless the DSN's `tls` says otherwise. Default: the
    /// public authorities, with `tls=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca: Option<PathBuf>,
    /// How long rows are kept, from `1h` to `36500d`: a whole number with `m`, `h`, `d` or `w`. It
    /// counts from the time of receipt where the table has one (`receive_time`, `created_at`), else
    /// from `start_time`. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub retention: Option<Age>,
}

impl Default for Mysql {
    fn default() -> Self {
        Self {
            dsn: Secret::default(),
            batch_records: 5000,
            batch_delay_ms: 200,
            connections: 2,
            tls_ca: None,
            retention: None,
        }
    }
}

/// A text that is never printed.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, to be used and not to be printed.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The name of a store.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum StoreName {
    /// The embedded store.
    Lake,
    /// MySQL or MariaDB.
    Mysql,
}

/// What a sender may send.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Ingest {
    /// The largest body; beyond it 413. Default `32MiB`.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub max_body_bytes: ByteSize,
    /// The largest body after decompression; beyond it 413. Default `128MiB`.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub max_decompressed_bytes: ByteSize,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            max_body_bytes: ByteSize::mib(32),
            max_decompressed_bytes: ByteSize::mib(128),
        }
    }
}

/// Records that a store will never take.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetter {
    /// Bytes they may take on disk; beyond it they are dropped and counted. Default `1GiB`.
    #[serde(with = "size")]
    #[schemars(with = "String")]
    pub max_bytes: ByteSize,
}

impl Default for DeadLetter {
    fn default() -> Self {
        Self {
            max_bytes: ByteSize::gib(1),
        }
    }
}

/// What holds for all outputs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Outputs {
    /// Outputs send to public addresses only: not to the own machine (loopback), nor to its
    /// neighbours (link-local, private networks), whatever a name leads to. Default false.
    #[serde(deserialize_with = "switch::deserialize")]
    pub deny_private: bool,
}

/// Older forms of answers.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Compat {
    /// `GET /query` shows absent texts as "" and absent numbers as 0, as the Go db-log-collector
    /// does. Default false: `null`.
    #[serde(deserialize_with = "switch::deserialize")]
    pub empty_strings: bool,
}

/// The log of gatelog itself, on standard error.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least level that is written. Default `info`.
    pub level: Level,
    /// How a line looks. Default `text`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            format: LogFormat::Text,
        }
    }
}

/// A level of the log.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for people: time, level, message, fields.
    Text,
    /// One JSON object a line.
    Json,
}
