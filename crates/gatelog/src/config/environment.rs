//! Laying the environment over a configuration.

use serde_json::Value;

use super::{Config, ConfigError, Secret};

const PREFIX: &str = "GATELOG_";

/// The configuration with the environment's values in place of its own.
///
/// A variable's value is taken as text where its key is a text, and else as YAML: `5`, `true` and
/// `{a: 1}` are what they look like.
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
            "PORT" if !value.is_empty() => port = Some(value),
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
        // What else the file says of it holds.
        config.store.mysql.get_or_insert_default().dsn = Secret::from(dsn);
    }
    keys.sort();
    keys.into_iter()
        .try_fold(config, |config, (name, value)| set(&config, &name, &value))
}

/// The configuration with one key set by its environment form.
fn set(config: &Config, name: &str, value: &str) -> Result<Config, ConfigError> {
    let wrong = |problem: String| ConfigError::Variable {
        name: name.to_owned(),
        problem: without_value(&problem, name),
    };
    let tree = serde_json::to_value(config).map_err(|error| wrong(error.to_string()))?;
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let with = |value: Value| serde_json::from_value::<Config>(put(tree.clone(), &path, value));
    // A text is taken as it is: a password may well hold what means something in YAML.
    let as_text = with(Value::String(value.to_owned()));
    let found = match serde_saphyr::from_str(value) {
        Ok(value) => as_text.or_else(|_| with(value)),
        Err(_) => as_text,
    };
    found.map_err(|error| wrong(error.to_string()))
}

/// The message without what it shows of the value, whole, escaped or in pieces: it may be a secret, and
/// whoever set it knows it.
fn without_value(message: &str, name: &str) -> String {
    let key = name.rsplit("__").next().unwrap_or(name).to_lowercase();
    let key = key.strip_prefix("gatelog_").unwrap_or(&key);
    match message.rsplit_once(", expected ") {
        Some((found, _)) if found == format!("unknown field `{key}`") => message.to_owned(),
        Some((_, expected)) => format!("expected {expected}"),
        None if message.starts_with("missing field") => message.to_owned(),
        None if message.contains(['"', '`', '\'']) => "its value is not understood".to_owned(),
        None => message.to_owned(),
    }
}

/// The tree with the value at this path, whose levels are joined by two underscores.
fn put(mut tree: Value, path: &str, value: Value) -> Value {
    let (key, rest) = path.split_once("__").unwrap_or((path, ""));
    if !tree.is_object() {
        tree = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(keys) = &mut tree {
        let inner = keys.remove(key).unwrap_or_default();
        let inner = if rest.is_empty() {
            value
        } else {
            put(inner, rest, value)
        };
        keys.insert(key.to_owned(), inner);
    }
    tree
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
    fn texts_are_taken_as_they_are_and_other_keys_stay_as_they_were() {
        let config = Config {
            ingest: super::super::Ingest {
                max_body_bytes: bytesize::ByteSize::b(1_536_001),
                ..super::super::Ingest::default()
            },
            ..Config::default()
        };
        let dsn = "u:p #w{@tcp(h)/d";
        let variables = [("GATELOG_STORE__MYSQL__DSN".to_owned(), dsn.to_owned())];
        let changed = overlay(config.clone(), variables).unwrap();
        assert_eq!(changed.store.mysql.as_ref().unwrap().dsn.reveal(), dsn);
        let store = config.store.clone();
        assert_eq!(Config { store, ..changed }, config);
    }

    #[test]
    fn a_wrong_value_is_not_shown_as_it_may_be_a_secret() {
        for value in [
            "u:secret@tcp(h)/d",
            "u:secret: word@tcp(h)/d",
            "u:\"secret@tcp(h)/d",
            "{dsn: {secret: x}}",
            "{dsn: x, secret: y}",
        ] {
            let error = with(&[("GATELOG_STORE__MYSQL", value)]).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = with(&[("GATELOG_JOURNAL__MAX_BYTES", "5 secret")]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn what_would_be_right_is_shown() {
        let error = |name, value| with(&[(name, value)]).unwrap_err().to_string();
        assert!(error("GATELOG_JOURNAL__SYNC", "x").contains("expected `fsync` or `none`"));
        assert!(error("GATELOG_JOURNAL__SYNK", "x").contains("unknown field `synk`, expected"));
        assert!(error("GATELOG_JOURNAL__MAX_BYTES", "much").contains("such as 64MiB"));
        assert!(error("GATELOG_LISTEN", ":8080").contains("such as 0.0.0.0:8080"));
        assert!(error("GATELOG_COMPAT__EMPTY_STRINGS", "maybe").contains("true or false"));
        assert!(error("GATELOG_STORE__MYSQL__BATCH_RECORDS", "5k").contains("a whole number"));
        let error = error("GATELOG_STORE__MYSQL__RETENTION", "secret");
        assert!(
            error.contains("30d") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn a_dsn_from_the_environment_leaves_what_the_file_says_of_its_store() {
        let file = super::super::parse("store: {mysql: {retention: 30d}}").unwrap();
        let variables = [
            ("MYSQL_DSN", "a:b@tcp(c)/d"),
            // Before the DSN in the order of names.
            ("GATELOG_STORE__MYSQL__A", ""),
            ("GATELOG_STORE__MYSQL__TLS_CA", "/etc/ca.pem"),
        ];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let without = |left_out: &str| {
            let owned = owned.iter().filter(|(name, _)| name != left_out).cloned();
            overlay(file.clone(), owned)
        };
        assert!(without("MYSQL_DSN").is_err());
        let mysql = without("GATELOG_STORE__MYSQL__A").unwrap().store.mysql;
        let mysql = mysql.unwrap();
        assert_eq!(mysql.dsn.reveal(), "a:b@tcp(c)/d");
        assert_eq!(mysql.retention.unwrap().to_string(), "30d");
        assert_eq!(mysql.tls_ca.unwrap().to_str(), Some("/etc/ca.pem"));
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
