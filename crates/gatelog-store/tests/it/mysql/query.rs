//! Every condition, order and paging, against a plain filter over the same records.

use std::cmp::Ordering;
use std::sync::OnceLock;

use gatelog_record::{AccessRecord, Field, Kind, Timestamp, Value};
use gatelog_store::mysql::MysqlStore;
use gatelog_store::query::{CursorValue, json_bytes};
use gatelog_store::{Condition, Cursor, Page, Paging, Query, Sort, Store};
use proptest::prelude::*;

use super::table;
use super::{JOURNAL, START, block_on, runtime, server, store};
use crate::letters::Taking as _;

/// A table with the records in it, and the records as the table can hold them.
struct Stored {
    store: MysqlStore,
    records: Vec<AccessRecord<'static>>,
}

/// The tables that differ in what a query has to know: kinds of start time, and NULL in it.
fn stored() -> &'static [Stored] {
    static STORED: OnceLock<Vec<Stored>> = OnceLock::new();
    STORED.get_or_init(|| {
        let own = table::OWN.replace("utf8mb4 COMMENT", "utf8mb4 COLLATE=utf8mb4_bin COMMENT");
        let narrow = table::narrow().replace("utf8mb4_unicode_ci", "utf8mb4_bin");
        let epoch = table::epoch().replace("utf8mb4_unicode_ci", "utf8mb4_bin");
        let seconds = |time: Timestamp| time.micros() / 1_000_000 * 1_000_000;
        vec![
            fill("query_own", &own, false, |time| time.micros() / 1000 * 1000),
            fill("query_narrow", &narrow, true, seconds),
            fill("query_epoch", &epoch, true, seconds),
        ]
    })
}

fn fill(
    database: &str,
    schema: &str,
    start_may_be_absent: bool,
    cut: impl Fn(Timestamp) -> i64,
) -> Stored {
    let dsn = server().database(database).unwrap();
    server().sql(&format!("USE {database}; {schema}")).unwrap();
    let store = store(&dsn);
    let mut records = records();
    if !start_may_be_absent {
        for record in &mut records {
            record.start_time.get_or_insert(START);
        }
    }
    let runtime = runtime();
    runtime.block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 1).await.unwrap(), []);
    });
    for record in &mut records {
        record.start_time = record
            .start_time
            .map(|time| Timestamp::from_micros(cut(time)));
    }
    Stored { store, records }
}

fn pick<T: Copy>(from: &[T], number: usize) -> T {
    from[number % from.len()]
}

/// Records with few different values, so that conditions meet and orders have ties.
fn records() -> Vec<AccessRecord<'static>> {
    let text = |text: Option<&'static str>| text.map(Into::into);
    let long = |end: &str| Some(format!("/{}{end}", "long/".repeat(80)).into());
    (0..120_usize)
        .map(|number| AccessRecord {
            start_time: (number % 11 != 3).then(|| {
                let micros = i64::try_from(number * 37 % 40).unwrap() * 333_333;
                Timestamp::from_micros(START.micros() + micros)
            }),
            request_id: Some(format!("{number}").into()),
            method: text(pick(
                &[Some("get"), Some("post"), Some("head"), None],
                number * 7,
            )),
            path: match number % 9 {
                0 => long("a"),
                1 => long("b"),
                _ => text(pick(&PATHS, number / 3)),
            },
            authority: text(pick(
                &[Some("a.example"), Some("b.example"), None],
                number / 2,
            )),
            response_code: pick(
                &[Some(200), Some(404), Some(503), Some(0), None],
                number * 3,
            ),
            response_flags: text(pick(
                &[None, Some("UF,URX"), Some("UH"), Some("URX")],
                number,
            )),
            duration: pick(&[Some(0), Some(5), Some(60_000), None], number / 5),
            upstream_service_time: text(pick(&[Some("5"), Some("12"), None], number)),
            ai_log: text(pick(
                &[
                    Some(r#"{"kind":"stream","rank":3}"#),
                    Some(r#"{"kind":"normal","rank":"3","a.b":"x\"y","deep":{"kind":"stream"}}"#),
                    Some(r#"{"kind":null,"deep":["stream"],"rank":true}"#),
                    None,
                ],
                number,
            )),
            model: text(pick(&[Some("qwen"), Some("gpt"), None], number / 7)),
            ..AccessRecord::default()
        })
        .collect()
}

const PATHS: [Option<&str>; 8] = [
    Some("/v1/chat"),
    Some("/v1/chat%20x"),
    Some("/a_b"),
    Some("/a\\b"),
    Some("/axb"),
    Some("/"),
    Some("/v1"),
    None,
];

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let field = prop::sample::select(vec![
        Field::Path,
        Field::Method,
        Field::Authority,
        Field::Model,
        Field::ResponseFlags,
        Field::UpstreamServiceTime,
        // No row has it.
        Field::TraceId,
    ]);
    let text = prop::sample::select(vec![
        "",
        "-",
        "/",
        "/v1",
        "/v1/chat",
        "%",
        "_",
        "\\",
        "a_b",
        "get",
        "e",
        "a.example",
        "qwen",
        "UF",
        "URX",
        "UF,URX",
        "5",
        "1",
        "'",
    ]);
    let number = prop::sample::select(vec![-1, 0, 5, 12, 200, 404, 503, 60_000]);
    let number_field = prop::sample::select(vec![
        Field::ResponseCode,
        Field::Duration,
        // No row has it.
        Field::BytesSent,
    ]);
    let time = prop_oneof![
        (0_i64..14_000_000).prop_map(|micros| Timestamp::from_micros(START.micros() + micros)),
        Just(Timestamp::EPOCH),
        Just(Timestamp::from_micros(i64::MAX)),
    ];
    let condition = prop_oneof![
        (field.clone(), text.clone(), 0..3).prop_map(|(field, text, kind)| {
            let text = text.to_owned();
            match kind {
                0 => Condition::TextIs(field, text),
                1 => Condition::TextContains(field, text),
                _ => Condition::TextStartsWith(field, text),
            }
        }),
        (number_field, number, 0..3).prop_map(|(field, number, kind)| match kind {
            0 => Condition::IntegerIs(field, number),
            1 => Condition::IntegerFrom(field, number),
            _ => Condition::IntegerTo(field, number),
        }),
        (time, any::<bool>()).prop_map(|(time, from)| if from {
            Condition::From(time)
        } else {
            Condition::To(time)
        }),
        text.prop_map(|flag| Condition::HasFlag(flag.to_owned())),
        (
            prop::sample::select(vec!["kind", "rank", "deep", "a.b", "kin", "none"]),
            prop::sample::select(vec![
                "stream", "normal", "3", "true", "null", "STREAM", "x\"y"
            ]),
        )
            .prop_map(|(key, text)| {
                Condition::JsonIs(Field::AiLog, key.to_owned(), text.to_owned())
            }),
    ];
    prop::collection::vec(condition, 0..3)
}

fn sorts() -> impl Strategy<Value = Sort> {
    let field = prop::sample::select(vec![
        Field::StartTime,
        Field::ResponseCode,
        Field::Duration,
        Field::Authority,
        Field::Method,
        Field::Path,
        Field::Model,
        Field::BytesSent,
        Field::ClientIp,
    ]);
    (field, any::<bool>()).prop_map(|(field, descending)| Sort { field, descending })
}

fn fits(record: &AccessRecord<'_>, condition: &Condition) -> bool {
    let text = |field: Field, fits: &dyn Fn(&str) -> bool| matches!(record.get(field), Some(Value::Text(text)) if fits(text));
    let number = |field: Field, fits: &dyn Fn(i64) -> bool| matches!(record.get(field), Some(Value::Integer(number)) if fits(number));
    match condition {
        Condition::TextIs(field, is) => text(*field, &|text| text == is),
        Condition::TextContains(field, part) => text(*field, &|text| text.contains(part.as_str())),
        Condition::TextStartsWith(field, start) => {
            text(*field, &|text| text.starts_with(start.as_str()))
        }
        Condition::IntegerIs(field, is) => number(*field, &|number| number == *is),
        Condition::IntegerFrom(field, from) => number(*field, &|number| number >= *from),
        Condition::IntegerTo(field, to) => number(*field, &|number| number <= *to),
        Condition::From(from) => record.start_time.is_some_and(|time| time >= *from),
        Condition::To(to) => record.start_time.is_some_and(|time| time <= *to),
        Condition::JsonIs(field, key, is) => match record.get(*field) {
            Some(Value::Json(object)) => {
                match &serde_json::from_str::<serde_json::Value>(object).unwrap()[key.as_str()] {
                    serde_json::Value::String(text) => text == is,
                    serde_json::Value::Number(number) => number.to_string() == *is,
                    serde_json::Value::Bool(truth) => truth.to_string() == *is,
                    _ => false,
                }
            }
            _ => false,
        },
        Condition::HasFlag(flag) => text(Field::ResponseFlags, &|flags| {
            flags.split(',').any(|has| has == flag)
        }),
    }
}

/// What decides a row's place.
fn key(record: &AccessRecord<'_>, field: Field) -> Option<CursorValue> {
    match record.get(field)? {
        Value::Integer(number) => Some(CursorValue::Integer(number)),
        Value::Time(time) => Some(CursorValue::Integer(time.micros())),
        Value::Text(text) => Some(CursorValue::Text(text.chars().take(255).collect())),
        _ => None,
    }
}

fn compare(a: &CursorValue, b: &CursorValue) -> Ordering {
    match (a, b) {
        (CursorValue::Integer(a), CursorValue::Integer(b)) => a.cmp(b),
        (CursorValue::Text(a), CursorValue::Text(b)) => a.cmp(b),
        _ => panic!("{a:?} and {b:?} in one order"),
    }
}

/// The ids of the records that fit, in order.
fn model(stored: &Stored, query: &Query) -> Vec<String> {
    let mut fitting: Vec<(usize, &AccessRecord<'_>)> = stored
        .records
        .iter()
        .enumerate()
        .filter(|(_, record)| {
            query
                .conditions
                .iter()
                .all(|condition| fits(record, condition))
        })
        .collect();
    let Sort { field, descending } = query.sort;
    fitting.sort_by(|(a_index, a), (b_index, b)| {
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        match (key(a, field), key(b, field)) {
            (Some(a), Some(b)) => turned(compare(&a, &b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
        .then_with(|| turned(a_index.cmp(b_index)))
    });
    fitting
        .into_iter()
        .map(|(_, record)| record.request_id.clone().unwrap().into_owned())
        .collect()
}

fn ids(page: &Page) -> Vec<String> {
    page.records
        .iter()
        .map(|record| record.request_id.clone().unwrap().into_owned())
        .collect()
}

fn ask(stored: &Stored, query: &Query) -> Page {
    block_on(stored.store.query(query)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn pages_are_what_a_plain_filter_gives(
        place in 0..3_usize, conditions in conditions(), sort in sorts(),
        page_size in 1..60_u32, number in 1..5_u32
    ) {
        let stored = &stored()[place];
        let mut query = Query {
            conditions, sort, page_size, paging: Paging::Number(number), ..Query::default()
        };
        let all = model(stored, &query);
        let size = usize::try_from(page_size).unwrap();
        let page = ask(stored, &query);
        let skip = usize::try_from(number - 1).unwrap() * size;
        let expected: Vec<_> = all.iter().skip(skip).take(size).cloned().collect();
        prop_assert_eq!(ids(&page), expected);
        prop_assert_eq!(page.total, Some(u64::try_from(all.len()).unwrap()));
        prop_assert_eq!(page.next.is_some(), all.len() > skip + size);
        prop_assert_eq!(page.estimated_total, None);

        // From the first page on by cursors, each through its word.
        query.count = false;
        query.paging = Paging::Number(1);
        let mut walked = Vec::new();
        loop {
            let page = ask(stored, &query);
            prop_assert_eq!(page.total, None);
            walked.extend(ids(&page));
            let Some(next) = page.next else { break };
            prop_assert!(walked.len() <= all.len());
            let read = Cursor::parse(&next.to_string());
            prop_assert_eq!(read.as_ref(), Some(&next));
            query.paging = Paging::After(next);
        }
        prop_assert_eq!(walked, all);
    }
}

#[test]
fn a_page_ends_before_it_has_more_bytes_than_it_may() {
    for stored in stored() {
        for field in [Field::Path, Field::StartTime] {
            let mut query = Query {
                sort: Sort {
                    field,
                    descending: false,
                },
                page_size: 1000,
                ..Query::default()
            };
            let all = ask(stored, &query).records;
            // Rows have some 2.5 to 4 KB each.
            query.page_bytes = 40_000;
            let mut walked = Vec::new();
            loop {
                let page = ask(stored, &query);
                assert_eq!(page.total, Some(120));
                let bytes: usize = page.records.iter().map(json_bytes).sum();
                assert!((1..=40_000).contains(&bytes), "{bytes}");
                walked.extend(page.records);
                if let Some(next) = all.get(walked.len()) {
                    assert!(bytes + json_bytes(next) > 40_000, "it ended too early");
                }
                let Some(next) = page.next else { break };
                query.paging = Paging::After(next);
            }
            assert_eq!(walked, all);
            // One that is larger than a page is given alone.
            query.paging = Paging::Number(1);
            query.page_bytes = 1;
            let page = ask(stored, &query);
            assert_eq!(page.records, all[..1]);
            assert!(page.next.is_some());
        }
    }
}

#[test]
fn a_page_that_is_too_large_is_refused_where_none_could_follow_it() {
    let dsn = server().database("query_page_bytes").unwrap();
    server()
        .sql(
            "CREATE TABLE query_page_bytes.access_logs (start_time DATETIME, path VARCHAR(99));
             INSERT INTO query_page_bytes.access_logs VALUES (NOW(), '/1'), (NOW(), '/2')",
        )
        .unwrap();
    let store = store(&dsn);
    let mut query = Query::default();
    assert_eq!(block_on(store.query(&query)).unwrap().records.len(), 2);
    query.page_bytes = 1;
    let error = block_on(store.query(&query)).unwrap_err();
    assert!(
        matches!(error, gatelog_store::Error::Unanswerable { .. }),
        "{error}"
    );
    query.page_size = 1;
    assert_eq!(block_on(store.query(&query)).unwrap().records.len(), 1);
}

#[test]
fn rows_come_back_whole() {
    for stored in stored() {
        let query = Query {
            sort: Sort {
                field: Field::ClientIp,
                descending: false,
            },
            page_size: 1000,
            ..Query::default()
        };
        assert_eq!(ask(stored, &query).records, stored.records);
    }
}

#[test]
fn every_column_can_be_asked_and_ordered_by() {
    let stored = &stored()[0];
    for &field in Field::ALL {
        for descending in [false, true] {
            let mut query = Query {
                conditions: match field.kind() {
                    Kind::Integer => vec![Condition::IntegerFrom(field, 0)],
                    _ => vec![Condition::TextContains(field, "a".to_owned())],
                },
                sort: Sort { field, descending },
                page_size: 7,
                ..Query::default()
            };
            let asked = block_on(stored.store.query(&query));
            let has = Field::columns().contains(&field) || field == Field::SampleWeight;
            assert_eq!(asked.is_ok(), has, "{field:?}: {asked:?}");
            query.conditions.clear();
            let first = ask(stored, &query);
            query.paging = Paging::After(first.next.unwrap());
            assert_eq!(ask(stored, &query).records.len(), 7, "{field:?}");
        }
    }
}

#[test]
fn rows_that_come_in_meanwhile_do_not_shift_what_follows_a_cursor() {
    let dsn = server().database("query_shift").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    let records = super::standard_records(30);
    runtime.block_on(store.open(JOURNAL)).unwrap();
    runtime.block_on(store.take(&records[..20], 1)).unwrap();
    let mut query = Query::default();
    let first = runtime.block_on(store.query(&query)).unwrap();
    runtime.block_on(store.take(&records[20..], 2)).unwrap();
    query.paging = Paging::After(first.next.unwrap());
    let second = runtime.block_on(store.query(&query)).unwrap();
    assert_eq!(second.total, Some(30));
    assert_eq!(second.next, None);
    let mut both: Vec<_> = first.records.into_iter().chain(second.records).collect();
    both.reverse();
    assert_eq!(both, records[..20]);
}

#[test]
fn words_that_others_write_for_nothing_fit_no_condition() {
    let dsn = server().database("query_nothing").unwrap();
    let store = store(&dsn);
    block_on(store.open(JOURNAL)).unwrap();
    server()
        .sql(
            "INSERT INTO query_nothing.access_logs (start_time, route_name, model) VALUES
             ('2026-03-23 02:10:01', '-', ''), ('2026-03-23 02:10:02', 'r-1', 'm')",
        )
        .unwrap();
    for (condition, total) in [
        (Condition::TextIs(Field::RouteName, "-".to_owned()), 0),
        (Condition::TextContains(Field::RouteName, "-".to_owned()), 1),
        (Condition::TextContains(Field::Model, String::new()), 1),
        (
            Condition::TextStartsWith(Field::RouteName, String::new()),
            1,
        ),
    ] {
        let query = Query {
            conditions: vec![condition],
            ..Query::default()
        };
        assert_eq!(
            block_on(store.query(&query)).unwrap().total,
            Some(total),
            "{query:?}"
        );
    }
    let page = block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.records[1].route_name, None);
    assert_eq!(page.records[1].model, None);
}

#[test]
fn characters_that_a_column_lacks_fit_no_row() {
    let dsn = server().database("query_charset").unwrap();
    server()
        .sql(
            "CREATE TABLE query_charset.access_logs (id INT AUTO_INCREMENT PRIMARY KEY,
               start_time DATETIME, method VARCHAR(9) CHARACTER SET latin1,
               path VARCHAR(99) CHARACTER SET utf8mb3, model VARCHAR(9) CHARACTER SET ascii,
               response_flags VARCHAR(9) CHARACTER SET latin1, ai_log TEXT CHARACTER SET latin1);
             INSERT INTO query_charset.access_logs (start_time, method, path, model, ai_log)
               VALUES (NOW(), 'é', '/日', 'm', '{\"a\":\"é\"}')",
        )
        .unwrap();
    let store = store(&dsn);
    let found = |condition: Condition| {
        let query = Query {
            conditions: vec![condition],
            ..Query::default()
        };
        block_on(store.query(&query)).unwrap().total
    };
    let text = |text: &str| text.to_owned();
    for (field, there) in [
        (Field::Method, "é"),
        (Field::Path, "/日"),
        (Field::Model, "m"),
    ] {
        assert_eq!(found(Condition::TextIs(field, text(there))), Some(1));
        for lacking in ["😀", "日", "é"] {
            if there.contains(lacking) {
                continue;
            }
            for condition in [
                Condition::TextIs(field, text(lacking)),
                Condition::TextContains(field, text(lacking)),
                Condition::TextStartsWith(field, text(lacking)),
                Condition::HasFlag(text(lacking)),
            ] {
                assert_eq!(found(condition.clone()), Some(0), "{condition:?}");
            }
        }
    }
    let json_is = |is: &str| Condition::JsonIs(Field::AiLog, text("a"), text(is));
    assert_eq!(found(json_is("é")), Some(1));
    assert_eq!(found(json_is("😀")), Some(0));
}

#[test]
fn many_queries_at_once_are_answered_whatever_runtime_they_come_from() {
    let stored = &stored()[0];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    for _ in 0..5 {
                        // More than there are connections.
                        let asked: Vec<_> = (0..6)
                            .map(|_| {
                                tokio::spawn(async { stored.store.query(&Query::default()).await })
                            })
                            .collect();
                        for page in asked {
                            assert_eq!(page.await.unwrap().unwrap().records.len(), 10);
                        }
                    }
                });
            });
        }
    });
}
