//! Tables with partitions that do not hold every time.

use gatelog_record::{AccessRecord, Timestamp};
use gatelog_store::{Error, Store};

use super::{JOURNAL, block_on, count, runtime, server, standard_records, store};
use crate::letters::Taking as _;

/// The type of `start_time`, how the table is partitioned by it, and the bound of a partition that
/// ends with a year.
struct Form {
    database: &'static str,
    start_time: &'static str,
    by: &'static str,
    bound: fn(year: u32) -> String,
}

const FORMS: [Form; 5] = [
    Form {
        database: "parts_columns",
        start_time: "DATETIME(3)",
        by: "RANGE COLUMNS (start_time)",
        bound: |year| format!("LESS THAN ('{year}-01-01')"),
    },
    Form {
        database: "parts_two_columns",
        start_time: "DATETIME",
        by: "RANGE COLUMNS (start_time, id)",
        bound: |year| format!("LESS THAN ('{year}-01-01 00:00:00', MAXVALUE)"),
    },
    Form {
        database: "parts_days",
        start_time: "DATETIME",
        by: "RANGE (TO_DAYS(start_time)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2",
        bound: |year| format!("LESS THAN (TO_DAYS('{year}-01-01'))"),
    },
    Form {
        database: "parts_seconds",
        start_time: "BIGINT",
        by: "RANGE (start_time)",
        bound: |year| format!("LESS THAN (({year} - 1970) * 31556952)"),
    },
    Form {
        database: "parts_years",
        start_time: "DATETIME",
        by: "LIST (YEAR(start_time) DIV 100)",
        bound: |year| format!("IN ({})", (year - 1) / 100),
    },
];

impl Form {
    /// Makes the table, with a partition for each of these years.
    fn make(&self, database: &str, years: &[u32]) -> String {
        let dsn = server().database(database).unwrap();
        let partitions: Vec<String> = years
            .iter()
            .map(|&year| format!("PARTITION p{year} VALUES {}", (self.bound)(year)))
            .collect();
        let statement = format!(
            "CREATE TABLE {database}.access_logs (
               id BIGINT AUTO_INCREMENT, start_time {}, method VARCHAR(10), path TEXT, ai_log JSON,
               KEY (id)) PARTITION BY {} ({})",
            self.start_time,
            self.by,
            partitions.join(", ")
        );
        server().sql(&statement).unwrap();
        dsn
    }
}

fn begun_in_2250() -> Timestamp {
    Timestamp::parse("2250-03-01T00:00:00Z").unwrap()
}

#[test]
fn a_row_whose_time_no_partition_holds_is_refused_alone() {
    for form in FORMS {
        let dsn = form.make(form.database, &[2001, 2101]);
        let store = store(&dsn);
        let mut records = standard_records(1200);
        for index in [0, 700, 1199] {
            records[index].start_time = Some(begun_in_2250());
        }
        let refused = runtime().block_on(async {
            store.open(JOURNAL).await.unwrap();
            store.take(&records, 1200).await.unwrap()
        });
        let refused: Vec<_> = refused
            .iter()
            .map(|refused| (refused.index, refused.reason.as_str()))
            .collect();
        let reason = "its start_time lies outside of the table's partitions";
        assert_eq!(
            refused,
            [(0, reason), (700, reason), (1199, reason)],
            "{}",
            form.by
        );
        assert_eq!(count(form.database), 1197, "{}", form.by);
    }
}

#[test]
fn partitions_that_end_before_the_present_make_the_table_unusable() {
    for form in FORMS {
        let database = format!("{}_ended", form.database);
        let dsn = form.make(&database, &[1999]);
        let store = store(&dsn);
        let runtime = runtime();
        let Err(Error::Unusable { reason, .. }) = runtime.block_on(store.open(JOURNAL)) else {
            panic!("{}", form.by);
        };
        let (wrong, statement) = reason.split_once("such as: ").unwrap();
        assert!(
            wrong.contains("no partition of the table access_logs holds the present time"),
            "{reason}"
        );
        // What it advises is what helps.
        server()
            .sql(&format!("USE {database}; {statement}"))
            .unwrap();
        let records = standard_records(3);
        let refused = runtime.block_on(async {
            store.open(JOURNAL).await.unwrap();
            store.take(&records, 3).await.unwrap()
        });
        assert_eq!(refused, [], "{}", form.by);
        assert_eq!(count(&database), 3, "{}", form.by);
    }
}

#[test]
fn partitions_that_come_to_their_end_while_the_store_runs_cost_no_row() {
    let dsn = FORMS[0].make("parts_run_out", &[2001, 2101]);
    let store = store(&dsn);
    let runtime = runtime();
    let records = standard_records(5);
    runtime.block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 5).await.unwrap(), []);
        server()
            .sql("ALTER TABLE parts_run_out.access_logs DROP PARTITION p2101")
            .unwrap();
        match store.take(&records, 10).await {
            Err(Error::Unusable { reason, .. }) => {
                assert!(reason.contains("ADD PARTITION"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        // It is still so, and told in the same words.
        assert!(matches!(
            store.open(JOURNAL).await,
            Err(Error::Unusable { .. })
        ));
        server()
            .sql(
                "ALTER TABLE parts_run_out.access_logs
                   ADD PARTITION (PARTITION later VALUES LESS THAN (MAXVALUE))",
            )
            .unwrap();
        assert_eq!(store.open(JOURNAL).await.unwrap(), Some(5));
        assert_eq!(store.take(&records, 10).await.unwrap(), []);
    });
    assert_eq!(count("parts_run_out"), 5);
}

/// Of these the present has no say.
#[test]
fn partitions_by_another_column_refuse_their_rows_alone() {
    let dsn = server().database("parts_methods").unwrap();
    server()
        .sql(
            "CREATE TABLE parts_methods.access_logs (start_time DATETIME, method VARCHAR(10))
             PARTITION BY LIST COLUMNS (method) (PARTITION p VALUES IN ('GET', 'POST'))",
        )
        .unwrap();
    let store = store(&dsn);
    let with = |method: &'static str| AccessRecord {
        method: Some(method.into()),
        ..AccessRecord::default()
    };
    let records = [with("GET"), with("BREW"), with("POST")];
    let refused = runtime().block_on(async {
        store.open(JOURNAL).await.unwrap();
        store.take(&records, 3).await.unwrap()
    });
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].index, 1);
    assert_eq!(
        refused[0].reason,
        "no partition of the table takes the row (error 1526)"
    );
    assert_eq!(block_on(store.open(JOURNAL)).unwrap(), Some(3));
    assert_eq!(count("parts_methods"), 2);
}
