//! The standard record: what measurements are made with.
//!
//! **Shape.** A call to an LLM with all 37 columns, 1.2 KB as JSON, and varied by its number, so
//! that neither compression nor dictionaries find it easier than real traffic.

use std::borrow::Cow;

use crate::{AccessRecord, Timestamp};

const MODELS: [&str; 4] = ["qwen3-max", "gpt-4o-mini", "deepseek-v3", "claude-sonnet-4"];
const CONSUMERS: [&str; 6] = [
    "team-a",
    "team-b",
    "search",
    "billing",
    "mobile-app",
    "batch",
];
const AGENTS: [&str; 3] = [
    "OpenAI/Python 1.66.3",
    "Mozilla/5.0 (X11; Linux x86_64)",
    "langchain-js/0.3.19 node/20.11",
];
/// Status, flags and details: what nine of ten requests get, and what the others get.
const OK: (i64, &str, &str) = (200, "", "via_upstream");
const FAILURES: [(i64, &str, &str); 4] = [
    (404, "NR", "route_not_found"),
    (429, "RL", "local_rate_limited"),
    (503, "UH", "no_healthy_upstream"),
    (504, "UT", "response_timeout"),
];

/// Spreads consecutive numbers over all 64 bits (the finaliser of splitmix64).
const fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

fn pick<T: Copy>(from: &[T], random: u64) -> Option<T> {
    let count = u64::try_from(from.len()).ok()?;
    from.get(usize::try_from(random.checked_rem(count)?).ok()?)
        .copied()
}

/// The standard record with this number, begun at `start`. The same arguments give the same record.
pub fn record(number: u64, start: Timestamp) -> AccessRecord<'static> {
    let random = scatter(number);
    let other = scatter(random);
    let model = pick(&MODELS, random).unwrap_or_default();
    let (code, flags, details) = if random >> 24 & 0xff < 230 {
        OK
    } else {
        pick(&FAILURES, random >> 32).unwrap_or(OK)
    };
    let duration = number_of(200 + random % 5800);
    let (input, output) = (number_of(10 + other % 4000), number_of(1 + random % 900));
    let client = format!(
        "10.{}.{}.{}",
        other & 63,
        other >> 8 & 255,
        other >> 16 & 255
    );
    let port = 32_768 + other % 28_000;
    let first_token = 50 + other % 900;
    let ai_log = format!(
        r#"{{"llm_first_token_duration":{first_token},"llm_service_duration":{duration},"model":"{model}","response_type":"stream"}}"#,
    );
    AccessRecord {
        start_time: Some(start),
        trace_id: text(format!("{random:016x}{other:016x}")),
        authority: text("ai.example.com"),
        method: text("POST"),
        path: text(format!("/v1/chat/completions?n={number}")),
        protocol: text("HTTP/1.1"),
        request_id: text(format!(
            "{:08x}-{:04x}-4{:03x}-8a3b-{:012x}",
            random >> 32,
            random >> 16 & 0xffff,
            random & 0xfff,
            number & 0xffff_ffff_ffff
        )),
        user_agent: pick(&AGENTS, random >> 16).and_then(text),
        x_forwarded_for: text(client.clone()),
        response_code: Some(code),
        response_flags: text(flags).filter(|flags| !flags.is_empty()),
        response_code_details: text(details),
        bytes_received: Some(number_of(600 + random % 3000)),
        bytes_sent: Some(number_of(400 + other % 20_000)),
        duration: Some(duration),
        upstream_cluster: text(format!("outbound|443||llm-{model}.dns")),
        upstream_host: text(format!("39.96.198.{}:443", other % 250)),
        upstream_service_time: text((duration - 3).to_string()),
        upstream_transport_failure_reason: text("none"),
        upstream_local_address: text(format!("10.244.1.17:{port}")),
        downstream_local_address: text("10.244.1.17:8443"),
        downstream_remote_address: text(format!("{client}:{port}")),
        route_name: text(format!("model-api-{model}-0")),
        requested_server_name: text("ai.example.com"),
        istio_policy_status: text("none"),
        ai_log: text(ai_log),
        instance_id: text(format!("gateway-x2k8{}", random % 3)),
        api: text(model),
        model: text(model),
        consumer: pick(&CONSUMERS, random >> 8).and_then(text),
        route: text(format!("model-api-{model}-0")),
        service: text(format!("llm-{model}.dns")),
        mcp_server: text("amap"),
        mcp_tool: text("maps_weather"),
        input_tokens: Some(input),
        output_tokens: Some(output),
        total_tokens: Some(input + output),
        ..AccessRecord::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn text(text: impl Into<Cow<'static, str>>) -> Option<Cow<'static, str>> {
    Some(text.into())
}

fn number_of(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, json};

    #[test]
    fn the_standard_record_has_all_columns_and_1_2_kilobytes() {
        let start = Timestamp::from_millis(1_774_231_801_217);
        let mut bytes = 0;
        for number in 0..1000 {
            let record = record(number, start);
            let mut text = String::new();
            json::write(&record, &mut text);
            bytes += text.len();
            for field in Field::columns() {
                // A request without flags is what a healthy gateway mostly sees.
                let present = record.get(*field).is_some() || *field == Field::ResponseFlags;
                assert!(present, "{} is absent", field.name());
            }
        }
        assert!(
            (1_150_000..1_270_000).contains(&bytes),
            "{bytes} bytes in 1000 records"
        );
    }
}
