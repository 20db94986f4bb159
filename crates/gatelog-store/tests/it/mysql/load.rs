//! Batches by `LOAD DATA LOCAL`, and back to statements where that does not do.

use gatelog_record::{AccessRecord, Timestamp, standard};
use gatelog_store::Store;
use gatelog_testkit::mariadb::MariaDb;

use super::schema::samples;
use super::{JOURNAL, START, runtime, standard_records, store, table};
use crate::letters::Taking as _;

/// How many statements of a kind the server was asked for.
fn asked(server: &MariaDb, kind: &str) -> u64 {
    let rows = server.sql(&format!("SHOW GLOBAL STATUS LIKE 'Com_{kind}'"));
    rows.unwrap()[0][1].as_deref().unwrap().parse().unwrap()
}

fn loads(server: &MariaDb) -> u64 {
    asked(server, "load")
}

fn set_loads(server: &MariaDb, on: bool) {
    server
        .sql(&format!("SET GLOBAL local_infile = {}", u8::from(on)))
        .unwrap();
}

/// Everything in a table but what the server numbers and dates.
fn contents(server: &MariaDb, database: &str) -> Vec<Vec<Option<String>>> {
    let columns = server
        .sql(&format!(
            "SELECT GROUP_CONCAT(CONCAT('HEX(`', column_name, '`)') ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE table_schema = '{database}' \
             AND table_name = 'access_logs' AND column_name NOT IN ('id', 'created_at')"
        ))
        .unwrap();
    let columns = columns[0][0].as_deref().unwrap();
    server
        .sql(&format!(
            "SELECT {columns} FROM {database}.access_logs ORDER BY id"
        ))
        .unwrap()
}

/// Records with everything that a field of a file could stumble over.
fn odd_records() -> Vec<AccessRecord<'static>> {
    let texts = [
        "\\N",
        "N",
        "NULL",
        "\\",
        "\\\\N",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "'",
        "\"",
        "a\\",
        "\\.",
        "\u{1a}",
        "😀\\",
        "\tb\\\tc\n\\",
        " ",
        "a,b",
        "日本\\語",
    ];
    let mut records: Vec<_> = texts
        .into_iter()
        .map(|text| AccessRecord {
            start_time: Some(START),
            path: Some(text.into()),
            consumer: Some(text.repeat(3).into()),
            user_agent: Some(format!("{text}\u{7f}{text}").into()),
            ai_log: Some(
                serde_json::json!({ text: [text, 1, null] })
                    .to_string()
                    .into(),
            ),
            ..AccessRecord::default()
        })
        .collect();
    records.push(AccessRecord {
        receive_time: Some(START),
        ..AccessRecord::default()
    });
    records.extend((0..300).map(|number| {
        let start = START.micros() + i64::try_from(number).unwrap() * 86_400_000_000;
        standard::record(number, Timestamp::from_micros(start))
    }));
    records
}

#[test]
fn a_load_stores_what_statements_store() {
    let server = MariaDb::start().unwrap();
    for (name, schema) in [
        ("own", table::OWN.to_owned()),
        ("seed", table::seed()),
        ("narrow", table::narrow()),
        ("epoch", table::epoch()),
    ] {
        let mut records = samples();
        records.extend(odd_records());
        let found = [true, false].map(|on| {
            set_loads(&server, on);
            let before = (loads(&server), asked(&server, "rollback"));
            let database = format!("{name}_{on}");
            let dsn = server.database(&database).unwrap();
            server.sql(&format!("USE {database}; {schema}")).unwrap();
            let store = store(&dsn);
            runtime().block_on(async {
                assert_eq!(store.open(JOURNAL).await.unwrap(), None);
                assert_eq!(store.take(&records, 7).await.unwrap(), []);
                assert_eq!(store.open(JOURNAL).await.unwrap(), Some(7));
            });
            assert_eq!(loads(&server) - before.0, u64::from(on), "{name}");
            // Each opening has one of its own: the load was kept.
            assert_eq!(asked(&server, "rollback") - before.1, 2, "{name}");
            (contents(&server, &database), store.truncated())
        });
        let [(loaded, cut), (inserted, cut_too)] = found;
        assert_eq!(loaded.len(), records.len());
        for (number, (loaded, inserted)) in loaded.iter().zip(&inserted).enumerate() {
            assert_eq!(loaded, inserted, "{name}, record {number}");
        }
        assert_eq!(cut, cut_too, "{name}");
    }
}

/// What the server would only have warned of is refused, once, and ever fewer loads are tried.
#[test]
fn a_load_that_the_server_warns_of_is_not_kept() {
    let server = MariaDb::start().unwrap();
    let dsn = server.database("warned").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server
        .sql("ALTER TABLE warned.access_logs ADD UNIQUE (trace_id), ADD CHECK (response_code <> 666)")
        .unwrap();
    let mut tried = Vec::new();
    let mut end = 0;
    // A row that breaks the CHECK; one whose key is there; and a batch that is good.
    for bad in [1, 2, 1, 2, 1, 0, 0, 0, 0, 0] {
        end += 100;
        let mut records = standard_records(end);
        let mut records = records.split_off(usize::try_from(end - 100).unwrap());
        for (number, record) in (end - 100..).zip(&mut records) {
            record.trace_id = Some(format!("{number}").into());
        }
        match bad {
            1 => records[17].response_code = Some(666),
            2 => records[17].trace_id = Some("0".into()),
            _ => {}
        }
        let refused = runtime.block_on(store.take(&records, end)).unwrap();
        let indexes: Vec<_> = refused.iter().map(|refused| refused.index).collect();
        assert_eq!(indexes, vec![17; usize::from(bad > 0)]);
        tried.push(loads(&server));
    }
    // The 1st is tried, 1 is not, the 3rd is tried, 2 are not, the 6th is tried and all after it.
    assert_eq!(tried, [1, 1, 2, 2, 2, 3, 4, 5, 6, 7]);
    let rows = server.sql("SELECT COUNT(*), COUNT(DISTINCT trace_id) FROM warned.access_logs");
    assert_eq!(
        rows.unwrap(),
        [[Some("995".to_owned()), Some("995".to_owned())]]
    );
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(end));
}

#[test]
fn a_server_that_stops_loading_gets_statements() {
    let server = MariaDb::start().unwrap();
    let dsn = server.database("stopped").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    let take = |end: u64| {
        let mut records = standard_records(end);
        let records = records.split_off(usize::try_from(end - 10).unwrap());
        assert_eq!(runtime.block_on(store.take(&records, end)).unwrap(), []);
        loads(&server)
    };
    assert_eq!(take(10), 1);
    set_loads(&server, false);
    let asked = take(20);
    assert_eq!((take(30), take(40), take(50)), (asked, asked, asked));
    let rows = server
        .sql("SELECT COUNT(*) FROM stopped.access_logs")
        .unwrap();
    assert_eq!(rows, [[Some("50".to_owned())]]);
}

/// What was loaded could not be taken back there.
#[test]
fn nothing_is_loaded_into_an_engine_without_transactions() {
    let server = MariaDb::start().unwrap();
    let dsn = server.database("aria").unwrap();
    server
        .sql("CREATE TABLE aria.access_logs (start_time DATETIME(3)) ENGINE=Aria")
        .unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    runtime
        .block_on(store.take(&standard_records(3), 30))
        .unwrap();
    assert_eq!(loads(&server), 0);
}
