//! How records reach the collector: the keys that one worker has once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ConfigError;
use super::section::Section;
use crate::level::Level;

/// The keys of [`Delivery`].
pub(super) const KEYS: [&str; 11] = [
    "collector_service_name",
    "collector_port",
    "collector_cluster",
    "collector_path",
    "collector_token",
    "collector_headers",
    "timeout_ms",
    "batch",
    "queue",
    "instance_id",
    "log_level",
];

/// How records reach the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Service of the collector, as the gateway's registry names it (`gatelog.static`). Required
    /// unless `collector_cluster` is set.
    pub collector_service_name: Option<String>,
    /// Its port, 1 to 65535. Required unless `collector_cluster` is set.
    pub collector_port: Option<u16>,
    /// Envoy cluster of the collector. Default `outbound|PORT||NAME` of the two keys above.
    pub collector_cluster: Option<String>,
    /// Path that batches are posted to. Default `/ingest`.
    pub collector_path: String,
    /// Sent as `authorization: Bearer …` with each batch. Default none.
    pub collector_token: Option<String>,
    /// More headers for each batch, by name. Default none.
    pub collector_headers: BTreeMap<String, String>,
    /// How long to wait for the collector's answer, in milliseconds, 1 to 600000. Default 5000.
    pub timeout_ms: u32,
    /// When a batch is full.
    pub batch: BatchConfig,
    /// How much may wait.
    pub queue: QueueConfig,
    /// The `instance_id` of every record. Default what the node says: its metadata `POD_NAME`, else its
    /// id.
    pub instance_id: Option<String>,
    /// The least important lines that are logged: `trace`, `debug`, `info`, `warn`, `error`. Default
    /// `info`.
    pub log_level: Level,
}

/// When a batch is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Records, 1 to 10000. Default 50; 1 sends single objects instead of arrays.
    pub max_records: u32,
    /// Bytes of JSON, 1024 to 33554432 (the collector's default limit). Default 262144. A larger
    /// record travels alone.
    pub max_bytes: usize,
    /// How long a record waits for others at most, in milliseconds, 20 to 60000. Default 1000.
    pub flush_interval_ms: u32,
}

/// How much may wait in one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Bytes of JSON, waiting and in flight, from `batch.max_bytes` to 1073741824. Default 8388608.
    /// When it is full, the oldest batch that waits is dropped and counted.
    pub max_bytes: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            collector_service_name: None,
            collector_port: None,
            collector_cluster: None,
            collector_path: "/ingest".to_owned(),
            collector_token: None,
            collector_headers: BTreeMap::new(),
            timeout_ms: 5000,
            batch: BatchConfig::default(),
            queue: QueueConfig::default(),
            instance_id: None,
            log_level: Level::Info,
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_records: 50,
            max_bytes: 256 << 10,
            flush_interval_ms: 1000,
        }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { max_bytes: 8 << 20 }
    }
}

impl Delivery {
    /// Reads the keys that are there; `place` stands before each in an error.
    pub(super) fn read(members: Map<String, Value>, place: &str) -> Result<Self, ConfigError> {
        let mut section = Section::of(members, place, &KEYS)?;
        let default = Self::default();
        Ok(Self {
            collector_service_name: in_header(&mut section, "collector_service_name")?,
            collector_port: section.number("collector_port", 1..=65535)?,
            collector_cluster: in_header(&mut section, "collector_cluster")?,
            collector_path: path(&mut section)?.unwrap_or(default.collector_path),
            collector_token: in_header(&mut section, "collector_token")?,
            collector_headers: headers(&mut section)?,
            timeout_ms: section
                .number("timeout_ms", 1..=600_000)?
                .unwrap_or(default.timeout_ms),
            batch: BatchConfig::read(&mut section)?.unwrap_or(default.batch),
            queue: QueueConfig::read(&mut section)?.unwrap_or(default.queue),
            instance_id: in_header(&mut section, "instance_id")?,
            log_level: level(&mut section)?.unwrap_or(default.log_level),
        })
    }

    /// Checks what only the whole can be asked.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.collector_cluster.is_none() {
            if self.collector_service_name.is_none() {
                return Err(ConfigError::Missing("collector_service_name"));
            }
            if self.collector_port.is_none() {
                return Err(ConfigError::Missing("collector_port"));
            }
        }
        if self.queue.max_bytes < self.batch.max_bytes {
            return Err(ConfigError::OutOfRange {
                key: "queue.max_bytes".to_owned(),
                found: self.queue.max_bytes as u64,
                min: self.batch.max_bytes as u64,
                max: QueueConfig::MOST_BYTES,
            });
        }
        Ok(())
    }

    /// The Envoy cluster that batches go to.
    pub fn cluster(&self) -> String {
        match &self.collector_cluster {
            Some(cluster) => cluster.clone(),
            None => format!(
                "outbound|{}||{}",
                self.collector_port.unwrap_or_default(),
                self.authority()
            ),
        }
    }

    /// The `:authority` of the calls.
    pub fn authority(&self) -> &str {
        self.collector_service_name.as_deref().unwrap_or("gatelog")
    }
}

impl BatchConfig {
    fn read(section: &mut Section) -> Result<Option<Self>, ConfigError> {
        const KEYS: [&str; 3] = ["max_records", "max_bytes", "flush_interval_ms"];
        let Some(mut section) = section.section("batch", &KEYS)? else {
            return Ok(None);
        };
        let default = Self::default();
        Ok(Some(Self {
            max_records: section
                .number("max_records", 1..=10_000)?
                .unwrap_or(default.max_records),
            max_bytes: section
                .number("max_bytes", 1024..=32 << 20)?
                .unwrap_or(default.max_bytes),
            flush_interval_ms: section
                .number("flush_interval_ms", 20..=60_000)?
                .unwrap_or(default.flush_interval_ms),
        }))
    }
}

impl QueueConfig {
    const MOST_BYTES: u64 = 1 << 30;

    fn read(section: &mut Section) -> Result<Option<Self>, ConfigError> {
        let Some(mut section) = section.section("queue", &["max_bytes"])? else {
            return Ok(None);
        };
        let max_bytes = section.number("max_bytes", 1024..=Self::MOST_BYTES)?;
        Ok(max_bytes.map(|max_bytes| Self { max_bytes }))
    }
}

fn path(section: &mut Section) -> Result<Option<String>, ConfigError> {
    let path = section.text("collector_path")?;
    match &path {
        Some(path) if !path.starts_with('/') || !is_header_value(path) => {
            Err(section.wrong("collector_path", "must begin with `/`"))
        }
        _ => Ok(path),
    }
}

fn headers(section: &mut Section) -> Result<BTreeMap<String, String>, ConfigError> {
    const KEY: &str = "collector_headers";
    let members = match section.value(KEY) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(section.wrong(KEY, "must be an object")),
    };
    let header = |(name, value): (String, Value)| {
        let wrong = |problem| Err(section.wrong(&format!("{KEY}.{name}"), problem));
        if !is_header_name(&name) {
            return wrong("is no name of a header");
        }
        match value {
            Value::String(value) if is_header_value(&value) => Ok((name, value)),
            Value::String(_) => wrong(UNFIT),
            _ => wrong("must be a text"),
        }
    };
    members.into_iter().map(header).collect()
}

fn level(section: &mut Section) -> Result<Option<Level>, ConfigError> {
    const KEY: &str = "log_level";
    let Some(name) = section.text(KEY)? else {
        return Ok(None);
    };
    let level = match name.as_str() {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => {
            let problem = "must be `trace`, `debug`, `info`, `warn` or `error`";
            return Err(section.wrong(KEY, problem));
        }
    };
    Ok(Some(level))
}

const UNFIT: &str = "is empty or holds control characters";

/// A text that goes into a header.
fn in_header(section: &mut Section, key: &str) -> Result<Option<String>, ConfigError> {
    let text = section.text(key)?;
    match &text {
        Some(text) if !is_header_value(text) => Err(section.wrong(key, UNFIT)),
        _ => Ok(text),
    }
}

/// Names of headers as HTTP/2 takes them, without the pseudo-headers.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(
            |byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.'),
        )
}

fn is_header_value(value: &str) -> bool {
    !value.is_empty() && !value.bytes().any(|byte| byte.is_ascii_control())
}
