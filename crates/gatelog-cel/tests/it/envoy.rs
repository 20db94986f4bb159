//! Every row of `testdata/envoy_1_40.json` is as the real Envoy 1.40.0 printed it with `%CEL()%` for
//! one request, `GET /p?q=1` answered directly with 200.

use gatelog_cel::{Attributes, Expression, Value};
use serde_json::Value as Json;

struct Request;

const HEADERS: [(&str, &str); 10] = [
    (":authority", "example.com"),
    (":path", "/p?q=1"),
    (":method", "GET"),
    (":scheme", "http"),
    ("x-a", "one,two"),
    ("x-n", "42"),
    ("x-e", ""),
    ("user-agent", "curl"),
    ("x-forwarded-proto", "http"),
    ("x-request-id", "53eea76d-4623-4b65-8fa8-db67173390a1"),
];

fn namespace() -> Value<'static> {
    let list = vec![Value::Double(1.0), Value::text("two"), Value::Null];
    let object = vec![(Value::text("k"), Value::text("v"))];
    Value::Map(vec![
        (Value::text("a"), Value::text("text")),
        (Value::text("n"), Value::Double(7.0)),
        (Value::text("f"), Value::Double(1.25)),
        (Value::text("b"), Value::Bool(true)),
        (Value::text("l"), Value::List(list)),
        (Value::text("o"), Value::Map(object)),
    ])
}

#[expect(
    clippy::match_same_arms,
    reason = "a table, in the order of the attributes"
)]
impl Attributes for Request {
    fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        Some(match path {
            ["request", "headers"] => {
                let entry = |(name, value): &(&'static str, &'static str)| {
                    (Value::text(name), Value::text(value))
                };
                Value::Map(HEADERS.iter().map(entry).collect())
            }
            // As a service does that has it: `host` is another name of `:authority`.
            ["request", "headers", "host"] => Value::text("example.com"),
            ["request", "headers", name] => {
                let is_it = |header: &&(&str, &str)| header.0.eq_ignore_ascii_case(name);
                Value::text(HEADERS.iter().find(is_it)?.1)
            }
            ["request", "path"] => Value::text("/p?q=1"),
            ["request", "url_path"] => Value::text("/p"),
            ["request", "host"] => Value::text("example.com"),
            ["request", "scheme"] => Value::text("http"),
            ["request", "method"] => Value::text("GET"),
            ["request", "useragent"] => Value::text("curl"),
            ["request", "time"] => Value::Timestamp(1_795_298_060_484_325_000),
            ["request", "id"] => Value::text(HEADERS[9].1),
            ["request", "protocol"] => Value::text("HTTP/1.1"),
            ["request", "query"] => Value::text("q=1"),
            ["request", "duration"] => Value::Duration(272_113),
            ["request", "total_size"] => Value::Int(156),
            ["response"] | ["response", "trailers"] => Value::Map(vec![]),
            ["response", "code"] => Value::Int(200),
            ["response", "code_details"] => Value::text("direct_response"),
            ["request" | "response", "size"] => {
                Value::Int(if path[0] == "request" { 0 } else { 2 })
            }
            ["response", "total_size"] => Value::Int(108),
            ["response", "flags"] => Value::Int(0),
            ["response", "grpc_status"] => Value::Int(2),
            ["response", "headers", "content-type"] => Value::text("text/plain"),
            ["source", "address"] => Value::text("127.0.0.1:39796"),
            ["source", "port"] => Value::Int(39_796),
            ["destination", "address"] => Value::text("127.0.0.1:35291"),
            ["destination", "port"] => Value::Int(35_291),
            ["connection", "mtls"] => Value::Bool(false),
            ["connection", "id"] => Value::Uint(0),
            ["connection", "requested_server_name"] | ["xds", "route_name"] => Value::text(""),
            ["upstream", "request_attempt_count"] => Value::Uint(0),
            ["xds", "listener_direction"] => Value::Int(0),
            ["xds", "virtual_host_name"] => Value::text("v"),
            ["metadata", "filter_metadata"] => Value::Map(vec![(Value::text("m.ns"), namespace())]),
            _ => return None,
        })
    }
}

#[test]
fn expressions_come_to_what_envoy_prints() {
    let rows: Vec<Json> =
        serde_json::from_str(include_str!("../../testdata/envoy_1_40.json")).unwrap();
    assert!(rows.len() > 200);
    let mut wrong = Vec::new();
    for row in &rows {
        let text = row["expression"].as_str().unwrap();
        let found = match Expression::parse(text) {
            Err(_) => "refused".to_owned(),
            Ok(expression) => match expression.evaluate(&Request) {
                Err(_) => "error".to_owned(),
                Ok(value) => format!("={value}"),
            },
        };
        let expected = match row["text"].as_str() {
            Some(text) => format!("={text}"),
            None if row["refused"] == true => "refused".to_owned(),
            None => "error".to_owned(),
        };
        if found != expected {
            wrong.push(format!("{text}: found {found}, Envoy {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_refused_names_the_place_and_the_reason() {
    for (text, position, reason) in [
        ("", 0, "expected a value, found the end"),
        ("1+", 2, "expected a value, found the end"),
        ("a = b", 2, "equality is `==`"),
        ("a.exists(x, x)", 2, "as in Envoy"),
        ("type(1)", 0, "types are not supported"),
        ("x.getHour()", 2, "getHours"),
        ("'a", 0, "no closing quote"),
        (r"'a\q'", 2, "an escape is one of"),
        ("'a'.matches('(')", 12, "not a regular expression"),
        ("T{a: 1}", 1, "messages"),
        ("for", 0, "reserved"),
        ("has(a)", 4, "takes a field"),
        ("9223372036854775808", 0, "too large"),
        ("1.5u", 3, "no `u`"),
        ("size()", 0, "so many arguments"),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.message.contains(reason), "{text}: {error}");
    }
}

#[test]
fn string_is_there_although_envoy_refuses_it() {
    let expression = Expression::parse("string(response.code).startsWith('2')").unwrap();
    assert!(expression.is_true(&Request));
}
