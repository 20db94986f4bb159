//! `gatelog::config`: the file and the environment.
//!
//! **Limits.** What stands around the DSN can make it a part of another key's value, by a quote that is
//! not closed. Such a configuration has no DSN with the password in it, and is shown as it is: nobody
//! knows that there is a secret.

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

/// Whether the password is where a password is known to be.
fn has_the_secret(config: &Config) -> bool {
    let mysql = config.store.mysql.as_ref();
    mysql.is_some_and(|mysql| mysql.dsn.reveal().contains(PASSWORD))
}

/// All that anybody is told.
fn shown(found: Result<Config, String>) -> String {
    match found {
        Err(error) => error,
        Ok(config) if !has_the_secret(&config) => String::new(),
        Ok(config) => {
            let checked = config::check(&config).map_err(|error| error.to_string());
            format!("{config:?} {checked:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_before_the_dsn_may_make_it_part_of_another_value() {
        for key in ["_format_version", "data_dir"] {
            check(format!("{key}: '\u{1}'").as_bytes());
            check(format!("{key}: '\u{1}\"}} }}'").as_bytes());
            check(format!("{key}: |\n  a\n  \u{1}").as_bytes());
        }
    }

    #[test]
    fn a_configuration_with_a_dsn_is_looked_at() {
        let file = format!("store: {{ mysql: {{ dsn: \"u:{PASSWORD}@tcp(db)/logs\" }} }}");
        let config = config::parse(&file).unwrap();
        assert!(has_the_secret(&config));
        assert!(shown(Ok(config)).contains("mysql"));
    }
}
