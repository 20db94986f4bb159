//! How long a decision takes: `cargo xtask bench format`.
//!
//! Prints nanoseconds per decision for the filter of the Hango seed over a mix of records as a gateway
//! sends them, and for some others: one JSON object a round. Argument: how many rounds.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::hint::black_box;
use std::time::Instant;

use gatelog_filter::{AccessLogFilter, Decision, Filter, Runtime};
use gatelog_record::AccessRecord;

const SEED: &str = r#"{"or_filter": {"filters": [
    {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "runtime.accessLog.response.code.key"}}}},
    {"runtime_filter": {"runtime_key": "runtime.accessLog.response.code.key", "percent_sampled": {"numerator": 50}}}
]}}"#;

const JOINT: &str = r#"{"or_filter": {"filters": [
    {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400}}}},
    {"and_filter": {"filters": [
        {"duration_filter": {"comparison": {"op": "GE", "value": {"default_value": 5}}}},
        {"runtime_filter": {"runtime_key": "slow", "percent_sampled": {"numerator": 50}}}
    ]}},
    {"runtime_filter": {"runtime_key": "all", "percent_sampled": {"numerator": 123456, "denominator": "MILLION"}}}
]}}"#;

const HEADER: &str =
    r#"{"header_filter": {"header": {"name": "user-agent", "string_match": {"prefix": "curl/"}}}}"#;

const DECISIONS: u32 = 1_000_000;

fn records() -> Vec<AccessRecord<'static>> {
    let record = |index: u32| AccessRecord {
        request_id: Some(
            format!(
                "{:08x}-269e-4d37-b2a7-4de452e6b438",
                index.wrapping_mul(0x9e37_79b1)
            )
            .into(),
        ),
        response_code: Some(if index.is_multiple_of(20) { 503 } else { 200 }),
        duration: Some(i64::from(index % 50)),
        user_agent: Some("curl/8.0".into()),
        ..AccessRecord::default()
    };
    (0..64).map(record).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::args()
        .nth(1)
        .map_or(Ok(1), |rounds| rounds.parse())?;
    let records = records();
    for _ in 0..rounds {
        let mut round = Vec::new();
        for (name, config) in [
            ("decide, the seed's filter", SEED),
            ("decide, a joint set", JOINT),
            ("decide, a header", HEADER),
        ] {
            let config: AccessLogFilter = serde_json::from_str(config)?;
            let filter = Filter::compile(&config, &Runtime::default())?;
            let begun = Instant::now();
            for record in records.iter().cycle().take(DECISIONS as usize) {
                let decision: Decision = filter.decide(black_box(record), &mut || 0);
                black_box(decision);
            }
            let nanos = begun.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS);
            round.push(format!("\"{name}\":{nanos:.1}"));
        }
        println!("{{{}}}", round.join(","));
    }
    Ok(())
}
