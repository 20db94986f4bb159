//! Severities of syslog messages, by Kong's names.

use super::Keys;

/// How severe a message is: the smaller its number, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of syslog(3)")]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Severity {
    /// Every one by its name, in Kong's order. There are no other names: no `warn`, no `error`.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("notice", Self::Notice),
        ("warning", Self::Warning),
        ("err", Self::Err),
        ("crit", Self::Crit),
        ("alert", Self::Alert),
        ("emerg", Self::Emerg),
    ];

    /// Its number (RFC 5424 §6.2.1), from 0 for `emerg` to 7 for `debug`.
    pub const fn number(self) -> u8 {
        match self {
            Self::Emerg => 0,
            Self::Alert => 1,
            Self::Crit => 2,
            Self::Err => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// Which severity a record has, and how severe it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severities {
    /// The least that is sent.
    pub log_level: Severity,
    /// Of an answer below 400, and where there is none.
    pub successful: Severity,
    /// Of an answer from 400 to 499.
    pub client_errors: Severity,
    /// Of an answer from 500.
    pub server_errors: Severity,
}

impl Default for Severities {
    /// Kong's: everything is `info`, and sent.
    fn default() -> Self {
        Self {
            log_level: Severity::Info,
            successful: Severity::Info,
            client_errors: Severity::Info,
            server_errors: Severity::Info,
        }
    }
}

impl Severities {
    /// Reads `log_level` and the three severities.
    pub(super) fn read(keys: &mut Keys) -> Self {
        let default = Self::default();
        let mut word = |name, or| keys.word(name, &Severity::WORDS).unwrap_or(or);
        Self {
            log_level: word("log_level", default.log_level),
            successful: word("successful_severity", default.successful),
            client_errors: word("client_errors_severity", default.client_errors),
            server_errors: word("server_errors_severity", default.server_errors),
        }
    }

    /// That of a record by its status; a connection that is no request has none.
    pub fn of_status(&self, status: Option<i64>) -> Severity {
        match status {
            Some(500..) => self.server_errors,
            Some(400..) => self.client_errors,
            _ => self.successful,
        }
    }

    /// Whether a message of this severity is sent.
    pub fn takes(&self, severity: Severity) -> bool {
        severity <= self.log_level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_that_of_its_class_of_status() {
        let severities = Severities {
            log_level: Severity::Warning,
            successful: Severity::Notice,
            client_errors: Severity::Warning,
            server_errors: Severity::Alert,
        };
        for (status, severity, taken) in [
            (None, Severity::Notice, false),
            (Some(0), Severity::Notice, false),
            (Some(200), Severity::Notice, false),
            (Some(399), Severity::Notice, false),
            (Some(400), Severity::Warning, true),
            (Some(499), Severity::Warning, true),
            (Some(500), Severity::Alert, true),
            (Some(999), Severity::Alert, true),
        ] {
            assert_eq!(severities.of_status(status), severity, "{status:?}");
            assert_eq!(severities.takes(severity), taken, "{status:?}");
        }
    }

    #[test]
    fn numbers_are_those_of_syslog() {
        let numbers = Severity::WORDS.map(|(_, severity)| severity.number());
        assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1, 0]);
    }
}
