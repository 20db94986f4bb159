//! Every answer is the one that a plain filter and sort over the same records gives, whether the
//! rows are in memory, in files, or in both.

use gatelog_record::{AccessRecord, Field, Timestamp, json};
use gatelog_store::lake::Config;
use gatelog_store::query::json_bytes;
use gatelog_store::{Condition, Error, Paging, Query, Sort, Store as _};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use super::{Fixture, NOON, model, records};

const SAMPLES: &str = include_str!("../../../../gatelog-record/testdata/sample_records.jsonl");

const ROWS: u64 = 240;

/// Records with everything that conditions and orders can stumble over: equal times, several days,
/// absent fields, several flags, characters that SQL takes for wildcards, weights.
fn various() -> Vec<AccessRecord<'static>> {
    const FLAGS: [&str; 5] = ["UF", "UF,URX", "URX", "UFX", "DC,UF"];
    const PATHS: [&str; 6] = ["/a%b", "/a_b", "/aXb", "/a\\b", "/ä/日本", "/a%b/long"];
    let mut all = records(0..ROWS);
    for (number, record) in all.iter_mut().enumerate() {
        let start = NOON + [0, 1, 2, 3, 4][number / 7 % 5] * 60_000_000 + [0, 1, 2][number % 3];
        record.start_time = (number % 23 != 5).then(|| Timestamp::from_millis(start));
        record.response_flags = FLAGS.get(number % 9).map(|&flags| flags.into());
        record.path = PATHS.get(number % 7).map(|&path| path.into());
        record.sample_weight = (number % 11 == 0).then_some([1.5, 2.5, 3.0, 10.0][number % 4]);
        if number % 4 == 0 {
            record.duration = None;
            record.consumer = None;
        }
        record.response_code = Some([200, 404, 503][number % 3]);
    }
    all
}

/// Where the rows are while they are asked for.
#[derive(Clone, Copy)]
enum Place {
    Memory,
    Files,
    Both,
}

fn filled(all: &[AccessRecord<'static>], place: Place) -> Fixture {
    let fixture = Fixture::new(Config::default());
    let parts = 6;
    for (number, part) in all.chunks(all.len().div_ceil(parts)).enumerate() {
        fixture.write(part, number as u64 + 1).unwrap();
        let in_file = match place {
            Place::Memory => false,
            Place::Files => true,
            Place::Both => number < parts / 2,
        };
        if in_file {
            fixture.flush().unwrap();
        }
    }
    fixture
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let all = various();
    let text_field = prop::sample::select(vec![
        Field::Path,
        Field::TraceId,
        Field::RequestId,
        Field::Consumer,
        Field::ResponseFlags,
        Field::Model,
        Field::AiLog,
        // A field of another kind fits no row.
        Field::Duration,
    ]);
    let number_field = prop::sample::select(vec![
        Field::ResponseCode,
        Field::Duration,
        Field::InputTokens,
        Field::GrpcStatus,
        Field::Path,
    ]);
    let words = prop::sample::select(vec![
        "",
        "%",
        "_",
        "a_b",
        "a%",
        "/a",
        "/a\\",
        "\\",
        "team-a",
        "UF",
        "日",
        "qwen3-max",
        "{",
    ]);
    let text = (text_field, 0..all.len(), words, any::<bool>()).prop_map(
        move |(field, row, word, own)| {
            let value = match all[row].get(field) {
                Some(gatelog_record::Value::Text(text) | gatelog_record::Value::Json(text))
                    if own =>
                {
                    text.to_owned()
                }
                _ => word.to_owned(),
            };
            (field, value)
        },
    );
    let number = prop_oneof![Just(200), Just(404), 0..6000i64, any::<i64>()];
    let time = (0..5i64, -2..4i64)
        .prop_map(|(day, more)| Timestamp::from_millis(NOON + day * 60_000_000 + more));
    prop_oneof![
        3 => (text, 0..3).prop_map(|((field, value), kind)| match kind {
            0 => Condition::TextIs(field, value),
            1 => Condition::TextContains(field, value),
            _ => Condition::TextStartsWith(field, value),
        }),
        2 => (number_field, number, 0..3).prop_map(|(field, value, kind)| match kind {
            0 => Condition::IntegerIs(field, value),
            1 => Condition::IntegerFrom(field, value),
            _ => Condition::IntegerTo(field, value),
        }),
        2 => (time, any::<bool>()).prop_map(|(time, from)| if from {
            Condition::From(time)
        } else {
            Condition::To(time)
        }),
        1 => prop::sample::select(vec!["UF", "URX", "U", "", "UF,URX", "DC"])
            .prop_map(|flag| Condition::HasFlag(flag.to_owned())),
        1 => (
            prop::sample::select(vec!["model", "response_type", "llm_service_duration", "none"]),
            prop::sample::select(vec!["qwen3-max", "stream", "200", "", "qwen"]),
            prop::sample::select(vec![Field::AiLog, Field::Path]),
        )
            .prop_map(|(key, text, field)| {
                let field = if key == "none" { field } else { Field::AiLog };
                Condition::JsonIs(field, key.to_owned(), text.to_owned())
            }),
    ]
}

fn any_query() -> impl Strategy<Value = Query> {
    let sort = prop_oneof![
        Just(Field::StartTime),
        prop::sample::select(Field::ALL.to_vec()),
    ];
    (
        prop::collection::vec(any_condition(), 0..3),
        (sort, any::<bool>()),
        (
            1..5u32,
            prop::sample::select(vec![0, 1, 10, 60, 75, 1000u32]),
        ),
        any::<bool>(),
    )
        .prop_map(
            |(conditions, (field, descending), (page, page_size), count)| Query {
                conditions,
                sort: Sort { field, descending },
                paging: Paging::Number(page),
                page_size,
                count,
                ..Query::default()
            },
        )
}

fn compare_with_the_model(place: Place) {
    let all = various();
    let fixture = filled(&all, place);
    let mut runner = TestRunner::new(Cases {
        cases: 48,
        failure_persistence: None,
        ..Cases::default()
    });
    runner
        .run(&any_query(), |query| {
            let expected = model::rows(&all, &query);
            let page = fixture.query(&query);
            let Paging::Number(number) = query.paging else {
                unreachable!()
            };
            let size = query.page_size as usize;
            let skipped = (number as usize - 1) * size;
            let rows: Vec<_> = expected.iter().skip(skipped).take(size).cloned().collect();
            let next = size > 0 && expected.len() > skipped + size;
            prop_assert_eq!(&page.records, &rows);
            prop_assert_eq!(page.next.is_some(), next);
            prop_assert_eq!(page.total, query.count.then_some(expected.len() as u64));
            let estimate = query.count.then(|| model::estimate(&expected)).flatten();
            prop_assert_eq!(page.estimated_total.is_some(), estimate.is_some());
            let difference = page.estimated_total.unwrap_or(0.0) - estimate.unwrap_or(0.0);
            prop_assert!(difference.abs() < 1e-6);
            // From here on by cursor.
            if size >= 60 {
                let mut rows = page.records;
                let mut next = page.next;
                while let Some(cursor) = next {
                    let query = Query {
                        paging: Paging::After(cursor),
                        ..query.clone()
                    };
                    let page = fixture.query(&query);
                    prop_assert!(!page.records.is_empty());
                    rows.extend(page.records);
                    prop_assert!(rows.len() <= expected.len(), "a row came twice");
                    next = page.next;
                }
                prop_assert_eq!(rows, expected.into_iter().skip(skipped).collect::<Vec<_>>());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn answers_from_memory_are_right() {
    compare_with_the_model(Place::Memory);
}

#[test]
fn answers_from_files_are_right() {
    compare_with_the_model(Place::Files);
}

#[test]
fn answers_from_memory_and_files_are_right() {
    compare_with_the_model(Place::Both);
}

#[test]
fn a_page_ends_before_it_has_more_bytes_than_it_may() {
    let mut all = various();
    for (number, record) in all.iter_mut().enumerate() {
        record.request_body = Some("x".repeat(number * 37 % 400 * 10).into());
    }
    // One row is larger than any page.
    all[77].response_body = Some("x".repeat(150_000).into());
    for (place, field) in [
        (Place::Both, Field::Path),
        (Place::Memory, Field::StartTime),
    ] {
        let fixture = filled(&all, place);
        {
            let mut query = Query {
                sort: Sort {
                    field,
                    descending: field == Field::Path,
                },
                page_size: 30,
                page_bytes: 100_000,
                ..Query::default()
            };
            let mut expected = model::rows(&all, &query);
            while !expected.is_empty() {
                let mut bytes = 0;
                let fit = expected.iter().take(30).take_while(|record| {
                    bytes += json_bytes(record);
                    bytes <= 100_000
                });
                let fit = fit.count().max(1);
                let page = fixture.query(&query);
                let rest = expected.split_off(fit);
                assert_eq!(page.records, expected);
                assert_eq!(page.total, Some(ROWS));
                expected = rest;
                assert_eq!(page.next.is_some(), !expected.is_empty());
                if let Some(next) = page.next {
                    query.paging = Paging::After(next);
                }
            }
        }
    }
}

#[test]
fn every_field_gives_an_order() {
    let all = various();
    let fixture = filled(&all, Place::Both);
    for (place, &field) in Field::ALL.iter().enumerate() {
        let query = Query {
            sort: Sort {
                field,
                descending: place % 2 == 0,
            },
            page_size: 150,
            count: false,
            ..Query::default()
        };
        let expected = model::rows(&all, &query);
        let page = fixture.query(&query);
        assert_eq!(page.records, expected[..150], "{}", field.name());
        let rest = fixture.query(&Query {
            paging: Paging::After(page.next.unwrap()),
            ..query
        });
        assert_eq!(rest.records, expected[150..], "{}", field.name());
        assert_eq!(rest.next, None);
    }
}

#[test]
fn the_forty_samples_come_back_field_by_field() {
    let samples: Vec<AccessRecord<'static>> = SAMPLES
        .lines()
        .zip(records(0..40))
        .map(|(line, other)| {
            let (mut record, _) = json::read(line).unwrap();
            record.record_id = other.record_id;
            record.receive_time = other.receive_time;
            record.into_owned()
        })
        .collect();
    let fixture = Fixture::new(Config::default());
    fixture.write(&samples, 1).unwrap();
    let query = Query {
        sort: Sort {
            field: Field::RecordId,
            descending: false,
        },
        page_size: 100,
        ..Query::default()
    };
    for place in ["memory", "files"] {
        let page = fixture.query(&query);
        assert_eq!(page.total, Some(40));
        for (number, (found, sample)) in page.records.iter().zip(&samples).enumerate() {
            for &field in Field::ALL {
                let line = number + 1;
                assert_eq!(
                    found.get(field),
                    sample.get(field),
                    "line {line}, {}, in {place}",
                    field.name()
                );
            }
        }
        fixture.flush().unwrap();
    }
}

#[test]
fn pages_far_behind_the_last_row_are_empty() {
    let fixture = filled(&various(), Place::Both);
    let query = Query {
        paging: Paging::Number(1000),
        page_size: 1000,
        ..Query::default()
    };
    let page = fixture.query(&query);
    assert_eq!(
        (page.records.len(), page.next, page.total),
        (0, None, Some(ROWS))
    );
    let all = fixture.query(&Query {
        paging: Paging::Number(1),
        ..query.clone()
    });
    assert_eq!(all.records.len() as u64, ROWS);
    // The next one is too far, whatever is there.
    let further = Query {
        paging: Paging::Number(1001),
        ..query
    };
    let answer = fixture.runtime.block_on(fixture.lake().query(&further));
    assert!(
        matches!(&answer, Err(Error::Unanswerable { reason, .. }) if reason.contains("cursor")),
        "{answer:?}"
    );
}

#[test]
fn odd_weights_are_stored_and_stand_for_one_request_each() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -2.0,
        0.0,
        2.5,
        f64::MAX,
    ];
    for (count, expected) in [(5, None), (6, Some(7.5)), (7, Some(f64::MAX))] {
        let mut fixture = Fixture::new(Config::default());
        let mut batch = records(0..count);
        for (record, weight) in batch.iter_mut().zip(odd) {
            record.sample_weight = Some(weight);
        }
        // As the page's rows, as rows in memory, as a file's sums, as the rows of a file.
        let narrow = Condition::IntegerFrom(Field::ResponseCode, 0);
        let questions = [(100, Vec::new()), (1, Vec::new()), (1, vec![narrow])];
        let estimates = |fixture: &Fixture| {
            questions.clone().map(|(page_size, conditions)| {
                let query = Query {
                    conditions,
                    page_size,
                    ..Query::default()
                };
                fixture.query(&query).estimated_total
            })
        };
        fixture.write(&batch, 1).unwrap();
        assert_eq!(estimates(&fixture), [expected; 3], "{count} in memory");
        fixture.flush().unwrap();
        assert_eq!(estimates(&fixture), [expected; 3], "{count} in a file");
        fixture.restart();
        assert_eq!(fixture.open().unwrap(), Some(1));
        assert_eq!(estimates(&fixture), [expected; 3], "{count} after opening");
    }
}

#[test]
fn a_query_that_nobody_waits_for_leaves_nothing_behind() {
    let config = Config {
        concurrent_queries: 1,
        ..Config::default()
    };
    let fixture = Fixture::new(config);
    fixture.write(&records(0..50), 1).unwrap();
    fixture.runtime.block_on(async {
        for _ in 0..20 {
            let query = Query::default();
            tokio::select! {
                biased;
                _ = fixture.lake().query(&query) => {}
                () = tokio::task::yield_now() => {}
            }
        }
    });
    assert_eq!(fixture.total(), 50);
}
