//! The options of a DSN, behind its `?`.
//!
//! **Followed:** `timeout`, `readTimeout`, `writeTimeout` (Go durations; 0 means the default), `tls`
//! with `allowFallbackToPlaintext`, `allowCleartextPasswords`, `maxAllowedPacket` (0 means the
//! server's).
//!
//! **Nothing to do:** what only says how Go is to read values or to write statements
//! ([`WITHOUT_EFFECT`]). Text is always utf8mb4, moments are UTC.
//!
//! **Told:** what asks for something that is not done ([`NOT_DONE`]), and whatever the driver does
//! not know either; it takes these for variables of the session.
//!
//! **Invariants.** Values are never shown.
//!
//! **Source.** <https://github.com/go-sql-driver/mysql#parameters>, version 1.9.

use std::path::Path;
use std::time::Duration;

use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, Dsn, DsnError, Tls, duration, percent_decode};

/// Options of the Go driver that mean nothing to a store, whatever their values.
const WITHOUT_EFFECT: [&str; 12] = [
    "allowAllFiles",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "interpolateParams",
    "multiStatements",
    "parseTime",
    "rejectReadOnly",
    "timeTruncate",
    "tinyInt1IsBool",
];

/// Options that ask for something that is not done: the values that do not ask for it, and what is
/// told otherwise.
const NOT_DONE: [(&str, &[&str], &str); 7] = [
    (
        "allowNativePasswords",
        &["1", "true", "TRUE", "True"],
        "native passwords are not refused",
    ),
    (
        "allowOldPasswords",
        &["0", "false", "FALSE", "False"],
        "passwords of before MySQL 4.1 are not sent",
    ),
    (
        "compress",
        &["0", "false", "FALSE", "False"],
        "connections are not compressed",
    ),
    (
        "connectionAttributes",
        &[""],
        "the connection has no attributes of yours",
    ),
    (
        "loc",
        &["Local", "UTC", ""],
        "times are UTC, in the table and in answers",
    ),
    (
        "serverPubKey",
        &[""],
        "the server is asked for its public key",
    ),
    (
        "time_zone",
        &["'+00:00'", "'UTC'"],
        "times are UTC, in the table and in answers",
    ),
];

/// Reads the options into the DSN. Answers what is to be told.
pub(super) fn take(
    dsn: &mut Dsn,
    options: &str,
    authorities: Option<&Path>,
) -> Result<Vec<String>, DsnError> {
    let mut warnings = Vec::new();
    let mut tls = None;
    let mut fallback = false;
    for (name, value) in options
        .split('&')
        .filter_map(|option| option.split_once('='))
    {
        match name {
            "timeout" => dsn.connect_timeout = timeout("timeout", value, CONNECT_TIMEOUT)?,
            "readTimeout" => dsn.read_timeout = timeout("readTimeout", value, ANSWER_TIMEOUT)?,
            "writeTimeout" => dsn.write_timeout = timeout("writeTimeout", value, ANSWER_TIMEOUT)?,
            "tls" => tls = Some(Word::of(value, authorities.is_some())?),
            "allowFallbackToPlaintext" => fallback = yes_or_no("allowFallbackToPlaintext", value)?,
            "allowCleartextPasswords" => {
                dsn.cleartext_password = yes_or_no("allowCleartextPasswords", value)?;
            }
            "maxAllowedPacket" => {
                let bytes: usize = value.parse().map_err(|_| DsnError::Option {
                    name: "maxAllowedPacket",
                    expected: "a number of bytes, or 0 for the server's",
                })?;
                dsn.max_packet_bytes = (bytes > 0).then_some(bytes);
            }
            name if WITHOUT_EFFECT.contains(&name) => {}
            name => warnings.extend(unheeded(name, value)),
        }
    }
    warnings.extend(decide(dsn, tls, fallback, authorities));
    Ok(warnings)
}

/// What `tls` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// `true`, or a name that stands for the file of authorities.
    True,
    False,
    SkipVerify,
    Preferred,
}

impl Word {
    fn of(value: &str, has_authorities: bool) -> Result<Self, DsnError> {
        let decoded = percent_decode(value);
        match decoded.as_deref() {
            Some(word) if word.eq_ignore_ascii_case("skip-verify") => Ok(Self::SkipVerify),
            Some(word) if word.eq_ignore_ascii_case("preferred") => Ok(Self::Preferred),
            Some(word) if truth(word) == Some(true) => Ok(Self::True),
            Some(word) if truth(word) == Some(false) => Ok(Self::False),
            Some(name) if has_authorities && !name.is_empty() => Ok(Self::True),
            _ => Err(DsnError::Option {
                name: "tls",
                expected: "true, false, skip-verify or preferred; a name of your own with \
                           store.mysql.tls_ca, the file of your authority's certificate",
            }),
        }
    }
}

/// Sets what the options about TLS say together. Answers what is to be told.
fn decide(
    dsn: &mut Dsn,
    tls: Option<Word>,
    fallback: bool,
    authorities: Option<&Path>,
) -> Option<String> {
    // Who names an authority wants it asked.
    let tls = tls.unwrap_or(if authorities.is_some() {
        Word::True
    } else {
        Word::False
    });
    (dsn.tls, dsn.plaintext_fallback) = match tls {
        Word::True => (Tls::Checked(authorities.map(Path::to_owned)), fallback),
        Word::False => (Tls::Off, false),
        Word::SkipVerify => (Tls::Unchecked, fallback),
        Word::Preferred => (Tls::Unchecked, true),
    };
    let unused = authorities.is_some() && tls != Word::True;
    unused.then(|| {
        "store.mysql.tls_ca has no effect: the DSN's tls says that nothing is checked".to_owned()
    })
}

/// What is to be told of an option that nothing is done about.
fn unheeded(name: &str, value: &str) -> Option<String> {
    match NOT_DONE.iter().find(|(known, ..)| *known == name) {
        Some((known, fine, told)) => {
            let decoded = percent_decode(value);
            let is_fine = decoded.is_some_and(|value| fine.contains(&value.as_str()));
            (!is_fine).then(|| format!("the DSN's option {known} has no effect: {told}"))
        }
        None => Some(format!(
            "the DSN's option {name} is not known and has no effect"
        )),
    }
}

fn timeout(name: &'static str, value: &str, default: Duration) -> Result<Duration, DsnError> {
    match duration::parse(value) {
        Some(Duration::ZERO) => Ok(default),
        Some(duration) => Ok(duration),
        None => Err(DsnError::Option {
            name,
            expected: "a duration such as 30s, 1m30s or 500ms",
        }),
    }
}

fn yes_or_no(name: &'static str, value: &str) -> Result<bool, DsnError> {
    truth(value).ok_or(DsnError::Option {
        name,
        expected: "true or false",
    })
}

/// Go's words for yes and no.
fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "true" | "TRUE" | "True" => Some(true),
        "0" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(options: &str, authorities: Option<&str>) -> (Dsn, Vec<String>) {
        let text = format!("u:secret@tcp(h)/d?{options}");
        Dsn::parse_trusting(&text, authorities.map(Path::new))
            .unwrap_or_else(|error| panic!("{options}: {error}"))
    }

    #[test]
    fn options_that_are_followed() {
        let text = "u@tcp(h)/a%2Fb?timeout=1m30s&readTimeout=500ms&writeTimeout=0\
                    &maxAllowedPacket=4194304&allowCleartextPasswords=1&bare";
        let (dsn, warnings) = Dsn::parse(text).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(dsn.database, "a/b");
        assert_eq!(dsn.connect_timeout, Duration::from_secs(90));
        assert_eq!(dsn.read_timeout, Duration::from_millis(500));
        assert_eq!(dsn.answer_timeout(), Duration::from_secs(30));
        assert_eq!(dsn.max_packet_bytes, Some(4 << 20));
        assert!(dsn.cleartext_password);
        let (dsn, _) = read("maxAllowedPacket=0", None);
        assert_eq!(dsn.max_packet_bytes, None);
    }

    #[test]
    fn every_option_of_the_driver_is_known() {
        // As its README lists them, each with what it is by default or what the seed has.
        let all = "allowAllFiles=false&allowCleartextPasswords=false\
            &allowFallbackToPlaintext=false&allowNativePasswords=true&allowOldPasswords=false\
            &charset=utf8mb4,utf8&checkConnLiveness=true&collation=utf8mb4_general_ci\
            &clientFoundRows=false&columnsWithAlias=false&compress=false&connectionAttributes=\
            &interpolateParams=false&loc=Local&maxAllowedPacket=67108864&multiStatements=false\
            &parseTime=True&readTimeout=0&rejectReadOnly=false&serverPubKey=&timeout=0\
            &timeTruncate=0&tinyInt1IsBool=true&tls=false&writeTimeout=0\
            &time_zone=%27%2B00%3A00%27";
        assert_eq!(read(all, None).1, [""; 0]);
    }

    #[test]
    fn what_is_not_done_is_told_by_name_and_without_its_value() {
        for (option, told) in [
            ("loc=Asia/Shanghai", "loc has no effect: times are UTC"),
            (
                "loc=Asia%2FShanghai&parseTime=True",
                "loc has no effect: times are UTC",
            ),
            ("time_zone=%27%2B08:00%27", "time_zone has no effect"),
            ("compress=true", "compress has no effect"),
            ("allowOldPasswords=true", "allowOldPasswords has no effect"),
            (
                "allowNativePasswords=false",
                "allowNativePasswords has no effect",
            ),
            ("serverPubKey=mine", "serverPubKey has no effect"),
            (
                "connectionAttributes=a:b",
                "connectionAttributes has no effect",
            ),
            ("sql_mode=x", "sql_mode is not known and has no effect"),
        ] {
            let (_, warnings) = read(option, None);
            let [warning] = warnings.as_slice() else {
                panic!("{option}: {warnings:?}");
            };
            assert!(warning.contains(told), "{option}: {warning}");
        }
    }

    #[test]
    fn tls_is_what_the_driver_makes_of_it() {
        let ca = || Some("/etc/ca.pem".into());
        for (options, authorities, tls, fallback) in [
            ("", None, Tls::Off, false),
            ("tls=false", None, Tls::Off, false),
            ("tls=true", None, Tls::Checked(None), false),
            ("tls=skip-verify", None, Tls::Unchecked, false),
            ("tls=Skip-Verify", None, Tls::Unchecked, false),
            ("tls=preferred", None, Tls::Unchecked, true),
            (
                "tls=true&allowFallbackToPlaintext=true",
                None,
                Tls::Checked(None),
                true,
            ),
            (
                "allowFallbackToPlaintext=true&tls=skip-verify",
                None,
                Tls::Unchecked,
                true,
            ),
            ("allowFallbackToPlaintext=true", None, Tls::Off, false),
            ("", Some("/etc/ca.pem"), Tls::Checked(ca()), false),
            ("tls=true", Some("/etc/ca.pem"), Tls::Checked(ca()), false),
            (
                "tls=rds%2Dca",
                Some("/etc/ca.pem"),
                Tls::Checked(ca()),
                false,
            ),
        ] {
            let (dsn, warnings) = read(options, authorities);
            assert_eq!(
                (dsn.tls, dsn.plaintext_fallback),
                (tls, fallback),
                "{options}"
            );
            assert_eq!(warnings, [""; 0], "{options}");
        }
        for options in ["tls=false", "tls=preferred", "tls=skip-verify"] {
            let (_, warnings) = read(options, Some("/etc/ca.pem"));
            assert!(warnings[0].contains("tls_ca has no effect"), "{options}");
        }
    }

    #[test]
    fn values_that_an_option_cannot_have_are_refused() {
        for option in [
            "timeout=5",
            "readTimeout=-1s",
            "writeTimeout=",
            "tls=custom",
            "tls=",
            "maxAllowedPacket=-1",
            "maxAllowedPacket=4MiB",
            "allowCleartextPasswords=yes",
            "allowFallbackToPlaintext=yes",
        ] {
            let error = Dsn::parse(&format!("u@/x?{option}")).unwrap_err();
            let name = option.split('=').next().unwrap();
            assert!(
                matches!(error, DsnError::Option { name: told, .. } if told == name),
                "{option}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_value_is_ever_told(
            name in prop::sample::select(vec![
                "tls", "loc", "timeout", "maxAllowedPacket", "serverPubKey", "time_zone", "charset",
                "connectionAttributes", "compress", "allowFallbackToPlaintext", "other",
            ]),
            value in "[a-z0-9%/:]{0,6}",
        ) {
            let text = format!("u@tcp(h)/d?{name}=#{value}#");
            let told = match Dsn::parse(&text) {
                Ok((_, warnings)) => warnings.join("\n"),
                Err(error) => error.to_string(),
            };
            prop_assert!(!told.contains('#'), "{}", told);
        }
    }
}
