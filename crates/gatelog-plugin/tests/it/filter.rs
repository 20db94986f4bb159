//! The filter in the plugin decides as the same filter in Envoy does.

use std::collections::BTreeSet;

use gatelog_testkit::envoy::{Envoy, Gateway};
use gatelog_testkit::wait;
use serde_json::json;

use super::rig::{Collector, PATIENCE, exchange, get};

/// Errors all, and of the rest half by the request's id: the filter of Hango's documentation.
fn filter() -> serde_json::Value {
    json!({"or_filter": {"filters": [
        {"status_code_filter": {"comparison": {"op": "GE",
            "value": {"default_value": 400, "runtime_key": "log.threshold"}}}},
        {"runtime_filter": {"runtime_key": "log.rate", "percent_sampled": {"numerator": 50}}},
    ]}})
}

#[test]
fn envoy_and_the_plugin_keep_the_same_requests() {
    let collector = Collector::start();
    // Envoy's own logger with the same filter, on its standard output.
    let logger = json!({"typed_config": {"access_log": [{
        "name": "envoy.access_loggers.file",
        "filter": filter(),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout",
            "log_format": {"text_format_source": {"inline_string": "%REQ(X-REQUEST-ID)%\n"}},
        },
    }]}});
    let gateway = Gateway::new(collector.port())
        .patch(logger)
        .plugin(json!({"filter": filter(), "batch": {"flush_interval_ms": 50}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let id = |number: u32| format!("{number:08x}-0000-4000-8000-000000000abc");
    for number in 0..40 {
        // Every part of the hundred, and ids in no order.
        let id = id(number * 0x0123_4567 % 0xffff_fff1);
        let path = if number % 5 == 0 {
            "/nobody"
        } else {
            "/direct"
        };
        let status = exchange(envoy.address(), &get(path, &id));
        assert!([200, 404].contains(&status));
    }
    // The last one is kept by both: then all before it are there.
    let last = id(0xffff_ffff);
    assert_eq!(exchange(envoy.address(), &get("/nobody", &last)), 404);
    let printed: BTreeSet<String> = wait::until("Envoy's lines", PATIENCE, || {
        let lines = envoy.stdout();
        if lines.contains(&last) {
            Ok(lines)
        } else {
            Err(lines)
        }
    })
    .unwrap()
    .into_iter()
    .collect();
    let records = collector.wait_for_records(printed.len());
    let recorded: BTreeSet<String> = records
        .iter()
        .map(|record| record.request_id.clone().unwrap().into_owned())
        .collect();
    assert_eq!(recorded, printed);
    assert!((12..38).contains(&printed.len()), "{}", printed.len());
    for record in &records {
        let weight = (record.response_code == Some(200)).then_some(2.0);
        assert_eq!(record.sample_weight, weight);
    }
    let filtered = envoy.stat("wasmcustom.gatelog_plugin_records_filtered_total");
    assert_eq!(
        filtered.unwrap(),
        41 - u64::try_from(printed.len()).unwrap()
    );
}
