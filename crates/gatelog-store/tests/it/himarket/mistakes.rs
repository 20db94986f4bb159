//! Where HiMarket's own questions are at fault, as `docs/himarket.md` tells its users: each test is a
//! sentence of that page.

use gatelog_record::{AccessRecord, Timestamp};
use mysql_async::Error;

use super::question::{Business, Question};
use super::scenario::Answer;
use super::{Asker, SCHEMAS, database, scenarios, write};
use crate::mysql::{server, table};

/// 2026-03-23 02:00:00 in UTC, which is 10:00:00 in the zone `+08:00`.
const TWO_SECONDS: i64 = 1_774_231_200;

const MINUTE: Question = Question {
    from_seconds: TWO_SECONDS,
    to_seconds: TWO_SECONDS + 59,
    interval_seconds: 60,
    business: Business::Model,
    filters: Vec::new(),
};

fn at(millis_after_two: i64) -> AccessRecord<'static> {
    AccessRecord {
        start_time: Some(Timestamp::from_millis(
            TWO_SECONDS * 1000 + millis_after_two,
        )),
        ..AccessRecord::default()
    }
}

impl Asker {
    /// The answer to one of the 48.
    fn scenario(&mut self, name: &str, question: &Question) -> Answer {
        let all = scenarios();
        let scenario = all.iter().find(|scenario| scenario.name == name).unwrap();
        self.ask(&scenario.statement(question)).unwrap()
    }
}

fn texts<'t>(values: impl IntoIterator<Item = &'t str>) -> Vec<Option<String>> {
    values
        .into_iter()
        .map(|value| Some(value.to_owned()))
        .collect()
}

#[test]
fn the_mcp_half_cannot_be_told_apart_in_mariadb_as_himarket_asks_it() {
    write(
        &database("himarket_regexp", &table::seed()),
        &[AccessRecord {
            path: Some("/mcp-servers/amap".into()),
            ..at(0)
        }],
    );
    let reader = "'regexp_reader'@'%'";
    server()
        .sql(&format!(
            "CREATE USER {reader}; GRANT SELECT ON himarket_regexp.access_logs TO {reader}"
        ))
        .unwrap();
    let mut asker = Asker::of_account("regexp_reader", "himarket_regexp", "+00:00");
    let select = "SELECT COUNT(*) FROM access_logs WHERE";
    match asker.ask(&format!("{select} REGEXP_LIKE(path, '^/mcp-servers')")) {
        // There is no such function, or the account may not call it.
        Err(Error::Server(error)) => assert!([1305, 1370].contains(&error.code), "{error}"),
        other => panic!("{other:?}"),
    }
    // The page tells how to make one.
    let statements = block("the function that MariaDB lacks")
        .replace("higress_poc", "himarket_regexp")
        .replace("'himarket'@'%'", reader);
    server().sql(&statements).unwrap();
    for (pattern, expected) in [("^/mcp-servers", "1"), ("^/servers", "0")] {
        let count = asker.value(&format!("{select} REGEXP_LIKE(path, '{pattern}')"));
        assert_eq!(count.as_deref(), Some(expected));
    }
}

#[test]
fn in_a_table_of_epoch_seconds_windows_hold_nothing_or_all_and_no_row_has_a_time() {
    let year = 365 * 24 * 3600 * 1000;
    write(
        &database("himarket_epoch", &table::epoch()),
        &[at(0), at(-year), at(year)],
    );
    // A number is compared with a date as with the number that the date begins with: 2026.
    let mut asker = Asker::new("himarket_epoch", "+00:00");
    let count = asker.value(&MINUTE.fill("SELECT COUNT(*) FROM access_logs WHERE {where}"));
    assert_eq!(count.as_deref(), Some("0"));
    let select = "SELECT COUNT(*) FROM access_logs WHERE start_time >= '2026-03-23 02:00:00'";
    assert_eq!(asker.value(select).as_deref(), Some("3"));
    let bucket = MINUTE.fill("SELECT DISTINCT {bucket} FROM access_logs");
    assert_eq!(asker.ask(&bucket).unwrap().rows, [[None]]);
}

/// What HiMarket sends is its own wall clock, and its session has its own zone.
#[test]
fn a_zone_of_himarket_moves_the_window_on_datetime_and_not_on_timestamp() {
    let local = Question {
        from_seconds: MINUTE.from_seconds + 8 * 3600,
        to_seconds: MINUTE.to_seconds + 8 * 3600,
        ..MINUTE
    };
    for schema in SCHEMAS {
        let name = format!("himarket_zone_{}", schema.name);
        write(&database(&name, &(schema.create)()), &[at(0)]);
        let is_timestamp = schema.name == "narrow";
        let mut asker = Asker::new(&name, "+08:00");
        let found = asker.scenario("qps_total_simple", &local).rows;
        let as_wall_clock = asker.scenario("qps_total_simple", &MINUTE).rows;
        if is_timestamp {
            assert_eq!(found[0][0].as_deref(), Some("2026-03-23 10:00:00"));
            assert_eq!(as_wall_clock.len(), 0);
        } else {
            assert_eq!(found.len(), 0, "{}", schema.name);
            assert_eq!(as_wall_clock[0][0].as_deref(), Some("2026-03-23 02:00:00"));
        }
        // In UTC everything agrees.
        let found = Asker::new(&name, "+00:00").scenario("qps_total_simple", &MINUTE);
        assert_eq!(found.rows[0][0].as_deref(), Some("2026-03-23 02:00:00"));
    }
}

/// The Go collector writes UTC's wall clock into a session whose zone is the server's.
#[test]
fn in_a_timestamp_table_rows_of_the_go_collector_lie_apart_unless_the_server_is_in_utc() {
    write(&database("himarket_old", &table::narrow()), &[at(0)]);
    server()
        .sql(
            "USE himarket_old; SET time_zone = '+08:00';
             INSERT INTO access_logs (start_time, method) VALUES ('2026-03-23 02:00:00', 'OLD')",
        )
        .unwrap();
    let select = "SELECT start_time FROM access_logs ORDER BY id";
    let times = |zone| Asker::new("himarket_old", zone).ask(select).unwrap().rows;
    assert_eq!(
        times("+08:00"),
        [
            texts(["2026-03-23 10:00:00"]),
            texts(["2026-03-23 02:00:00"])
        ]
    );
    // The statement of the page moves them.
    let statement = block("rows of the Go collector in a TIMESTAMP column")
        .replace("higress_poc", "himarket_old")
        .replace("< 2", "> 1");
    server().sql(&statement).unwrap();
    assert_eq!(
        times("+00:00"),
        [
            texts(["2026-03-23 02:00:00"]),
            texts(["2026-03-23 02:00:00"])
        ]
    );
}

#[test]
fn of_the_last_second_of_a_window_milliseconds_show_only_its_beginning() {
    for (schema, expected) in [(table::OWN.to_owned(), "2"), (table::seed(), "3")] {
        write(
            &database("himarket_last_second", &schema),
            &[at(0), at(59_000), at(59_500), at(60_000)],
        );
        let mut asker = Asker::new("himarket_last_second", "+00:00");
        let count = asker.value(&MINUTE.fill("SELECT COUNT(*) FROM access_logs WHERE {where}"));
        assert_eq!(count.as_deref(), Some(expected));
    }
}

#[test]
fn redirects_and_not_modified_are_no_successes() {
    let codes = [200, 204, 302, 304];
    let records: Vec<_> = codes
        .into_iter()
        .map(|code| AccessRecord {
            response_code: Some(code),
            ..at(0)
        })
        .collect();
    write(&database("himarket_redirects", &table::seed()), &records);
    let mut asker = Asker::new("himarket_redirects", "+00:00");
    let rows = asker.scenario("success_rate", &MINUTE).rows;
    assert_eq!(rows, [texts(["2026-03-23 02:00:00", "0.5000"])]);
}

#[test]
fn a_list_of_options_ends_at_100_values() {
    let records: Vec<_> = (0..130)
        .map(|number| AccessRecord {
            consumer: Some(format!("consumer {number}").into()),
            ..at(0)
        })
        .collect();
    write(&database("himarket_options", &table::seed()), &records);
    let mut asker = Asker::new("himarket_options", "+00:00");
    let options = asker.scenario("filter_consumer_options", &MINUTE).rows;
    assert_eq!(options.len(), super::options::MOST);
    let tokens = asker.scenario("consumer_token_table", &MINUTE).rows;
    assert_eq!(tokens.len(), 130);
}

#[test]
fn what_is_absent_is_no_group_and_no_visitor_as_it_was_with_the_go_collector() {
    write(&database("himarket_absent", &table::seed()), &[at(0)]);
    let mut asker = Asker::new("himarket_absent", "+00:00");
    let visitors = "SELECT COUNT(DISTINCT x_forwarded_for) FROM access_logs WHERE {where}";
    let visitors = MINUTE.fill(visitors);
    assert_eq!(asker.scenario("model_token_table", &MINUTE).rows.len(), 0);
    assert_eq!(asker.value(&visitors).as_deref(), Some("0"));
    assert_eq!(asker.scenario("token_total", &MINUTE).rows, [[None]]);
    // As the Go collector writes the same request.
    server()
        .sql(
            "INSERT INTO himarket_absent.access_logs
               (start_time, x_forwarded_for, model, input_tokens, output_tokens, total_tokens)
             VALUES ('2026-03-23 02:00:00', '', '', 0, 0, 0)",
        )
        .unwrap();
    let models = asker.scenario("model_token_table", &MINUTE).rows;
    assert_eq!(models, [texts(["", "0", "0", "0", "1"])]);
    assert_eq!(asker.value(&visitors).as_deref(), Some("1"));
}

#[test]
fn a_model_that_is_null_in_ai_log_counts_as_a_model() {
    let records: Vec<_> = [r#"{"model":null}"#, r#"{"model":""}"#, "{}"]
        .into_iter()
        .map(|ai_log| AccessRecord {
            ai_log: Some(ai_log.into()),
            ..at(0)
        })
        .collect();
    write(&database("himarket_null_model", &table::seed()), &records);
    let mut asker = Asker::new("himarket_null_model", "+00:00");
    assert_eq!(asker.scenario("pv", &MINUTE).rows, [texts(["1"])]);
}

#[test]
fn only_one_of_the_words_for_a_denial_is_counted() {
    let records: Vec<_> = ["reqeust deny", "request deny", "response deny"]
        .into_iter()
        .map(|status| AccessRecord {
            ai_log: Some(format!(r#"{{"safecheck_status":"{status}"}}"#).into()),
            consumer: Some("team-a".into()),
            ..at(0)
        })
        .collect();
    write(&database("himarket_denials", &table::seed()), &records);
    let mut asker = Asker::new("himarket_denials", "+00:00");
    let rows = asker.scenario("risk_consumer_table", &MINUTE).rows;
    assert_eq!(rows, [texts(["team-a", "1"])]);
}

/// The statements of the page that stand below `<!-- test: NAME -->`.
pub(super) fn block(name: &str) -> String {
    const PAGE: &str = include_str!("../../../../../docs/himarket.md");
    let (_, behind) = PAGE
        .split_once(&format!("<!-- test: {name} -->"))
        .unwrap_or_else(|| panic!("docs/himarket.md has no block {name}"));
    let (_, behind) = behind.split_once("```sql\n").unwrap();
    let (statements, _) = behind.split_once("```").unwrap();
    statements.to_owned()
}
