//! What a team finds that ran the Go db-log-collector and changed the image: the acceptance points at
//! the HTTP interface, on MariaDB, in every form of the table that is about.
//!
//! The rest of these points is held by `database`, `retention`, `faults` and the store's own tests;
//! `docs/mysql.md` has the list.

mod asking;
mod taking;

use std::ops::Deref;

use gatelog_record::{Field, Kind};
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::setup;

const SEED: &str = include_str!("../../../gatelog-store/src/mysql/access_logs.sql");

/// A form of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// None: gatelog makes it.
    Own,
    /// The seed's.
    A,
    /// As the Go collector made it: short columns, `TIMESTAMP NULL`.
    B,
    /// The newest: seconds since 1970.
    C,
}

const FORMS: [Form; 4] = [Form::Own, Form::A, Form::B, Form::C];

impl Form {
    fn create(self) -> String {
        let later = |start_time: &str| {
            let columns: Vec<String> = Field::columns()
                .iter()
                .map(|field| {
                    let kind = match field.kind() {
                        Kind::Time => start_time,
                        Kind::Integer => "BIGINT",
                        Kind::Json => "JSON",
                        _ => "VARCHAR(256)",
                    };
                    format!("{} {kind}", field.name())
                })
                .collect();
            format!(
                "CREATE TABLE access_logs (id BIGINT AUTO_INCREMENT PRIMARY KEY, {},
                 INDEX idx_start_time (start_time))
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
                columns.join(", ")
            )
        };
        match self {
            Self::Own => String::new(),
            Self::A => SEED
                .lines()
                .filter(|line| !line.contains("sample_weight"))
                .map(|line| line.replace("DATETIME(3)", "DATETIME") + "\n")
                .collect(),
            Self::B => later("TIMESTAMP NULL"),
            Self::C => later("BIGINT NULL"),
        }
    }

    /// A moment in UTC as the column keeps it.
    fn moment(self, text: &str) -> String {
        match self {
            Self::C => format!("UNIX_TIMESTAMP('{text}')"),
            _ => format!("'{text}'"),
        }
    }
}

/// gatelog on a database of its own, with a table of this form.
struct Collector {
    gatelog: Gatelog,
    database: String,
    form: Form,
    _dir: TempDir,
}

impl Deref for Collector {
    type Target = Gatelog;
    fn deref(&self) -> &Gatelog {
        &self.gatelog
    }
}

fn collector(name: &str, form: Form) -> Collector {
    collector_with(name, form, "", "")
}

/// With this configuration, and these options behind the seed's DSN.
fn collector_with(name: &str, form: Form, config: &str, options: &str) -> Collector {
    let database = format!("{name}_{form:?}").to_lowercase();
    let mariadb = MariaDb::shared().unwrap();
    let dsn = mariadb.database(&database).unwrap();
    mariadb
        .sql(&format!("USE {database}; {}", form.create()))
        .unwrap();
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir)
        .config(config)
        .variable("MYSQL_DSN", dsn + options)
        .start()
        .unwrap();
    Collector {
        gatelog,
        database,
        form,
        _dir: dir,
    }
}

impl Collector {
    /// What the database says, past gatelog, in a session whose time is UTC.
    fn sql(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        let statement = format!(
            "SET time_zone = '+00:00'; USE {}; {statement}",
            self.database
        );
        MariaDb::shared().unwrap().sql(&statement).unwrap()
    }

    /// The rows of an answer.
    fn logs(&self, parameters: &str) -> Vec<Value> {
        match self.query(parameters).unwrap()["logs"].take() {
            Value::Array(logs) => logs,
            other => panic!("{other}"),
        }
    }

    /// The request ids of the rows that fit, in order, and how many there are.
    fn found(&self, parameters: &str) -> String {
        let answer = self.query(&format!("page_size=100&{parameters}")).unwrap();
        let logs = answer["logs"].as_array().unwrap();
        assert_eq!(answer["total"], logs.len(), "{parameters}");
        let mut ids: Vec<&str> = logs
            .iter()
            .map(|row| row["request_id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        ids.join(" ")
    }
}
