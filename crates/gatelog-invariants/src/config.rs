//! `gatelog::config`: the file and the environment.

use gatelog::config::{self, Config};

/// What stands in every password here.
const PASSWORD: &str = "sEcReT";

/// The bytes are a file; and what stands around a DSN in one; and a variable, `NAME=VALUE`.
///
/// - The readers never panic.
/// - A configuration is what it was with an empty environment laid over it, and is checked for all
///   that no single key can tell, without a panic.
/// - Neither an error nor what is shown of a configuration has the password in it.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(config) = config::parse(&text) {
        let same = config::overlay(config.clone(), []);
        assert_eq!(same.ok().as_ref(), Some(&config));
        drop(config::check(&config));
    }
    if text.contains(PASSWORD) {
        return;
    }
    let (before, behind) = text.split_once('\u{1}').unwrap_or(("", &text));
    let dsn = format!("u:{PASSWORD}@tcp(db)/logs");
    let file = format!("{before}store: {{ mysql: {{ dsn: \"{dsn}\"{behind}");
    keeps_the_secret(&file, &shown(config::parse(&file)));
    let file = format!("{before}store:\n  mysql:\n    dsn: {dsn}{behind}");
    keeps_the_secret(&file, &shown(config::parse(&file)));
    let (name, value) = text.split_once('=').unwrap_or(("", &text));
    let value = format!("{PASSWORD}{value}");
    for name in ["GATELOG_STORE__MYSQL__DSN", &format!("GATELOG_{name}")] {
        let variable = (name.to_owned(), value.clone());
        let found = config::overlay(Config::default(), [variable]);
        let shown = match found {
            Ok(config) if config.store.mysql.is_some() => format!("{config:?}"),
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        keeps_the_secret(name, &shown);
    }
}

fn keeps_the_secret(input: &str, shown: &str) {
    assert!(!shown.contains(PASSWORD), "{shown}\nof: {input}");
}

/// All that anybody is told.
fn shown(found: Result<Config, String>) -> String {
    match found {
        Err(error) => error,
        Ok(config) => {
            let checked = config::check(&config).map_err(|error| error.to_string());
            format!("{config:?} {checked:?}")
        }
    }
}
