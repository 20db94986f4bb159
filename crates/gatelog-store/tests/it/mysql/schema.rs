//! Tables as they are found, and the one that is made.

use gatelog_record::{AccessRecord, Field, Slot, Timestamp, json};
use gatelog_store::{Condition, Error, Query, Store};

use super::table::{self, NARROW, WIDE};
use super::{JOURNAL, START, all, block_on, runtime, server, standard_records, store};
use crate::letters::Taking as _;

const SAMPLES: &str = include_str!("../../../../gatelog-record/testdata/sample_records.jsonl");

/// The forty sample records, as the receiver hands them on.
pub(super) fn samples() -> Vec<AccessRecord<'static>> {
    let records: Vec<_> = SAMPLES
        .lines()
        .map(|line| {
            let (record, _) = json::read(line).unwrap();
            AccessRecord {
                receive_time: Some(START),
                ..record.into_owned()
            }
        })
        .collect();
    assert_eq!(records.len(), 40);
    records
}

/// What a table gives back of a record: its columns only, texts cut at `chars`, times at
/// `step_micros`, durations at `max_duration`.
fn expected(
    record: &AccessRecord<'static>,
    chars: impl Fn(&str) -> usize,
    step_micros: i64,
    max_duration: i64,
) -> AccessRecord<'static> {
    let mut expected = record.clone();
    let start = record.start_time.or(record.receive_time).unwrap();
    expected.start_time = Some(Timestamp::from_micros(
        start.micros() / step_micros * step_micros,
    ));
    expected.duration = record.duration.map(|duration| duration.min(max_duration));
    for &field in Field::ALL {
        let is_column = Field::columns().contains(&field);
        match expected.slot(field) {
            Slot::Text(slot) if is_column => {
                *slot = slot
                    .take()
                    .map(|text| text.chars().take(chars(field.name())).collect());
            }
            Slot::Text(slot) => *slot = None,
            Slot::Json(slot) if !is_column => *slot = None,
            Slot::Integer(slot) if !is_column => *slot = None,
            Slot::Time(slot) if !is_column => *slot = None,
            Slot::Float(slot) => *slot = None,
            Slot::Headers(slot) => *slot = gatelog_record::Headers::new(),
            Slot::Id(slot) => *slot = None,
            Slot::Json(_) | Slot::Integer(_) | Slot::Time(_) => {}
        }
    }
    expected
}

fn assert_samples(
    database: &str,
    schema: &str,
    what_is_expected: impl Fn(&AccessRecord<'static>) -> AccessRecord<'static>,
    truncated: &[(&str, u64)],
) {
    let dsn = server().database(database).unwrap();
    server()
        .sql(&format!("USE `{database}`; {schema}"))
        .unwrap();
    let store = store(&dsn);
    let records = samples();
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(store.open(JOURNAL).await.unwrap(), None);
        assert_eq!(store.take(&records, 40).await.unwrap(), []);
    });
    let found = all(&store);
    assert_eq!(found.len(), 40);
    for (number, (found, sent)) in found.iter().zip(&records).enumerate() {
        assert_eq!(found, &what_is_expected(sent), "line {}", number + 1);
    }
    assert_eq!(store.truncated(), truncated);
}

#[test]
fn the_samples_are_stored_in_the_seeds_table() {
    let chars = |name: &str| {
        let texts = [
            "path",
            "user_agent",
            "x_forwarded_for",
            "response_code_details",
            "upstream_transport_failure_reason",
        ];
        let narrow = WIDE.iter().find(|(column, _)| *column == name);
        narrow.map_or(
            if texts.contains(&name) { 65_535 } else { 255 },
            |(_, chars)| *chars,
        )
    };
    assert_samples(
        "samples_a",
        &table::seed(),
        |record| expected(record, chars, 1_000_000, i64::MAX),
        &[("consumer", 1)],
    );
}

fn narrow_chars(name: &str) -> usize {
    let column = NARROW.iter().find(|(column, _)| *column == name);
    column.map_or(256, |(_, chars)| *chars)
}

const CUT_IN_NARROW: [(&str, u64); 5] = [
    ("consumer", 1),
    ("duration", 1),
    ("path", 1),
    ("user_agent", 1),
    ("x_forwarded_for", 1),
];

#[test]
fn the_samples_are_stored_in_the_table_with_short_columns() {
    assert_samples(
        "samples_b",
        &table::narrow(),
        |record| expected(record, narrow_chars, 1_000_000, i32::MAX.into()),
        &CUT_IN_NARROW,
    );
}

#[test]
fn the_samples_are_stored_in_the_table_with_epoch_seconds_and_bodies() {
    assert_samples(
        "samples_c",
        &table::epoch(),
        |record| AccessRecord {
            request_body: record.request_body.clone(),
            response_body: record.response_body.clone(),
            ..expected(record, narrow_chars, 1_000_000, i32::MAX.into())
        },
        &CUT_IN_NARROW,
    );
}

/// Reading could undo what writing did wrong, so other programs' eyes look at the times.
#[test]
fn times_are_utc_for_every_reader() {
    let record = &standard_records(1);
    for (database, schema, expression, expected) in [
        ("utc_a", table::seed(), "start_time", "2026-03-23 02:10:01"),
        (
            "utc_b",
            table::narrow(),
            "UNIX_TIMESTAMP(start_time)",
            "1774231801",
        ),
        ("utc_c", table::epoch(), "start_time", "1774231801"),
        (
            "utc_own",
            table::OWN.to_owned(),
            "start_time",
            "2026-03-23 02:10:01.217",
        ),
    ] {
        let dsn = server().database(database).unwrap();
        server().sql(&format!("USE {database}; {schema}")).unwrap();
        let store = store(&dsn);
        let runtime = runtime();
        runtime.block_on(store.open(JOURNAL)).unwrap();
        runtime.block_on(store.take(record, 1)).unwrap();
        let rows = server().sql(&format!(
            "SET time_zone = '-03:00'; SELECT {expression} FROM {database}.access_logs"
        ));
        assert_eq!(rows.unwrap(), [[Some(expected.to_owned())]], "{database}");
    }
}

/// What the server says about a table: name, type and NULL of each column, in order.
fn columns(database: &str, name: &str) -> Vec<String> {
    let rows = server().sql(&format!(
        "SELECT CONCAT_WS(' ', column_name, column_type, is_nullable) FROM information_schema.columns \
         WHERE table_schema = '{database}' AND table_name = '{name}' ORDER BY ordinal_position"
    ));
    rows.unwrap()
        .into_iter()
        .map(|row| row[0].clone().unwrap())
        .collect()
}

#[test]
fn a_missing_table_is_made_as_the_seeds_with_milliseconds_and_a_weight() {
    let dsn = server().database("missing").unwrap();
    block_on(store(&dsn).open(JOURNAL)).unwrap();

    server().database("seed_itself").unwrap();
    server()
        .sql(&format!("USE seed_itself; {}", table::seed()))
        .unwrap();
    let mut seeds = columns("seed_itself", "access_logs");
    assert_eq!(seeds[1], "start_time datetime NO");
    "start_time datetime(3) NO".clone_into(&mut seeds[1]);
    seeds.push("sample_weight double YES".to_owned());
    assert_eq!(columns("missing", "access_logs"), seeds);

    let indexes = server().sql(
        "SELECT index_name, column_name FROM information_schema.statistics \
         WHERE table_schema = 'missing' AND table_name = 'access_logs' AND index_name <> 'PRIMARY'
         ORDER BY index_name",
    );
    let indexed: Vec<_> = indexes
        .unwrap()
        .into_iter()
        .map(|row| row[1].clone().unwrap())
        .collect();
    assert_eq!(
        indexed.join(" "),
        "api authority consumer instance_id mcp_server method model response_code start_time \
         trace_id"
    );
    assert_eq!(
        columns("missing", "gatelog_position"),
        [
            "journal char(36) NO",
            "lane int(11) NO",
            "position bigint(20) unsigned NO"
        ]
    );
    let engines = server().sql(
        "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = 'missing'",
    );
    assert_eq!(engines.unwrap(), [[Some("InnoDB".to_owned())]]);
}

#[test]
fn a_table_that_others_shaped_is_written_as_far_as_it_goes() {
    let dsn = server().database("odd").unwrap();
    server()
        .sql(
            "CREATE TABLE odd.access_logs (
               Start_Time DATETIME(6) NOT NULL, method VARCHAR(3) CHARACTER SET latin1 NOT NULL,
               path VARCHAR(20) CHARACTER SET utf8mb3, response_code SMALLINT UNSIGNED NOT NULL,
               ai_log JSON NOT NULL, tenant INT NOT NULL, note TEXT NOT NULL, seen DATETIME NOT NULL,
               colour ENUM('red') NULL, duration VARCHAR(9), upstream_service_time INT,
               receive_time DATETIME(3), record_id CHAR(36), request_headers JSON,
               model VARCHAR(9) AS (CONCAT('m', method))
             ) ENGINE=InnoDB",
        )
        .unwrap();
    let store = store(&dsn);
    let mut headers = gatelog_record::Headers::new();
    headers.push("a", "b");
    let records = [
        AccessRecord {
            start_time: Some(START),
            method: Some("日é-".into()),
            path: Some("/😀é".into()),
            response_code: Some(70_000),
            duration: Some(12),
            upstream_service_time: Some("9".into()),
            receive_time: Some(START),
            record_id: Some(gatelog_record::RecordId::from_bits(7)),
            request_headers: headers,
            model: Some("unwritten".into()),
            ..AccessRecord::default()
        },
        AccessRecord {
            receive_time: Some(START),
            upstream_service_time: Some("soon".into()),
            ..AccessRecord::default()
        },
    ];
    let runtime = runtime();
    runtime.block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 2).await.unwrap(), []);
    });
    let page = block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.next, None);
    let mut found = page.records;
    found.sort_by_key(|record| record.duration);
    let nothing = AccessRecord {
        start_time: Some(START),
        receive_time: Some(START),
        response_code: Some(0),
        ai_log: Some("{}".into()),
        model: Some("m".into()),
        ..AccessRecord::default()
    };
    assert_eq!(found[0], nothing);
    assert_eq!(
        found[1],
        AccessRecord {
            method: Some("?é-".into()),
            path: Some("/?é".into()),
            response_code: Some(65_535),
            ai_log: Some("{}".into()),
            model: Some("m?é-".into()),
            ..records[0].clone()
        }
    );
    assert_eq!(
        store.truncated(),
        [
            ("method", 1),
            ("path", 1),
            ("response_code", 1),
            ("upstream_service_time", 1)
        ]
    );
}

#[test]
fn a_table_that_lacks_columns_tells_of_it_and_refuses_to_filter_by_them() {
    let dsn = server().database("lacking").unwrap();
    let sql = |statements: &str| server().sql(&format!("USE lacking; {statements}")).unwrap();
    sql(&table::seed());
    let store = store(&dsn);
    let runtime = runtime();
    let open = || runtime.block_on(store.open(JOURNAL)).unwrap();
    let by = |condition: Condition| {
        runtime.block_on(store.query(&Query {
            conditions: vec![condition],
            ..Query::default()
        }))
    };
    open();
    assert_eq!(store.warnings(), [""; 0]);
    sql("ALTER TABLE access_logs DROP COLUMN model, DROP COLUMN response_flags, MODIFY api BIT(1)");
    open();
    assert_eq!(
        store.warnings(),
        [
            "the table access_logs has no column for response_flags, api, model: what records have \
             of that is not stored"
        ]
    );
    for (condition, column) in [
        (Condition::TextIs(Field::Model, "m".into()), "model"),
        (Condition::TextContains(Field::Api, "m".into()), "api"),
        (Condition::HasFlag("UF".into()), "response_flags"),
    ] {
        match by(condition) {
            Err(Error::Unanswerable { reason, .. }) => assert_eq!(
                reason,
                format!("the table access_logs has no column {column} to filter by")
            ),
            other => panic!("{other:?}"),
        }
    }
    // A column that comes is known to the next query.
    sql("ALTER TABLE access_logs ADD COLUMN model TEXT");
    let page = by(Condition::TextIs(Field::Model, "m".into())).unwrap();
    assert_eq!(page.total, Some(0));
}

#[test]
fn a_table_without_a_start_time_or_with_a_column_nobody_can_fill_is_unusable() {
    for (database, columns, named) in [
        (
            "no_start",
            "id INT AUTO_INCREMENT PRIMARY KEY, method TEXT",
            "start_time",
        ),
        ("text_start", "start_time VARCHAR(30)", "start_time"),
        (
            "key",
            "tenant INT PRIMARY KEY, start_time DATETIME",
            "tenant",
        ),
        (
            "shape",
            "start_time DATETIME, place POINT NOT NULL",
            "place",
        ),
    ] {
        let dsn = server().database(database).unwrap();
        server()
            .sql(&format!("CREATE TABLE {database}.access_logs ({columns})"))
            .unwrap();
        match block_on(store(&dsn).open(JOURNAL)) {
            Err(Error::Unusable { reason, .. }) => assert!(reason.contains(named), "{reason}"),
            other => panic!("{database}: {other:?}"),
        }
    }
}

#[test]
fn long_texts_are_cut_between_characters_and_counted() {
    let dsn = server().database("long").unwrap();
    let store = store(&dsn);
    let records = [AccessRecord {
        start_time: Some(START),
        method: Some("日本語日本語日本語日本語".into()),
        path: Some("é😀".repeat(20_000).into()),
        consumer: Some("x".repeat(255).into()),
        ..AccessRecord::default()
    }];
    let runtime = runtime();
    runtime.block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 1).await.unwrap(), []);
    });
    let found = &all(&store)[0];
    assert_eq!(found.method.as_deref(), Some("日本語日本語日本語日"));
    // 6 bytes each time; 65,535 is 3 over a multiple of 6, of which é takes 2.
    let path = found.path.as_deref().unwrap();
    assert_eq!(path.len(), 65_534);
    assert!(records[0].path.as_deref().unwrap().starts_with(path));
    assert_eq!(found.consumer, records[0].consumer);
    assert_eq!(store.truncated(), [("method", 1), ("path", 1)]);
}

#[test]
fn a_table_made_anew_while_the_store_runs_is_looked_at_again() {
    let dsn = server().database("anew").unwrap();
    let store = store(&dsn);
    block_on(store.open(JOURNAL)).unwrap();
    server()
        .sql("DROP TABLE anew.access_logs; CREATE TABLE anew.access_logs (start_time DATETIME)")
        .unwrap();
    let page = block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(0));
    let records = standard_records(1);
    let runtime = runtime();
    runtime.block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 1).await.unwrap(), []);
    });
    assert_eq!(all(&store).len(), 1);
}
