//! `GET /query` on rows of every origin.

use serde_json::{Value, json};

use super::{Collector, FORMS, Form, collector, collector_with};

/// Rows as the Go collector left them ('' for nothing, JSON's null), and with every NULL there can be.
fn with_old_rows(collector: &Collector) {
    let moment = collector.form.moment("2026-03-23 02:10:01");
    collector.wait_for_log("connected to the database").unwrap();
    collector.sql(&format!(
        "INSERT INTO access_logs (start_time, request_id, path, method, response_code, ai_log)
           VALUES ({moment}, 'old', '', 'GET', 0, 'null'), ({moment}, 'nulls', NULL, NULL, NULL, NULL)"
    ));
}

/// Row 28.
#[test]
fn rows_with_nulls_are_shown_and_counted() {
    for form in FORMS {
        for (name, config, text, number) in [
            ("nulls", "", Value::Null, Value::Null),
            (
                "nulls_compat",
                "compat: { empty_strings: true }\n",
                json!(""),
                json!(0),
            ),
        ] {
            let collector = collector_with(name, form, config, "");
            with_old_rows(&collector);
            let answer = collector.wait_for_rows("sort_by=method", 2).unwrap();
            let logs = answer["logs"].as_array().unwrap();
            assert_eq!(logs.len(), 2, "{form:?}");
            for row in logs {
                assert_eq!(row.as_object().unwrap().len(), 37);
                assert_eq!((&row["path"], &row["ai_log"]), (&text, &Value::Null));
                assert_eq!(row["input_tokens"], number);
                assert_eq!(row["start_time"], "2026-03-23T02:10:01.000Z");
            }
            // Rows without a value are last.
            let methods = (&logs[0]["method"], &logs[1]["method"]);
            assert_eq!(methods, (&json!("GET"), &text));
            assert_eq!(logs[0]["response_code"], 0);
        }
    }
}

/// Rows whose values are told apart by each filter.
fn items() -> Vec<Value> {
    let item = |id: &str, more: Value| {
        let mut item = json!({"start_time": "2026-03-23T02:10:01Z", "request_id": id});
        let (Value::Object(item_keys), Value::Object(more)) = (&mut item, more) else {
            unreachable!()
        };
        item_keys.extend(more);
        item
    };
    vec![
        item(
            "auth",
            json!({"authority": "one.example", "service": "two.example"}),
        ),
        item(
            "serv",
            json!({"authority": "two.example", "service": "one.example"}),
        ),
        item("path1", json!({"path": "/v1/a_b?x=100%25"})),
        item("path2", json!({"path": "/v1/aXb"})),
        item("path3", json!({"path": "/v2/v1/100% \\ 'q'"})),
        item("ok", json!({"response_code": 204, "duration": 5})),
        item(
            "bad",
            json!({"response_code": 503, "duration": 60_000, "response_flags": "UF,URX"}),
        ),
        item(
            "flag",
            json!({"response_code": 599, "response_flags": "URX"}),
        ),
        item(
            "ai1",
            json!({"ai_log": {"response_type": "stream", "chat_round": 3}}),
        ),
        item(
            "ai2",
            json!({"ai_log": {"response_type": "normal", "deep": {"response_type": "stream"}}}),
        ),
        item(
            "later",
            json!({"start_time": "2026-03-23T02:10:05Z", "trace_id": "t-1"}),
        ),
        item(
            "names",
            json!({"api": "api-1", "model": "m-1", "consumer": "c-1", "route": "r-1",
                   "route_name": "rn-1", "upstream_cluster": "up-1", "mcp_server": "ms-1",
                   "mcp_tool": "mt-1", "instance_id": "i-1", "method": "PATCH"}),
        ),
    ]
}

/// Rows 29, 30 and 32.
#[test]
fn every_filter_finds_its_rows_and_no_others() {
    for form in FORMS {
        let collector = collector("filters", form);
        collector.ingest(json!(items()).to_string()).unwrap();
        collector.wait_for_rows("", 12).unwrap();
        for (parameters, expected) in [
            // 29
            ("authority=one.example", "auth"),
            ("service=one.example", "serv"),
            ("authority=one.example&service=one.example", ""),
            // 30
            ("path=/v1/", "path1 path2 path3"),
            ("path_like=/v1/", "path1 path2 path3"),
            ("path_prefix=/v1/", "path1 path2"),
            ("path_exact=/v1/aXb", "path2"),
            ("path_exact=/v1/a", ""),
            ("path=a_b", "path1"),
            ("path_prefix=/v1/a_", "path1"),
            ("path=100%25", "path1 path3"),
            ("path=100%2525", "path1"),
            ("path=%5C", "path3"),
            ("path=%27q%27", "path3"),
            // 32
            ("request_id=ok", "ok"),
            ("request_id=o", ""),
            ("status_class=5xx", "bad flag"),
            ("status_class=2xx", "ok"),
            ("status=503", "bad"),
            ("response_code=204", "ok"),
            ("response_flags=URX", "bad flag"),
            ("response_flags=URX,UF", "bad"),
            ("response_flags=U", ""),
            ("min_duration=6", "bad"),
            ("max_duration=5", "ok"),
            ("min_duration=5&max_duration=5", "ok"),
            ("ai_log.response_type=stream", "ai1"),
            ("ai_log.response_type=normal&ai_log.chat_round=3", ""),
            ("ai_log.chat_round=3", "ai1"),
            ("ai_log.other=stream", ""),
            ("trace_id=t-1", "later"),
            ("api=api-1", "names"),
            ("model=m-1&consumer=c-1", "names"),
            ("route=r-1&route_name=rn-1", "names"),
            ("route=rn-1", ""),
            (
                "upstream_cluster=up-1&mcp_server=ms-1&mcp_tool=mt-1",
                "names",
            ),
            ("instance_id=i-1&method=PATCH&bizType=MCP_SERVER", "names"),
        ] {
            assert_eq!(
                collector.found(parameters),
                expected,
                "{form:?} {parameters}"
            );
        }
    }
}

/// Row 27, the reading half.
#[test]
fn times_mean_the_same_in_every_form_and_both_ends_belong() {
    for form in FORMS {
        let collector = collector("times", form);
        collector.ingest(json!(items()).to_string()).unwrap();
        collector.wait_for_rows("", 12).unwrap();
        for moment in [
            "2026-03-23T02:10:05Z",
            "2026-03-23T10:10:05%2B08:00",
            "2026-03-23T10:10:05+08:00",
            "2026-03-23%2002:10:05",
            "1774231805",
            "1774231805000",
        ] {
            for from in ["start", "start_time"] {
                let parameters = format!("{from}={moment}");
                assert_eq!(
                    collector.found(&parameters),
                    "later",
                    "{form:?} {parameters}"
                );
            }
            for to in ["end", "end_time"] {
                let parameters = format!("start={moment}&{to}={moment}");
                assert_eq!(
                    collector.found(&parameters),
                    "later",
                    "{form:?} {parameters}"
                );
                let before = collector.query(&format!("{to}=2026-03-23T02:10:04.999Z"));
                assert_eq!(before.unwrap()["total"], 11, "{form:?}");
            }
        }
    }
}

/// Row 31.
#[test]
fn nonsense_is_refused_with_a_reason() {
    let collector = collector("nonsense", Form::A);
    with_old_rows(&collector);
    for (parameters, reason) in [
        ("colour=red", "colour: no such parameter"),
        ("end_tiem=2026-03-23", "end_tiem: no such parameter"),
        (
            "response_code=abc",
            "response_code: \"abc\" is not a whole number",
        ),
        ("status=2e2", "status: \"2e2\" is not a whole number"),
        (
            "min_duration=1.5",
            "min_duration: \"1.5\" is not a whole number",
        ),
        (
            "start_time=garbage",
            "start_time: \"garbage\" is not a time",
        ),
        (
            "end=2026-02-30T00:00:00Z",
            "end: \"2026-02-30T00:00:00Z\" is not a time",
        ),
        ("page=0", "page: 0 is not from 1"),
        (
            "page=9223372036854775807",
            "page: \"9223372036854775807\" is not",
        ),
        ("page_size=101", "page_size: 101 is not from 1 to 100"),
        ("page=20000&page_size=100", "pages by number end at row"),
        ("sort_by=ai_log", "sort_by: \"ai_log\" is none of"),
        ("sort_order=up", "sort_order: \"up\" is none of"),
        ("status_class=6xx", "status_class: \"6xx\" is none of"),
        ("cursor=zzz", "cursor: not one"),
    ] {
        let (status, body) = collector.get(&format!("/query?{parameters}")).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 400, "{parameters}: {body}");
        assert_eq!(
            (&answer["total"], &answer["logs"]),
            (&json!(0), &Value::Null)
        );
        assert_eq!(answer["status"], "error");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(reason), "{parameters}: {error}");
    }
}

/// Rows 33 and 34, with collations for which upper and lower case are alike.
#[test]
fn a_cursor_shows_every_row_once_while_rows_come_in() {
    let item = |number: u64| {
        let path = ["/a", "/A", "/b", "/ä", "/a "][usize::try_from(number % 5).unwrap()];
        json!({"start_time": format!("2026-03-23T02:10:0{}Z", number % 3), "path": path,
               "request_id": number.to_string(), "duration": number % 4})
    };
    let items = |numbers: std::ops::Range<u64>| -> String {
        Value::from(numbers.map(item).collect::<Vec<_>>()).to_string()
    };
    for form in FORMS {
        let collector = collector("cursor", form);
        collector.ingest(items(0..90)).unwrap();
        let mut stored = 90;
        for sort in ["start_time", "path", "duration", "authority"] {
            for order in ["asc", "desc"] {
                collector.wait_for_rows("", stored).unwrap();
                let mut seen = Vec::new();
                let mut cursor = String::new();
                loop {
                    let page = collector
                        .query(&format!(
                            "sort_by={sort}&sort_order={order}&page_size=20&count=none{cursor}"
                        ))
                        .unwrap();
                    assert!(page["total"].is_null());
                    let ids = page["logs"].as_array().unwrap().iter();
                    seen.extend(ids.map(|row| row["request_id"].as_str().unwrap().to_owned()));
                    let Some(next) = page["next_cursor"].as_str() else {
                        break;
                    };
                    cursor = format!("&cursor={next}");
                    // They shift every page by number.
                    collector.ingest(items(stored..stored + 1)).unwrap();
                    stored += 1;
                    collector.wait_for_rows("", stored).unwrap();
                }
                let count = seen.len();
                let mut unique = seen.clone();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), count, "{form:?} {sort} {order}: twice");
                let all_old = (0..90).all(|number: u64| unique.contains(&number.to_string()));
                assert!(all_old, "{form:?} {sort} {order}: {seen:?}");
            }
        }
    }
}
