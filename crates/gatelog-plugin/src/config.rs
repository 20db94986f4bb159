//! The plugin's configuration, as a `WasmPlugin`'s `pluginConfig` or Envoy's filter gives it.
//!
//! **Shape.** JSON text in, a checked [`Config`] out.
//!
//! **Failure.** An unknown key is an error that names it, at every level: a misspelt key that is
//! passed over is a setting that silently does not hold.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::host::Level;

/// How the plugin works.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Service of the collector, as the gateway's registry names it (`gatelog.static`). Required
    /// unless `collector_cluster` is set.
    pub collector_service_name: Option<String>,
    /// Its port, 1 to 65535. Required unless `collector_cluster` is set.
    pub collector_port: Option<u16>,
    /// Envoy cluster of the collector; by default `outbound|PORT||NAME` of the two keys above.
    pub collector_cluster: Option<String>,
    /// Path that batches are posted to. Default `/ingest`.
    pub collector_path: String,
    /// Sent as `authorization: Bearer …`. Default none.
    pub collector_token: Option<String>,
    /// More headers for each batch, by name. Default none.
    pub collector_headers: BTreeMap<String, String>,
    /// How long to wait for the collector's answer, in milliseconds, 1 to 600000. Default 5000.
    pub timeout_ms: u32,
    /// When a batch is full.
    pub batch: BatchConfig,
    /// How much may wait.
    pub queue: QueueConfig,
    /// The `instance_id` of every record. By default what the node says: its metadata `POD_NAME`,
    /// else its id.
    pub instance_id: Option<String>,
    /// The least important lines that are logged: `trace`, `debug`, `info`, `warn`, `error`. Default
    /// `info`.
    pub log_level: Level,
}

/// When a batch is full.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Bytes of JSON, waiting and in flight, from `batch.max_bytes` to 1073741824. Default 8388608.
    /// When it is full, the oldest batch that waits is dropped and counted.
    pub max_bytes: usize,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No JSON, an unknown key, or a value of the wrong type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A key without which the plugin cannot work.
    #[error("`{0}` is required, unless `collector_cluster` is set")]
    Missing(&'static str),
    /// A number outside its range.
    #[error("`{key}` is {found}; it must be {min} to {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        found: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A text that cannot be used where it goes.
    #[error("`{key}` {problem}")]
    Unusable {
        /// The key.
        key: String,
        /// What is wrong with its value. The value itself may be a secret.
        problem: &'static str,
    },
}

impl Default for Config {
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

impl Config {
    /// Reads and checks a configuration. No text at all counts as `{}`.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let json = if json.trim_ascii().is_empty() {
            b"{}"
        } else {
            json
        };
        let config: Self = serde_json::from_slice(json)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.collector_cluster.is_none() {
            if self.collector_service_name.is_none() {
                return Err(ConfigError::Missing("collector_service_name"));
            }
            if self.collector_port.is_none() {
                return Err(ConfigError::Missing("collector_port"));
            }
        }
        in_range("collector_port", self.collector_port.unwrap_or(1), 1, 65535)?;
        in_range("timeout_ms", self.timeout_ms, 1, 600_000)?;
        in_range("batch.max_records", self.batch.max_records, 1, 10_000)?;
        in_range(
            "batch.max_bytes",
            bytes(self.batch.max_bytes),
            1024,
            32 << 20,
        )?;
        in_range(
            "batch.flush_interval_ms",
            self.batch.flush_interval_ms,
            20,
            60_000,
        )?;
        in_range(
            "queue.max_bytes",
            bytes(self.queue.max_bytes),
            bytes(self.batch.max_bytes),
            1 << 30,
        )?;
        for (key, text) in [
            ("collector_service_name", &self.collector_service_name),
            ("collector_cluster", &self.collector_cluster),
            ("collector_token", &self.collector_token),
            ("instance_id", &self.instance_id),
        ] {
            if let Some(text) = text
                && !is_header_value(text)
            {
                return Err(unusable(key, "is empty or holds control characters"));
            }
        }
        if !self.collector_path.starts_with('/') || !is_header_value(&self.collector_path) {
            return Err(unusable("collector_path", "must begin with `/`"));
        }
        for (name, value) in &self.collector_headers {
            let key = format!("collector_headers.{name}");
            if !is_header_name(name) {
                return Err(unusable(&key, "is no name of a header"));
            }
            if !is_header_value(value) {
                return Err(unusable(&key, "is empty or holds control characters"));
            }
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

fn unusable(key: &str, problem: &'static str) -> ConfigError {
    ConfigError::Unusable {
        key: key.to_owned(),
        problem,
    }
}

fn in_range(
    key: &'static str,
    found: impl Into<u64>,
    min: u64,
    max: u64,
) -> Result<(), ConfigError> {
    let found = found.into();
    if (min..=max).contains(&found) {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange {
            key,
            found,
            min,
            max,
        })
    }
}

fn bytes(number: usize) -> u64 {
    number as u64
}

/// Names of headers as HTTP/2 takes them, without the pseudo-headers.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(
            |byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.'),
        )
}

fn is_header_value(value: &str) -> bool {
    !value.is_empty() && !value.bytes().any(|byte| byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(json: &str) -> String {
        Config::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_two_keys_of_the_reference_plugin_are_enough() {
        let config = Config::parse(
            br#"{"collector_service_name":"collector.static","collector_port":8080}"#,
        )
        .unwrap();
        assert_eq!(config.cluster(), "outbound|8080||collector.static");
        assert_eq!(config.authority(), "collector.static");
        assert_eq!(config.collector_path, "/ingest");
        assert_eq!(config.batch, BatchConfig::default());
    }

    #[test]
    fn a_cluster_may_be_named_outright() {
        let config = Config::parse(br#"{"collector_cluster":"gatelog"}"#).unwrap();
        assert_eq!(config.cluster(), "gatelog");
    }

    #[test]
    fn an_unknown_key_is_named_at_every_level() {
        for (json, key) in [
            (r#"{"capture":{}}"#, "`capture`"),
            (r#"{"_rules_":[]}"#, "`_rules_`"),
            (r#"{"batch":{"max_record":5}}"#, "`max_record`"),
            (r#"{"queue":{"size":5}}"#, "`size`"),
        ] {
            assert!(problem(json).contains(key), "{json}: {}", problem(json));
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_the_name_of_its_key() {
        let with = |more: &str| format!(r#"{{"collector_cluster":"c",{more}}}"#);
        assert!(problem("").contains("collector_service_name"));
        assert!(problem(r#"{"collector_service_name":"x"}"#).contains("collector_port"));
        for (more, key) in [
            (r#""collector_port":0"#, "collector_port"),
            (r#""timeout_ms":0"#, "timeout_ms"),
            (r#""batch":{"max_records":0}"#, "batch.max_records"),
            (
                r#""batch":{"flush_interval_ms":1}"#,
                "batch.flush_interval_ms",
            ),
            (r#""queue":{"max_bytes":1024}"#, "queue.max_bytes"),
            (r#""collector_path":"ingest""#, "collector_path"),
            (r#""collector_token":"a\nb""#, "collector_token"),
            (
                r#""collector_headers":{":path":"/"}"#,
                "collector_headers.:path",
            ),
            (r#""log_level":"loud""#, "loud"),
        ] {
            let problem = problem(&with(more));
            assert!(problem.contains(key), "{more}: {problem}");
        }
    }

    #[test]
    fn a_secret_is_not_in_the_message() {
        assert!(
            !problem(r#"{"collector_cluster":"c","collector_token":"s3cret\n"}"#).contains("s3c")
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            drop(Config::parse(text.as_bytes()));
        }

        #[test]
        fn a_number_out_of_range_is_never_taken(records in any::<u32>(), wait_ms in any::<u32>()) {
            let json = format!(
                r#"{{"collector_cluster":"c","batch":{{"max_records":{records},"flush_interval_ms":{wait_ms}}}}}"#
            );
            let allowed = (1..=10_000).contains(&records) && (20..=60_000).contains(&wait_ms);
            prop_assert_eq!(Config::parse(json.as_bytes()).is_ok(), allowed);
        }
    }
}
