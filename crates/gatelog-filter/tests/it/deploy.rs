//! The filters of `deploy/istio`, pasted as they are, decide about records as they did in Envoy: the
//! requests and what was printed are those of `deploy::istio` in `crates/gatelog/tests/it`.

use std::path::Path;

use gatelog_filter::config::from_pasted;
use gatelog_filter::{AccessLogFilter, Filter, Runtime};
use gatelog_record::AccessRecord;
use serde_json::{Value, json};

/// Which both ways leave out of their samples: 0x5f is 95 of 100, and the digit is `f`.
const UNSAMPLED: &str = "0000005f-0000-4000-8000-000000000000";

/// Request id, response code, flags, and whether the `EnvoyFilter` and the Telemetry resource print it.
const REQUESTS: [(&str, i64, Option<&str>, bool, bool); 11] = [
    (
        "6513270e-269e-4d37-b2a7-4de452e6b438",
        200,
        None,
        false,
        false,
    ),
    (
        "d23f0824-128b-4f33-8c5c-7fd0a6a3a450",
        200,
        None,
        true,
        true,
    ),
    (
        "6b0d549b-0000-4000-8000-000000000000",
        200,
        None,
        true,
        false,
    ),
    (
        "0fd630f1-0000-4000-8000-000000000000",
        200,
        None,
        false,
        true,
    ),
    (UNSAMPLED, 200, None, false, false),
    (UNSAMPLED, 399, None, false, false),
    (UNSAMPLED, 400, None, true, true),
    (UNSAMPLED, 404, Some("NR"), true, true),
    (UNSAMPLED, 503, Some("UF"), true, true),
    (UNSAMPLED, 0, Some("DC"), true, true),
    (UNSAMPLED, 200, Some("DC"), true, true),
];

fn document(name: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("deploy/istio").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn decisions(config: &AccessLogFilter) -> Vec<bool> {
    let filter = Filter::compile(config, &Runtime::default()).unwrap();
    assert_eq!(filter.warnings(), [""; 0]);
    REQUESTS
        .iter()
        .map(|&(id, code, flags, ..)| {
            let record = AccessRecord {
                request_id: Some(id.into()),
                response_code: Some(code),
                response_flags: flags.map(Into::into),
                ..AccessRecord::default()
            };
            let mut dice = || panic!("the id decides");
            filter.decide(&record, &mut dice).is_keep()
        })
        .collect()
}

#[test]
fn the_envoy_filter_decides_as_in_envoy() {
    let config = from_pasted(&document("envoyfilter-access-log.yaml")).unwrap();
    assert_eq!(decisions(&config), REQUESTS.map(|request| request.3));
}

#[test]
fn the_telemetry_expression_decides_as_in_envoy() {
    let telemetry = document("telemetry-access-log.yaml");
    let config = json!({"extension_filter": {
        "name": "cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": telemetry["spec"]["accessLogging"][0]["filter"]["expression"],
        },
    }});
    let config = AccessLogFilter::from_json(&config).unwrap();
    assert_eq!(decisions(&config), REQUESTS.map(|request| request.4));
}
