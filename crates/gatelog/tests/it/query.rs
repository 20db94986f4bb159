//! `GET /query`: the reference's parameters and answers.

use serde_json::{Value, json};

use crate::service::{TestService, lines, start, start_with};

fn filled() -> TestService {
    let service = start();
    assert_eq!(service.ingest(lines(0..250)).unwrap().0, 200);
    service.wait_for_rows("", 250).unwrap();
    service
}

#[test]
fn the_answer_has_the_references_shape() {
    let service = filled();
    let answer = service.query("").unwrap();
    assert_eq!(
        (&answer["total"], &answer["status"]),
        (&json!(250), &json!("success"))
    );
    let logs = answer["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 10);
    let row = logs[0].as_object().unwrap();
    assert_eq!(row.len(), 37);
    assert_eq!(row["start_time"], "2026-03-23T02:10:01.217Z");
    assert!(row["ai_log"].is_object() && row["duration"].is_i64());
}

#[test]
fn every_filter_narrows_the_rows_to_those_that_fit() {
    let service = filled();
    let rows = service.all_rows("").unwrap();
    for field in [
        "authority",
        "service",
        "method",
        "response_code",
        "trace_id",
        "request_id",
        "instance_id",
        "api",
        "model",
        "consumer",
        "route",
        "route_name",
        "upstream_cluster",
        "mcp_server",
        "mcp_tool",
    ] {
        let value = &rows[7][field];
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let expected = rows.iter().filter(|row| row[field] == *value).count();
        let found = service.query(&format!("{field}={escaped}")).unwrap();
        assert_eq!(found["total"], json!(expected), "{field}={text}");
        assert!(expected > 0 && found["logs"][0][field] == *value);
    }
    let with = |keep: &dyn Fn(&Value) -> bool| json!(rows.iter().filter(|row| keep(row)).count());
    let total = |query: &str| service.query(query).unwrap()["total"].clone();
    let path = |row: &Value, part: &str| row["path"].as_str().unwrap().contains(part);
    assert_eq!(total("path=n%3D12"), with(&|row| path(row, "n=12")));
    assert_eq!(total("path=%25"), 0, "a percent sign means itself");
    assert_eq!(total("path_prefix=/v1/chat"), 250);
    assert_eq!(total("path_exact=/v1/chat/completions?n%3D12"), 1);
    assert_eq!(
        total("status_class=5xx"),
        with(&|row| row["response_code"].as_i64().unwrap() / 100 == 5)
    );
    assert_eq!(
        total("response_flags=UH"),
        with(&|row| row["response_flags"] == "UH")
    );
    assert_eq!(
        total("min_duration=1000&max_duration=2000"),
        with(&|row| (1000..=2000).contains(&row["duration"].as_i64().unwrap()))
    );
    assert_eq!(
        total("start=2026-03-23T02:10:01.217Z&end=2026-03-23T02:10:01.217Z"),
        json!(250)
    );
    assert_eq!(total("start=2026-03-23T02:10:02Z"), 0);
    assert_eq!(total("end_time=2026-03-23%2002:10:01"), 0);
}

#[test]
fn pages_by_number_and_by_cursor_show_every_row_once() {
    let service = filled();
    for sort in ["start_time", "duration", "path"] {
        let mut by_number = Vec::new();
        for page in 1..=3 {
            let query = format!("sort_by={sort}&sort_order=asc&page_size=100&page={page}");
            by_number.extend(
                service.query(&query).unwrap()["logs"]
                    .as_array()
                    .unwrap()
                    .clone(),
            );
        }
        let by_cursor = service.all_rows(&format!("sort_by={sort}")).unwrap();
        let ids = |rows: &[Value]| -> Vec<String> {
            rows.iter()
                .map(|row| row["request_id"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(ids(&by_number), ids(&by_cursor), "{sort}");
        let mut unique = ids(&by_cursor);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 250, "{sort}");
        let values: Vec<_> = by_cursor.iter().map(|row| row[sort].clone()).collect();
        assert!(values.is_sorted_by(|a, b| match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a <= b,
            _ => a.as_str() <= b.as_str(),
        }));
    }
}

#[test]
fn a_page_of_large_rows_ends_early_and_the_cursor_goes_on() {
    let service = start();
    let row = |number: usize| {
        let path = "x".repeat(1 << 20);
        format!(
            "{{\"start_time\":\"2026-03-23T02:10:01Z\",\"request_id\":\"{number}\",\"path\":\"{path}\"}}\n"
        )
    };
    for part in 0..2 {
        let body: String = (part * 10..part * 10 + 10).map(row).collect();
        assert_eq!(service.ingest(body).unwrap().0, 200);
    }
    service.wait_for_rows("page_size=1", 20).unwrap();
    let (status, body) = service.get("/query?page_size=20").unwrap();
    assert_eq!(status, 200);
    assert!(body.len() <= 16 << 20, "{} bytes", body.len());
    let first: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&first["total"], rows(&first)), (&json!(20), 15));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = service
        .query(&format!("page_size=20&cursor={cursor}"))
        .unwrap();
    assert_eq!((rows(&second), &second["next_cursor"]), (5, &Value::Null));
}

fn rows(answer: &Value) -> usize {
    answer["logs"].as_array().unwrap().len()
}

#[test]
fn a_count_is_left_out_when_it_is_not_asked_for() {
    let service = filled();
    let answer = service.query("count=none&page_size=1").unwrap();
    assert!(answer["total"].is_null() && answer["logs"].as_array().unwrap().len() == 1);
}

#[test]
fn nonsense_is_answered_400_in_the_references_shape() {
    let service = start();
    let (status, body) = service.get("/query?response_code=abc").unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        json!({"total": 0, "logs": null, "status": "error",
            "error": "response_code: \"abc\" is not a whole number"})
    );
    let (status, body) = service.get("/query?page=200000&page_size=100").unwrap();
    assert_eq!(status, 400, "{body}");
    let empty = service.query("").unwrap();
    assert_eq!((&empty["total"], &empty["logs"]), (&json!(0), &json!([])));
}

#[test]
fn absent_texts_are_null_or_empty_as_configured() {
    let body = r#"{"start_time":"2026-03-23T02:10:01Z","path":"-","method":"GET"}"#;
    for (config, absent) in [
        ("", Value::Null),
        ("compat: { empty_strings: true }\n", json!("")),
    ] {
        let service = start_with(config);
        service.ingest(body).unwrap();
        let answer = service.wait_for_rows("", 1).unwrap();
        assert_eq!(answer["logs"][0]["path"], absent);
        assert_eq!(answer["logs"][0]["method"], "GET");
    }
}
