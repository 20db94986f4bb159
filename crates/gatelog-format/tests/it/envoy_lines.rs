//! The lines of the vectors that a known format printed: Envoy's own, read.

use gatelog_format::{Known, Reader};
use gatelog_record::AccessRecord;
use serde_json::Value;

fn rows() -> Vec<Value> {
    include_str!("../data/envoy_vectors.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What the gateway knew, as the record should have it.
fn knew<'r>(row: &'r Value, name: &str) -> Option<&'r str> {
    let text = row["stream"][name].as_str()?;
    (text != "-" && !text.is_empty()).then_some(text)
}

fn request_header<'r>(row: &'r Value, name: &str) -> Option<&'r str> {
    let header = row["request"]["headers"]
        .as_array()?
        .iter()
        .find(|header| header[0] == name)?;
    header[1].as_str().filter(|value| !value.is_empty())
}

fn check(row: &Value, record: &AccessRecord<'_>) {
    let id = &row["id"];
    let number = |name: &str| row["stream"][name].as_i64();
    assert_eq!(record.response_code, number("response_code"), "{id}");
    assert_eq!(record.bytes_sent, number("bytes_sent"), "{id}");
    assert_eq!(record.duration, number("duration_ms"), "{id}");
    let start = record.start_time.map(|time| time.millis() * 1_000_000);
    assert_eq!(
        start,
        number("start_time_unix_ns").map(|ns| ns / 1_000_000 * 1_000_000),
        "{id}"
    );
    let headers = [
        (&record.method, ":method"),
        (&record.user_agent, "user-agent"),
        (&record.request_id, "x-request-id"),
        (&record.x_forwarded_for, "x-forwarded-for"),
    ];
    for (field, name) in headers {
        assert_eq!(field.as_deref(), request_header(row, name), "{id} {name}");
    }
    let path = request_header(row, "x-envoy-original-path").or(request_header(row, ":path"));
    assert_eq!(record.path.as_deref(), path, "{id}");
    assert_eq!(
        record.upstream_host.as_deref(),
        knew(row, "upstream_host"),
        "{id}"
    );
    assert_eq!(record.protocol.as_deref(), knew(row, "protocol"), "{id}");
    let flags = record
        .response_flags
        .as_deref()
        .map_or(0, |flags| flags.split(',').count());
    let known = row["stream"]["response_flags_list"]
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(flags, known, "{id}");
}

fn reader(row: &Value) -> Option<(Known, Reader)> {
    let format = row["format"].as_str()?.trim_end();
    let known = Known::ALL
        .into_iter()
        .find(|known| !known.is_json() && known.format().trim_end() == format)?;
    Some((known, known.template().unwrap().reader().unwrap()))
}

#[test]
fn every_line_of_a_known_format_gives_back_what_the_gateway_knew() {
    let mut counts = [0; Known::ALL.len()];
    for row in rows() {
        let Some((known, reader)) = reader(&row) else {
            continue;
        };
        let line = row["expected"].as_str().unwrap();
        let (record, _) = reader
            .read(line.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}\n{line}", row["id"]));
        check(&row, &record);
        counts[known as usize] += 1;
    }
    let [envoy, istio, _, _, hango] = counts;
    assert!(envoy > 20 && istio > 20 && hango > 2, "{counts:?}");
}
