//! What HiMarket asks of a table that gatelog wrote, and whether the answers are true.
//!
//! **Shape.** [`traffic`] makes random records from a seed and [`MysqlStore`] writes them; each of
//! HiMarket's 48 [`Scenario`]s is asked of the server, and its rows are compared with a plain
//! calculation over the records that were sent.
//!
//! **Limits.** The statements are ours, written from the description of HiMarket's pages; they use
//! what MySQL 8 and MariaDB 10.11 both document (`CAST(… AS DOUBLE)` is in MySQL since 8.0.17). One
//! thing differs: where HiMarket writes `REGEXP_LIKE`, which MariaDB lacks, they write `LIKE`
//! ([`question`]).

mod account;
mod cards;
mod lines;
mod mistakes;
mod options;
mod question;
mod scenario;
mod seen;
mod tables;
mod traffic;

use std::collections::BTreeMap;

use gatelog_record::{AccessRecord, Timestamp};
use gatelog_store::Store as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Value};
use tokio::runtime::Runtime;

use self::question::{Business, Filters, Question};
use self::scenario::{Answer, Scenario};
use self::traffic::Traffic;
use crate::letters::Taking as _;
use crate::mysql::{JOURNAL, runtime, server, store, table};

/// Each is other traffic, seen at another interval.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Of these there are many questions each.
const SEEDS_OF_FILTERS: [u64; 2] = [6, 7];

const RECORDS: usize = 400;

/// A table as HiMarket may find it.
#[derive(Clone, Copy)]
struct Schema {
    name: &'static str,
    create: fn() -> String,
    /// The smallest step of its times.
    step_micros: i64,
}

const SCHEMAS: [Schema; 3] = [
    Schema {
        name: "own",
        create: || table::OWN.to_owned(),
        step_micros: 1000,
    },
    Schema {
        name: "seed",
        create: table::seed,
        step_micros: 1_000_000,
    },
    Schema {
        name: "narrow",
        create: table::narrow,
        step_micros: 1_000_000,
    },
];

/// A connection like that of an application, in its own zone.
struct Asker {
    runtime: Runtime,
    conn: Conn,
}

impl Asker {
    fn new(database: &str, zone: &str) -> Self {
        Self::of_account("root", database, zone)
    }

    /// The account has no password.
    fn of_account(account: &str, database: &str, zone: &str) -> Self {
        let opts = OptsBuilder::default()
            .user(Some(account))
            .socket(server().socket().to_str().map(str::to_owned))
            .db_name(Some(database))
            .init(vec![format!(
                // MySQL's way of looking at GROUP BY, which is not MariaDB's.
                "SET time_zone = '{zone}', sql_mode = CONCAT(@@sql_mode, ',ONLY_FULL_GROUP_BY')"
            )]);
        let runtime = runtime();
        let conn = runtime.block_on(Conn::new(opts)).unwrap();
        Self { runtime, conn }
    }

    /// Every value as the text that the server sends.
    fn ask(&mut self, statement: &str) -> mysql_async::Result<Answer> {
        let conn = &mut self.conn;
        self.runtime.block_on(async {
            let mut result = conn.query_iter(statement).await?;
            let columns = result.columns_ref().iter();
            let columns = columns.map(|column| column.name_str().into_owned());
            let columns = columns.collect();
            let rows: Vec<mysql_async::Row> = result.collect().await?;
            let rows = rows.into_iter().map(|row| {
                let values = row.unwrap().into_iter();
                values.map(text).collect()
            });
            Ok(Answer {
                columns,
                rows: rows.collect(),
            })
        })
    }

    /// The first value of the first row.
    fn value(&mut self, statement: &str) -> Option<String> {
        self.ask(statement).unwrap().rows[0][0].clone()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// An empty database with a table as created by this statement.
fn database(name: &str, create: &str) -> String {
    let dsn = server().database(name).unwrap();
    server().sql(&format!("USE `{name}`; {create}")).unwrap();
    dsn
}

/// Stores records as gatelog does.
fn write(dsn: &str, records: &[AccessRecord<'static>]) {
    let store = store(dsn);
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(store.open(JOURNAL).await.unwrap(), None);
        assert_eq!(store.take(records, 1).await.unwrap(), []);
    });
}

/// Stores one half of the records by a load, the other by statements: the server has something
/// against the JSON of a neighbour, which nobody asks for.
fn write_both_ways(dsn: &str, records: &[AccessRecord<'static>]) {
    let store = store(dsn);
    let (loaded, inserted) = records.split_at(records.len() / 2);
    let mut inserted = inserted.to_vec();
    inserted.push(AccessRecord {
        start_time: Some(Timestamp::from_millis(1_000_000_000_000)),
        ai_log: Some(("[".repeat(40) + &"]".repeat(40)).into()),
        ..AccessRecord::default()
    });
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(store.open(JOURNAL).await.unwrap(), None);
        assert_eq!(store.take(loaded, 1).await.unwrap(), []);
        assert_eq!(store.truncated(), []);
        assert_eq!(store.take(&inserted, 2).await.unwrap(), []);
        assert_eq!(store.truncated(), [("ai_log", 1)]);
    });
}

/// Asks all of these of every table with the traffic of every seed, and with all filters that
/// `filters` makes of a traffic. Tells of each scenario that fails where it failed first.
fn check(of: &str, scenarios: &[Scenario], seeds: &[u64], filters: fn(&Traffic) -> Vec<Filters>) {
    let mut failures = BTreeMap::new();
    for schema in SCHEMAS {
        for &seed in seeds {
            let traffic = Traffic::new(seed, RECORDS);
            let name = format!("himarket_{of}_{}_{seed}", schema.name);
            write_both_ways(&database(&name, &(schema.create)()), &traffic.records);
            let mut asker = Asker::new(&name, "+00:00");
            for filters in filters(&traffic) {
                let question = Question {
                    filters,
                    ..traffic.question()
                };
                for (name, error) in wrong(&mut asker, scenarios, &traffic, schema, &question) {
                    failures.entry(name).or_insert_with(|| {
                        format!("\n{name}, seed {seed}, table {}: {error}\n", schema.name)
                    });
                }
            }
        }
    }
    let all: String = failures.values().map(String::as_str).collect();
    assert!(failures.is_empty(), "{} fail:\n{all}", failures.len());
}

/// The scenarios whose answers are not what they have to be, and why.
fn wrong(
    asker: &mut Asker,
    scenarios: &[Scenario],
    traffic: &Traffic,
    schema: Schema,
    question: &Question,
) -> Vec<(&'static str, String)> {
    let seen = traffic.seen(schema.step_micros);
    let mut wrong = Vec::new();
    for scenario in scenarios {
        for &business in scenario.halves() {
            let question = Question {
                business,
                ..question.clone()
            };
            let sql = scenario.statement(&question);
            let compared = match asker.ask(&sql) {
                Ok(answer) => scenario.compare(&question, &seen, &answer),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = compared {
                wrong.push((scenario.name, format!("{error}\n{sql}")));
            }
        }
    }
    wrong
}

fn unfiltered(_: &Traffic) -> Vec<Filters> {
    vec![Vec::new()]
}

#[test]
fn the_48_scenarios_are_there_once_each() {
    let mut names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), 48);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 48);
    assert_eq!(
        (
            cards::scenarios().len(),
            lines::scenarios().len(),
            tables::scenarios().len() + options::scenarios().len()
        ),
        (8, 21, 19)
    );
}

#[test]
fn cards_show_what_was_recorded() {
    check("cards", &cards::scenarios(), &SEEDS, unfiltered);
}

#[test]
fn lines_show_what_was_recorded() {
    check("lines", &lines::scenarios(), &SEEDS, unfiltered);
}

#[test]
fn tables_show_what_was_recorded() {
    check("tables", &tables::scenarios(), &SEEDS, unfiltered);
}

#[test]
fn filters_offer_what_was_recorded() {
    check("options", &options::scenarios(), &SEEDS, unfiltered);
}

#[test]
fn every_filter_leaves_the_records_that_fit() {
    check("filters", &scenarios(), &SEEDS_OF_FILTERS, Traffic::filters);
}

/// Random records are worth what they hold: each question has something to tell, in each traffic.
#[test]
fn no_scenario_is_only_ever_asked_of_nothing() {
    for seed in SEEDS {
        let traffic = Traffic::new(seed, RECORDS);
        let seen = traffic.seen(1000);
        for scenario in scenarios() {
            let told = [Business::Model, Business::Mcp].map(|business| {
                let question = Question {
                    business,
                    ..traffic.question()
                };
                scenario.expected(&question, &seen)
            });
            let tells = told
                .iter()
                .all(|rows| rows.iter().any(|row| scenario::tells(row)));
            assert!(tells, "{}, seed {seed}: {told:?}", scenario.name);
        }
    }
}

fn scenarios() -> Vec<Scenario> {
    let mut all = cards::scenarios();
    all.extend(lines::scenarios());
    all.extend(tables::scenarios());
    all.extend(options::scenarios());
    all
}
