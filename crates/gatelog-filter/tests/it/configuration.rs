//! What the configuration takes, and what it says of what it does not.

use gatelog_filter::config::from_pasted;
use gatelog_filter::{AccessLogFilter, Filter, Runtime};
use proptest::prelude::*;
use serde_json::{Value, json};

fn refusal(config: &Value) -> String {
    match AccessLogFilter::from_json(config) {
        Ok(filter) => match Filter::compile(&filter, &Runtime::default()) {
            Ok(_) => panic!("taken: {config}"),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

const SEED: &str = "
or_filter:
  filters:
    - status_code_filter: { comparison: { op: GE, value: { runtime_key: runtime.accessLog.response.code.key, default_value: 400 } } }
    - runtime_filter: { runtime_key: runtime.accessLog.response.code.key, percent_sampled: { numerator: 50 } }
";

#[test]
fn one_filter_has_many_forms() {
    let seed: AccessLogFilter = serde_saphyr::from_str(SEED).unwrap();
    for form in [
        json!({"orFilter": {"filters": [
            {"statusCodeFilter": {"comparison": {"op": "ge", "value": {"runtimeKey": "runtime.accessLog.response.code.key", "defaultValue": "400"}}}},
            {"runtimeFilter": {"runtimeKey": "runtime.accessLog.response.code.key", "percentSampled": {"numerator": 50.0, "denominator": null}, "useIndependentRandomness": "false"}}
        ]}}),
        json!({
            "@type": "type.googleapis.com/envoy.config.accesslog.v3.AccessLogFilter",
            "or_filter": {"filters": [
                {"status_code_filter": {"comparison": {"op": 1, "value": {"runtime_key": "runtime.accessLog.response.code.key", "default_value": "4e2"}}}},
                {"runtime_filter": {"runtime_key": "runtime.accessLog.response.code.key", "percent_sampled": {"numerator": "50", "denominator": 0}}}
            ]}
        }),
    ] {
        assert_eq!(
            AccessLogFilter::from_json(&form),
            Ok(seed.clone()),
            "{form}"
        );
        let other: AccessLogFilter = serde_json::from_str(&form.to_string()).unwrap();
        assert_eq!(other, seed);
    }
}

#[test]
fn what_is_written_is_read_again() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../testdata/filter_details.json")).unwrap();
    let mut count = 0;
    for (name, config) in vectors["filters"].as_object().unwrap() {
        let Ok(filter) = AccessLogFilter::from_json(config) else {
            continue;
        };
        let written = serde_json::to_value(&filter).unwrap();
        assert_eq!(
            AccessLogFilter::from_json(&written),
            Ok(filter),
            "{name}: {written}"
        );
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn an_error_names_path_key_and_what_is_allowed() {
    let or = |second: Value| json!({"or_filter": {"filters": [{"not_health_check_filter": {}}, second]}});
    let header = |matcher: Value| json!({"header_filter": {"header": matcher}});
    for (config, expected) in [
        (
            or(json!({"runtime_filter": {"runtime_key": "k", "percent": 5}})),
            "or_filter.filters[1].runtime_filter: unknown key `percent`; allowed are `runtime_key`, `percent_sampled`, `use_independent_randomness`",
        ),
        (
            or(json!({})),
            "or_filter.filters[1]: a filter is one of `status_code_filter`, `duration_filter`",
        ),
        (
            or(
                json!({"runtimeFilter": {"runtimeKey": "k", "percentSampled": {"denominator": "THOUSAND"}}}),
            ),
            "or_filter.filters[1].runtimeFilter.percentSampled.denominator: `THOUSAND` is not one of `HUNDRED`, `TEN_THOUSAND`, `MILLION`",
        ),
        (
            json!({"foo_filter": {}}),
            "unknown key `foo_filter`; allowed are `status_code_filter`",
        ),
        (
            json!({"not_health_check_filter": {}, "traceable_filter": {}}),
            "exclude each other",
        ),
        (
            json!({"and_filter": {"filters": [{"traceable_filter": {}}]}}),
            "and_filter: `filters` must be at least 2, found 1",
        ),
        (
            json!({"status_code_filter": {}}),
            "status_code_filter: `comparison` is required",
        ),
        (
            json!({"status_code_filter": {"comparison": {"op": "GT", "value": {}}}}),
            "comparison.op: `GT` is not one of `EQ`, `GE`, `LE`, `NE`",
        ),
        (
            json!({"status_code_filter": {"comparison": {"value": {"default_value": -1}}}}),
            "default_value: expected an integer from 0 to 4294967295, found `-1`",
        ),
        (
            json!({"status_code_filter": {"comparison": {"value": {"default_value": 1, "defaultValue": 2}}}}),
            "`default_value` is there twice",
        ),
        (
            json!({"runtime_filter": {"runtime_key": ""}}),
            "runtime_filter: `runtime_key` is required and must not be empty",
        ),
        (
            json!({"response_flag_filter": {"flags": ["UF", "XX"]}}),
            "response_flag_filter.flags[1]: `XX` is no response flag; they are `LH`, `UH`",
        ),
        (
            json!({"grpc_status_filter": {"statuses": ["NotFound"]}}),
            "grpc_status_filter.statuses[0]: `NotFound` is not one of `OK`, `CANCELED`",
        ),
        (
            json!({"log_type_filter": {"types": [14]}}),
            "log_type_filter.types[0]: `14` is not one of `NotSet`",
        ),
        (
            header(json!({"present_match": true})),
            "header_filter.header: `name` is required",
        ),
        (
            header(json!({"name": "a", "exact_match": "a", "prefix_match": "b"})),
            "exclude each other",
        ),
        (
            header(json!({"name": "a", "string_match": {}})),
            "header.string_match: one of `exact`, `prefix`",
        ),
        (
            header(json!({"name": "a", "string_match": {"prefix": ""}})),
            "string_match.prefix: must not be empty",
        ),
        (
            header(json!({"name": "a", "string_match": {"safe_regex": {"regex": "("}}})),
            "header_filter.header: `(` is not a regular expression",
        ),
        (
            header(json!({"name": "a", "string_match": {"safe_regex": {"regex": "a)(b"}}})),
            "is not a regular expression",
        ),
        (
            header(
                json!({"name": "a", "string_match": {"safe_regex": {"regex": "a"}, "ignore_case": true}}),
            ),
            "`(?i)`",
        ),
        (
            json!({"extension_filter": {"name": "x", "typed_config": {"@type": "type.googleapis.com/com.proxy.accesslog.escape"}}}),
            "extension_filter.typed_config.@type: the extension `com.proxy.accesslog.escape` is not supported",
        ),
        (
            json!({"extension_filter": {"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.process_ratelimit.v3.ProcessRateLimitFilter"}}}),
            "use `sample` with `budget_per_day`",
        ),
        (
            json!({"extension_filter": {"name": "x"}}),
            "extension_filter: `typed_config` is required",
        ),
        (
            json!({"metadata_filter": {"matcher": {"filter": "f", "path": [], "value": {"present_match": true}}}}),
            "metadata_filter.matcher: `path` must have at least 1 segment",
        ),
        (json!([]), "expected an object, found a list"),
    ] {
        let found = refusal(&config);
        assert!(found.contains(expected), "{config}\n{found}");
    }
}

#[cfg(feature = "cel")]
#[test]
fn an_expression_is_refused_with_its_byte() {
    let config = json!({"extension_filter": {"name": "c", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "response.code >="
    }}});
    assert_eq!(
        refusal(&config),
        "extension_filter.typed_config.expression: expected a value, found the end, at byte 16"
    );
}

#[test]
fn there_is_a_limit_to_everything() {
    let mut deep = json!({"traceable_filter": {}});
    for _ in 0..40 {
        deep = json!({"and_filter": {"filters": [deep, {"traceable_filter": {}}]}});
    }
    assert!(refusal(&deep).contains("more than 32 deep"));
    let many = |filter: Value, count| json!({"or_filter": {"filters": vec![filter; count]}});
    assert!(refusal(&many(json!({"traceable_filter": {}}), 257)).contains("256 conditions"));
    let runtime = json!({"runtime_filter": {"runtime_key": "k"}});
    assert!(refusal(&many(runtime, 17)).contains("16 runtime filters"));
}

#[test]
fn a_pasted_document_is_searched_for_its_filter() {
    let filter = json!({"not_health_check_filter": {}});
    let expected = AccessLogFilter::from_json(&filter);
    let hcm = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "accessLog": [{"name": "file", "filter": filter}]});
    let document = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "spec": {"configPatches": [{"applyTo": "NETWORK_FILTER",
            "match": {"listener": {"filterChain": {"filter": {"name": "envoy.filters.network.http_connection_manager"}}}},
            "patch": {"operation": "MERGE", "value": {"name": "x", "typed_config": hcm}}}]}});
    for pasted in [
        filter.clone(),
        json!({"filter": filter}),
        json!([{"name": "x", "filter": filter}]),
        json!({"access_log": {"filter": filter}}),
        hcm,
        document,
    ] {
        assert_eq!(from_pasted(&pasted), expected, "{pasted}");
    }
    let two = json!({"access_log": [{"filter": filter}, {"filter": filter}]});
    let error = from_pasted(&two).unwrap_err().to_string();
    assert!(
        error.contains("access_log[0].filter") && error.contains("more than one"),
        "{error}"
    );
    assert!(from_pasted(&json!({"a": 1})).is_err());
}

#[test]
fn what_records_cannot_answer_is_told() {
    let config = json!({"metadata_filter": {"match_if_key_not_found": false}});
    let config = AccessLogFilter::from_json(&config).unwrap();
    let filter = Filter::compile(&config, &Runtime::default()).unwrap();
    assert_eq!(filter.warnings().len(), 1);
    assert!(filter.warnings()[0].starts_with("metadata_filter: "));
}

fn json_values() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "or_filter",
        "filters",
        "runtime_filter",
        "runtimeKey",
        "header_filter",
        "header",
        "name",
        "string_match",
        "safe_regex",
        "regex",
        "comparison",
        "value",
        "op",
        "status_code_filter",
        "typed_config",
        "@type",
        "metadata_filter",
        "matcher",
        "list_match",
        "flags",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_has_an_answer(document in json_values()) {
        if let Ok(filter) = from_pasted(&document) {
            let written = serde_json::to_value(&filter).unwrap();
            prop_assert_eq!(AccessLogFilter::from_json(&written), Ok(filter));
        }
    }
}
