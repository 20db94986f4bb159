//! The parameters of `GET /query`, read into a question for a store. Open to the fuzz targets only.

use std::collections::HashSet;
use std::str::FromStr;

use gatelog_record::{Field, Timestamp};
use gatelog_store::{Condition, Cursor, Paging, Query, Sort};

/// Rows in a page when nothing is said, and the most that may be asked for.
const DEFAULT_PAGE_SIZE: u32 = 10;
const MAX_PAGE_SIZE: u32 = 100;

/// The most behind a cursor: who follows one reads everything, and a page costs more than its rows.
const MAX_CURSOR_PAGE_SIZE: u32 = 1000;

/// Bytes in a key of `ai_log`.
const MAX_KEY_BYTES: usize = 64;

/// Fields by which rows may be sorted.
const SORTABLE: [Field; 10] = [
    Field::StartTime,
    Field::ResponseCode,
    Field::Duration,
    Field::Authority,
    Field::Method,
    Field::Path,
    Field::BytesReceived,
    Field::BytesSent,
    Field::UpstreamCluster,
    Field::RouteName,
];

/// What was asked, and how it is to be shown.
#[derive(Debug, PartialEq)]
pub struct Parameters {
    /// The question for the store.
    pub query: Query,
    /// Every key of the record, not only the columns of the seed's table.
    pub all_fields: bool,
}

/// Reads a query string.
///
/// # Errors
/// What is wrong, naming the parameter and what is allowed; the asker mends it.
pub fn read(query_string: &str) -> Result<Parameters, String> {
    let mut parameters = Parameters {
        query: Query::default(),
        all_fields: false,
    };
    let (mut page, mut cursor, mut sort_by, mut descending) = (None, None, None, None);
    parameters.query.page_size = DEFAULT_PAGE_SIZE;
    let mut names = HashSet::new();
    for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
        let (name, value) = (name.as_ref(), value.as_ref());
        // An empty value is a form field left empty.
        if value.is_empty() {
            known(name)?;
            continue;
        }
        if !names.insert(name.to_owned()) {
            return Err(format!("{name}: given twice; which one is meant?"));
        }
        match name {
            "page" => page = Some(number_from_1(name, value)?),
            "page_size" => parameters.query.page_size = number(name, value)?,
            "cursor" => {
                let wrong = || "cursor: not one that an answer gave as next_cursor".to_owned();
                cursor = Some(Cursor::parse(value).ok_or_else(wrong)?);
            }
            "sort_by" => sort_by = Some(sortable(value)?),
            "sort_order" => {
                descending = Some(one_of(name, &value.to_lowercase(), &["asc", "desc"])? == "desc");
            }
            "count" => parameters.query.count = one_of(name, value, &["exact", "none"])? == "exact",
            "fields" => parameters.all_fields = one_of(name, value, &["all", "columns"])? == "all",
            _ => condition(name, value, &mut parameters.query.conditions)?,
        }
    }
    parameters.query.sort = Sort {
        field: sort_by.unwrap_or(Field::StartTime),
        descending: descending.unwrap_or(true),
    };
    let most = match cursor {
        Some(_) => MAX_CURSOR_PAGE_SIZE,
        None => MAX_PAGE_SIZE,
    };
    if !(1..=most).contains(&parameters.query.page_size) {
        return Err(format!(
            "page_size: {} is not from 1 to {MAX_PAGE_SIZE}, or with a cursor to \
             {MAX_CURSOR_PAGE_SIZE}",
            parameters.query.page_size
        ));
    }
    match (page, cursor) {
        (Some(_), Some(_)) => return Err("page and cursor: only one of them".to_owned()),
        (None, Some(cursor)) => {
            let says_otherwise = sort_by.is_some_and(|field| field != cursor.sort.field)
                || descending.is_some_and(|descending| descending != cursor.sort.descending);
            if says_otherwise {
                return Err("cursor: it belongs to another sort_by or sort_order".to_owned());
            }
            parameters.query.sort = cursor.sort;
            parameters.query.paging = Paging::After(cursor);
        }
        (page, None) => parameters.query.paging = Paging::Number(page.unwrap_or(1)),
    }
    Ok(parameters)
}

/// A parameter that narrows the rows down.
fn condition(name: &str, value: &str, conditions: &mut Vec<Condition>) -> Result<(), String> {
    let text = |field| Condition::TextIs(field, value.to_owned());
    let condition = match name {
        "start_time" | "start" => Condition::From(moment(name, value)?),
        "end" | "end_time" => Condition::To(moment(name, value)?),
        "authority" => text(Field::Authority),
        "service" => text(Field::Service),
        "method" => text(Field::Method),
        "path" | "path_like" => Condition::TextContains(Field::Path, value.to_owned()),
        "path_exact" => text(Field::Path),
        "path_prefix" => Condition::TextStartsWith(Field::Path, value.to_owned()),
        "response_code" | "status" => {
            Condition::IntegerIs(Field::ResponseCode, number(name, value)?)
        }
        "status_class" => {
            let class = one_of(name, value, &["1xx", "2xx", "3xx", "4xx", "5xx"])?;
            let first = i64::from(class.as_bytes().first().map_or(0, |digit| digit - b'0')) * 100;
            conditions.push(Condition::IntegerFrom(Field::ResponseCode, first));
            Condition::IntegerTo(Field::ResponseCode, first + 99)
        }
        "response_flags" => {
            let flags = value
                .split(',')
                .map(str::trim)
                .filter(|flag| !flag.is_empty());
            conditions.extend(flags.map(|flag| Condition::HasFlag(flag.to_owned())));
            return Ok(());
        }
        "trace_id" => text(Field::TraceId),
        "request_id" => text(Field::RequestId),
        "instance_id" => text(Field::InstanceId),
        "api" => text(Field::Api),
        "model" => text(Field::Model),
        "consumer" => text(Field::Consumer),
        "route" => text(Field::Route),
        "route_name" => text(Field::RouteName),
        "upstream_cluster" => text(Field::UpstreamCluster),
        "mcp_server" => text(Field::McpServer),
        "mcp_tool" => text(Field::McpTool),
        "min_duration" => Condition::IntegerFrom(Field::Duration, number(name, value)?),
        "max_duration" => Condition::IntegerTo(Field::Duration, number(name, value)?),
        // The reference only logs it.
        "bizType" => return Ok(()),
        _ => match name.strip_prefix(AI_LOG_PREFIX) {
            Some(key) => {
                known(name)?;
                Condition::JsonIs(Field::AiLog, key.to_owned(), value.to_owned())
            }
            None => return known(name),
        },
    };
    conditions.push(condition);
    Ok(())
}

/// Every parameter there is, for the message about one that there is not.
const NAMES: &str = "start_time, start, end, end_time, authority, service, method, path, path_like, \
    path_exact, path_prefix, response_code, status, status_class, response_flags, trace_id, \
    request_id, instance_id, api, model, consumer, route, route_name, upstream_cluster, mcp_server, \
    mcp_tool, min_duration, max_duration, bizType, page, page_size, cursor, sort_by, sort_order, \
    count, fields, ai_log.KEY";

/// What stands before a key of `ai_log`.
const AI_LOG_PREFIX: &str = "ai_log.";

fn known(name: &str) -> Result<(), String> {
    let is_key = |key: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(fits)
    };
    if let Some(key) = name.strip_prefix(AI_LOG_PREFIX) {
        return if is_key(key) {
            Ok(())
        } else {
            Err(format!(
                "{name}: a key of ai_log is 1 to {MAX_KEY_BYTES} letters, digits, `_`, `-` and `.`"
            ))
        };
    }
    if NAMES.split(", ").any(|known| known == name) {
        return Ok(());
    }
    Err(format!("{name}: no such parameter; there are {NAMES}"))
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name}: {value:?} is not a whole number"))
}

fn number_from_1(name: &str, value: &str) -> Result<u32, String> {
    match number(name, value)? {
        0 => Err(format!("{name}: 0 is not from 1 on")),
        number => Ok(number),
    }
}

fn moment(name: &str, value: &str) -> Result<Timestamp, String> {
    // In a query string `+` is a blank, which in a time can only have been an offset's sign.
    let with_sign = value.replacen(' ', "+", usize::from(value.contains('T')));
    Timestamp::parse(&with_sign).ok_or_else(|| {
        format!(
            "{name}: {value:?} is not a time (RFC 3339, `yyyy-MM-dd HH:mm:ss` in UTC, or epoch \
             seconds or milliseconds)"
        )
    })
}

fn one_of<'a>(name: &str, value: &'a str, allowed: &[&str]) -> Result<&'a str, String> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(format!(
        "{name}: {value:?} is none of {}",
        allowed.join(", ")
    ))
}

fn sortable(value: &str) -> Result<Field, String> {
    SORTABLE
        .into_iter()
        .find(|field| field.name() == value)
        .ok_or_else(|| {
            let names = SORTABLE.map(Field::name).join(", ");
            format!("sort_by: {value:?} is none of {names}")
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn conditions(query: &str) -> Vec<Condition> {
        read(query).unwrap().query.conditions
    }

    #[test]
    fn nothing_asks_for_the_newest_ten() {
        let parameters = read("").unwrap();
        assert_eq!(
            parameters,
            Parameters {
                query: Query::default(),
                all_fields: false
            }
        );
    }

    #[test]
    fn every_parameter_in_the_list_is_known_and_every_known_one_is_in_the_list() {
        for name in NAMES.split(", ") {
            let value = match name {
                "start_time" | "start" | "end" | "end_time" => "2026-03-23T02:10:01Z",
                "status_class" => "5xx",
                "cursor" => "d1-1-n",
                "sort_by" => "duration",
                "sort_order" => "asc",
                "count" => "none",
                "fields" => "all",
                _ => "7",
            };
            let read = read(&format!("{name}={value}"));
            assert!(read.is_ok(), "{name}: {read:?}");
            assert_ne!(
                read.unwrap()
                    == Parameters {
                        query: Query::default(),
                        all_fields: false
                    },
                name != "bizType",
                "{name} has an effect"
            );
        }
    }

    #[test]
    fn times_are_read_in_every_form_with_a_plus_as_it_is_or_escaped() {
        let from = Condition::From(Timestamp::from_millis(1_774_231_801_000));
        for text in [
            "2026-03-23T02:10:01Z",
            "2026-03-23 02:10:01",
            "2026-03-23+02:10:01",
            "2026-03-23T10:10:01%2B08:00",
            "2026-03-23T10:10:01+08:00",
            "1774231801",
            "1774231801000",
        ] {
            assert_eq!(
                conditions(&format!("start={text}")),
                std::slice::from_ref(&from),
                "{text}"
            );
        }
    }

    #[test]
    fn a_status_class_is_a_range_and_flags_are_asked_for_one_by_one() {
        assert_eq!(
            conditions("status_class=5xx"),
            [
                Condition::IntegerFrom(Field::ResponseCode, 500),
                Condition::IntegerTo(Field::ResponseCode, 599)
            ]
        );
        assert_eq!(
            conditions("response_flags=UF,URX"),
            [
                Condition::HasFlag("UF".into()),
                Condition::HasFlag("URX".into())
            ]
        );
    }

    #[test]
    fn empty_values_ask_for_nothing_but_their_names_must_exist() {
        assert_eq!(conditions("api=&path=&page=&ai_log.x="), []);
        assert_eq!(conditions("api=&api=x&api=").len(), 1);
        assert!(read("apii=").is_err());
    }

    #[test]
    fn a_page_behind_a_cursor_may_be_larger() {
        let parameters = read("page_size=1000&cursor=d1-1-n").unwrap();
        assert_eq!(parameters.query.page_size, 1000);
        assert!(read("page_size=1000&page=2").is_err());
        assert!(read("page_size=1000").is_err());
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (query, begin) in [
            (
                "colour=red",
                "colour: no such parameter; there are start_time, ",
            ),
            (
                "response_code=abc",
                "response_code: \"abc\" is not a whole number",
            ),
            ("start=garbage", "start: \"garbage\" is not a time"),
            ("page=0", "page: 0 is not from 1 on"),
            (
                "page=9223372036854775807",
                "page: \"9223372036854775807\" is not a whole number",
            ),
            (
                "page_size=0",
                "page_size: 0 is not from 1 to 100, or with a cursor to 1000",
            ),
            (
                "page_size=101",
                "page_size: 101 is not from 1 to 100, or with a cursor to 1000",
            ),
            (
                "page_size=1001",
                "page_size: 1001 is not from 1 to 100, or with a cursor to 1000",
            ),
            (
                "page_size=1001&cursor=d1-1-n",
                "page_size: 1001 is not from 1 to 100, or with a cursor to 1000",
            ),
            ("model=a&page=1&model=a", "model: given twice"),
            ("ai_log.x=1&ai_log.x=2", "ai_log.x: given twice"),
            (
                "sort_by=ai_log",
                "sort_by: \"ai_log\" is none of start_time, ",
            ),
            ("sort_order=up", "sort_order: \"up\" is none of asc, desc"),
            ("count=maybe", "count: \"maybe\" is none of exact, none"),
            ("status_class=6xx", "status_class: \"6xx\" is none of 1xx"),
            ("cursor=zzz", "cursor: not one"),
            ("ai_log.=x", "ai_log.: a key of ai_log is"),
            ("ai_log.a%22b=x", "ai_log.a\"b: a key of ai_log is"),
            ("ai_log=x", "ai_log: no such parameter; there are "),
            ("cursor=d1-1-n&page=2", "page and cursor: only one of them"),
            (
                "cursor=d1-1-n&sort_order=asc",
                "cursor: it belongs to another",
            ),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.starts_with(begin), "{query}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_query_string_panics(query in "([a-z_]{1,12}|page|cursor|start|status_class|=|&|%|[0-9a-f]{2}|é){0,12}") {
            drop(read(&query));
        }
    }
}
