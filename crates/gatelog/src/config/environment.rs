//! Laying the environment over a configuration.

use serde_json::Value;

use super::{Config, ConfigError, Secret};

const PREFIX: &str = "GATELOG_";

/// The configuration with the environment's values in place of its own.
///
/// A variable's value is read as YAML, so `5`, `true` and `{a: 1}` are what they look like.
/// Variables that Kubernetes makes for a Service named gatelog are let be: `GATELOG_PORT*` and
/// `GATELOG_SERVICE_*`.
///
/// # Errors
/// [`ConfigError::Variable`] names the variable.
pub fn overlay(
    config: Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut config = config;
    let mut keys: Vec<(String, String)> = Vec::new();
    let (mut port, mut dsn) = (None, None);
    for (name, value) in variables {
        match name.as_str() {
            "PORT" => port = Some(value),
            "MYSQL_DSN" if !value.is_empty() => dsn = Some(value),
            _ if name.starts_with("GATELOG_PORT") || name.starts_with("GATELOG_SERVICE_") => {}
            _ if name.starts_with(PREFIX) => keys.push((name, value)),
            _ => {}
        }
    }
    if let Some(port) = port {
        let number = port.parse().map_err(|_| ConfigError::Variable {
            name: "PORT".to_owned(),
            problem: format!("{port:?} is not a port (0 to 65535)"),
        })?;
        config.listen.set_port(number);
    }
    if let Some(dsn) = dsn {
        config.store.mysql = Some(super::Mysql {
            dsn: Secret::from(dsn),
        });
    }
    keys.sort();
    keys.into_iter()
        .try_fold(config, |config, (name, value)| set(&config, &name, &value))
}

/// The configuration with one key set by its environment form.
fn set(config: &Config, name: &str, value: &str) -> Result<Config, ConfigError> {
    let wrong = |problem: String| ConfigError::Variable {
        name: name.to_owned(),
        problem,
    };
    let value: Value = match serde_saphyr::from_str(value) {
        Ok(value) => value,
        Err(_) => Value::String(value.to_owned()),
    };
    let mut tree = serde_json::to_value(config).map_err(|error| wrong(error.to_string()))?;
    let path = name.trim_start_matches(PREFIX).to_lowercase();
    let mut place = &mut tree;
    for key in path.split("__") {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(keys) = place else {
            return Err(wrong("no such key".to_owned()));
        };
        place = keys.entry(key).or_insert(Value::Null);
    }
    *place = value;
    serde_json::from_value(tree).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let owned = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        overlay(Config::default(), owned)
    }

    #[test]
    fn keys_of_any_depth_are_set() {
        let config = with(&[
            ("GATELOG_LISTEN", "127.0.0.1:9"),
            ("GATELOG_JOURNAL__MAX_BYTES", "1GiB"),
            ("GATELOG_COMPAT__EMPTY_STRINGS", "true"),
            ("GATELOG_STORE__MYSQL__DSN", "u:p@tcp(h)/d"),
            ("GATELOG_STORE__LAKE", "{}"),
        ])
        .unwrap();
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.journal.max_bytes.as_u64(), 1 << 30);
        assert!(config.compat.empty_strings && config.store.lake.is_some());
        assert_eq!(config.store.mysql.unwrap().dsn.reveal(), "u:p@tcp(h)/d");
    }

    #[test]
    fn the_go_collectors_variables_work_and_the_own_form_wins() {
        let config = with(&[("PORT", "9090"), ("MYSQL_DSN", "a:b@tcp(c)/d")]).unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:9090");
        assert_eq!(config.store.mysql.unwrap().dsn.reveal(), "a:b@tcp(c)/d");
        assert!(config.store.lake.is_none());
        let config = with(&[("GATELOG_LISTEN", "127.0.0.1:9"), ("PORT", "9090")]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:9");
    }

    #[test]
    fn what_kubernetes_injects_is_let_be() {
        let config = with(&[
            ("GATELOG_PORT", "tcp://10.0.0.1:80"),
            ("GATELOG_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("GATELOG_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(config.unwrap(), Config::default());
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (name, value) in [
            ("GATELOG_LISTE", "x"),
            ("GATELOG_JOURNAL__MAX_BYTES", "much"),
            ("PORT", "http"),
        ] {
            let error = with(&[(name, value)]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("environment variable {name}: ")),
                "{error}"
            );
        }
    }
}
