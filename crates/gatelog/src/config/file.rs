//! Reading the file, and what is wrong with it.

use std::path::{Path, PathBuf};

use gatelog_filter::{Filter, Runtime};
use gatelog_redact::Rules;
use gatelog_store::mysql::Dsn;

use super::passed_over::File;
use super::plugins::{ItemError, instances};
use super::{Config, StoreName, environment};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it has to be. The text shows line, column and what is allowed.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A variable of the environment is not what it has to be.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The keys are right one by one, but not together.
    #[error("{key}: {problem}")]
    Value {
        /// The key's path.
        key: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Plugins and what they are for do not fit together.
    #[error("{0}")]
    Plugins(#[from] ItemError),
}

/// Versions of Kong's declarative format.
pub const FORMAT_VERSIONS: [&str; 3] = ["1.1", "2.1", "3.0"];

/// Reads the file (defaults where there is none) and lays the environment over it.
///
/// # Errors
/// [`ConfigError`]; the operator mends what it names.
pub fn load<K, V>(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Config, ConfigError>
where
    K: Into<String>,
    V: Into<String>,
{
    let config = match path {
        None => Config::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?;
            parse(&text).map_err(|problem| ConfigError::File {
                path: path.to_owned(),
                problem,
            })?
        }
    };
    let variables = environment
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
    let config = environment::overlay(config, variables)?;
    check(&config)?;
    Ok(config)
}

/// Reads the text of a file.
///
/// # Errors
/// What is wrong, with line, column and the line itself.
pub fn parse(text: &str) -> Result<Config, String> {
    let only_comments = text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if only_comments {
        return Ok(Config::default());
    }
    let read = serde_saphyr::from_str(text).map(|File(config)| config);
    read.map_err(|error| {
        let message = error.to_string();
        if ["dsn", "mysql", "hash_key", "plugins"]
            .iter()
            .any(|key| text.contains(key))
        {
            without_values(&message)
        } else {
            message
        }
    })
}

/// The message without the lines of the file that it shows, and without what it shows of a value. A
/// secret may stand in any part of these: a line is cut where it is long, and a text may go on for
/// several of them.
pub(crate) fn without_values(message: &str) -> String {
    let is_shown = |line: &str| {
        let number = line.split('|').next().unwrap_or_default();
        line.contains('|')
            && number
                .bytes()
                .all(|byte| matches!(byte, b' ' | b'0'..=b'9'))
    };
    let mut lines = message.lines().take_while(|line| !is_shown(line));
    let headline = lines.next().unwrap_or_default();
    let mut parts = headline.split('"');
    let before = parts.next().unwrap_or_default().to_owned();
    let headline = match parts.next_back() {
        Some(behind) => format!("{before}***{behind}"),
        None => before,
    };
    let place = lines.next().map(|place| format!("\n{place}"));
    headline + &place.unwrap_or_default()
}

/// Checks what no single key can tell.
///
/// # Errors
/// [`ConfigError::Value`].
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let wrong = |key, problem: String| Err(ConfigError::Value { key, problem });
    if let Some(version) = &config.format_version
        && !FORMAT_VERSIONS.contains(&version.as_str())
    {
        let problem = format!("expected one of: {}", FORMAT_VERSIONS.join(", "));
        return wrong("_format_version", problem);
    }
    if config.journal.max_bytes.as_u64() < 64 << 20 {
        return wrong(
            "journal.max_bytes",
            "at least 64MiB, the size of one segment".to_owned(),
        );
    }
    if config.ingest.max_body_bytes.as_u64() == 0 {
        return wrong("ingest.max_body_bytes", "at least one byte".to_owned());
    }
    // A record may be as large as a body, and a frame of the journal has to hold it.
    if config.ingest.max_decompressed_bytes.as_u64() > 255 << 20 {
        return wrong("ingest.max_decompressed_bytes", "at most 255MiB".to_owned());
    }
    if config.ingest.max_body_bytes > config.ingest.max_decompressed_bytes {
        return wrong(
            "ingest.max_body_bytes",
            "at most ingest.max_decompressed_bytes".to_owned(),
        );
    }
    if let Err(error) = Rules::check(&config.redact) {
        return wrong(error.key(), error.to_string());
    }
    if let Some(mysql) = &config.store.mysql {
        if mysql.dsn.reveal().is_empty() {
            return wrong(
                "store.mysql.dsn",
                "missing: it is needed here or in MYSQL_DSN".to_owned(),
            );
        }
        let authorities = mysql.tls_ca.as_deref();
        if let Err(error) = Dsn::parse_trusting(mysql.dsn.reveal(), authorities) {
            return wrong("store.mysql.dsn", error.to_string());
        }
        if !(1..=8).contains(&mysql.connections) {
            return wrong("store.mysql.connections", "from 1 to 8".to_owned());
        }
        if mysql.batch_records == 0 {
            return wrong("store.mysql.batch_records", "at least 1".to_owned());
        }
        if mysql.batch_delay_ms > 10_000 {
            return wrong("store.mysql.batch_delay_ms", "at most 10000".to_owned());
        }
    }
    if let Some(filter) = &config.filter
        && let Err(error) = Filter::compile(filter, &Runtime::default())
    {
        return wrong("filter", error.to_string());
    }
    sources(config)?;
    instances(&config.kong())?;
    let lake = config.store.lake.is_some() || config.store.mysql.is_none();
    match config.query_store {
        Some(StoreName::Mysql) if config.store.mysql.is_none() => {
            wrong("query_store", "mysql is not among the stores".to_owned())
        }
        Some(StoreName::Lake) if !lake => wrong(
            "query_store",
            "the lake is not among the stores: add `store: {lake: {}}`".to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Checks what is read beside `POST /ingest`.
fn sources(config: &Config) -> Result<(), ConfigError> {
    let checks = config.sources.iter().map(|source| source.file.check());
    let checked: Result<(), _> = checks.collect();
    checked.map_err(|(key, problem)| ConfigError::Value { key, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(String, String); 0] = [];

    #[test]
    fn an_empty_file_gives_the_defaults() {
        for text in ["", "# nothing\n\n", "_format_version: \"3.0\"\n"] {
            let config = Config {
                format_version: None,
                ..parse(text).unwrap()
            };
            assert_eq!(config, Config::default(), "{text:?}");
        }
        assert_eq!(load(None, NONE).unwrap(), Config::default());
    }

    #[test]
    fn a_full_file_is_read() {
        let text = "
listen: 127.0.0.1:9090
data_dir: /var/lib/gatelog
journal: { max_bytes: 20GiB, sync: none }
store:
  lake: {}
  mysql: { dsn: \"u:p@tcp(db:3306)/logs\", retention: 26w }
query_store: lake
ingest: { max_body_bytes: 1MiB }
compat: { empty_strings: true }
log: { level: debug, format: json }
";
        let config = parse(text).unwrap();
        assert_eq!(config.journal.max_bytes.as_u64(), 20 << 30);
        assert_eq!(config.journal.sync, super::super::Sync::None);
        assert_eq!(
            config.store.mysql.as_ref().unwrap().dsn.reveal(),
            "u:p@tcp(db:3306)/logs"
        );
        let retention = config.store.mysql.as_ref().unwrap().retention.unwrap();
        assert_eq!(retention.to_string(), "26w");
        assert!(check(&config).is_ok());
        assert!(
            !format!("{config:?}").contains("u:p"),
            "secrets are not printed"
        );
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_what_is_allowed() {
        let error = parse("listen: 0.0.0.0:1\njournal:\n  max_byte: 1GiB\n").unwrap_err();
        for part in ["max_byte", "line 3", "max_bytes"] {
            assert!(error.contains(part), "{part} in: {error}");
        }
    }

    #[test]
    fn a_value_that_is_none_is_shown_with_what_would_be_one() {
        for (text, line, expected) in [
            ("listen: 8080\n", "line 1", "such as 0.0.0.0:8080"),
            (
                "\nlisten: localhost:8080\n",
                "line 2",
                "such as 0.0.0.0:8080",
            ),
            ("journal:\n  max_bytes: much\n", "line 2", "such as 64MiB"),
            ("journal:\n  max_bytes: -1\n", "line 2", "such as 64MiB"),
            ("journal:\n  max_bytes: [1]\n", "line 2", "such as 64MiB"),
            ("journal:\n  sync: always\n", "line 2", "fsync"),
            (
                "compat:\n  empty_strings: maybe\n",
                "line 2",
                "true or false",
            ),
            ("compat:\n  empty_strings: 1\n", "line 2", "true or false"),
            ("log:\n  level: loud\n", "line 2", "debug"),
            (
                "store:\n  mysql:\n    batch_records: 5k\n",
                "line 3",
                "a whole number",
            ),
            (
                "store:\n  mysql:\n    batch_delay_ms: -1\n",
                "line 3",
                "a whole number",
            ),
            (
                "store:\n  mysql:\n    retention: 30\n",
                "line 3",
                "such as 30d",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            let place = line.replace("line ", "<input>:");
            assert!(
                error.contains(line) || error.contains(&place),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_password_is_not_shown_with_the_line_that_is_wrong() {
        for text in [
            "store: { mysql: { dsn: \"u:secret@tcp(db)/logs\", tls: true } }\n",
            "store:\n  mysql:\n    dsn: u:secret@tcp(db)/logs\n    tls: yes\n",
            "store:\n  mysql:\n    dsn: {u: secret}\n",
            "store:\n  mysql: u:secret@tcp(db)/logs\n",
            "store:\n  mysql:\n    dsn: >\n      u:secret@tcp(db)/logs\n    tls: yes\n",
            // Of a long line only the part around the mistake is shown.
            "store:\n  mysql:\n    dsn: u:p@tcp(a-host-with-a-name-that-is-quite-long)/secret?x=y: z\n",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
            assert!(
                error.contains("line ") || error.contains("<input>:"),
                "{error}"
            );
        }
    }

    #[test]
    fn values_that_do_not_fit_together_are_named() {
        let error = |text: &str| check(&parse(text).unwrap()).unwrap_err().to_string();
        assert!(error("journal: {max_bytes: 1MiB}").starts_with("journal.max_bytes: at least"));
        assert!(error("ingest: {max_decompressed_bytes: 1GiB}").contains("at most 255MiB"));
        assert!(error("ingest: {max_body_bytes: 200MiB}").starts_with("ingest.max_body_bytes: "));
        assert!(error("query_store: mysql").starts_with("query_store: mysql is not"));
        let text = "query_store: lake\nstore: {mysql: {dsn: \"u:p@tcp(db)/logs\"}}";
        assert!(error(text).starts_with("query_store: the lake is not"));
        assert!(error("store: {mysql: {dsn: nonsense}}").starts_with("store.mysql.dsn: "));
        let mysql = |more: &str| error(&format!("store: {{mysql: {{{more}}}}}"));
        assert!(mysql("").starts_with("store.mysql.dsn: missing: it is needed here or in"));
        let batch = |more: &str| mysql(&format!("dsn: \"u@tcp(db)/logs\", {more}"));
        assert!(batch("batch_records: 0").starts_with("store.mysql.batch_records: at least 1"));
        assert!(batch("batch_delay_ms: 10001").starts_with("store.mysql.batch_delay_ms: at most"));
        let named = |more: &str| {
            let text = format!("store: {{mysql: {{dsn: \"u@tcp(db)/logs?tls=own\"{more}}}}}");
            check(&parse(&text).unwrap())
        };
        let error = named("").unwrap_err().to_string();
        assert!(error.contains("store.mysql.tls_ca"), "{error}");
        assert!(named(", tls_ca: /etc/ca.pem").is_ok());
    }
}
