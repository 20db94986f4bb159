//! `deploy/istio`: what Istio makes of its files is loaded by the real Envoy, and what is printed then is
//! compared with the rule that the files state.
//!
//! **Limits.** Istio itself does not run. Its part, a merge of messages and the CEL filter that a
//! Telemetry resource becomes, is done here and in the testkit as Istio's source has it.

mod schema;
mod traffic;

use serde_json::{Value, json};

use super::{documents, root, text};
use traffic::{IDS, Line, Traffic, number};

pub(super) const FILTER: &str = "deploy/istio/envoyfilter-access-log.yaml";
pub(super) const TELEMETRY: &str = "deploy/istio/telemetry-access-log.yaml";
pub(super) const MESH: &str = "deploy/istio/mesh-config.yaml";
pub(super) const PAGE: &str = "deploy/istio/README.md";

/// The filter as Hango's documentation has it; its indentation is lost there.
const FORMER: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: accesslog-filter
  namespace: hango-system # as defined in meshConfig resource.
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match:
      listener:
        filterChain:
          filter:
            name: "envoy.http_connection_manager"
    patch:
      operation: MERGE
      value:
        name: "envoy.filters.network.http_connection_manager"
        typed_config:
          "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
          accessLog:
          - filter:
              or_filter:
                filters:
                - status_code_filter:
                    comparison:
                      op: GE
                      value:
                        runtime_key: runtime.accessLog.response.code.key
                        default_value: 400
                - runtime_filter:
                    runtime_key: runtime.accessLog.response.code.key
                    percent_sampled:
                      numerator: 50
"#;

/// The `accessLogFormat` of Hango's documentation.
const FORMAT: &str = "{\"method\":\"%REQ(:METHOD)%\",\"uri\":\"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%\",\"protocol\":\"%PROTOCOL%\",\"duration\":\"%DURATION%\",\"respCode\":\"%RESPONSE_CODE%\",\"userIp\":\"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\",\"xffIp\":\"%REQ(X-FORWARDED-FOR)%\",\"requestId\":\"%REQ(X-REQUEST-ID)%\",\"time\":\"%START_TIME(%s%3f)%\",\"upstreamHost\":\"%UPSTREAM_HOST%\",\"originHost\":\"%FILTER_STATE(x-envoy-origin-host:PLAIN)%\",\"originMethod\":\"%FILTER_STATE(x-envoy-origin-method:PLAIN)%\",\"originPath\":\"%FILTER_STATE(x-envoy-origin-path:PLAIN)%\",\"originStatus\":\"%FILTER_STATE(x-envoy-origin-status:PLAIN)%\",\"upstreamServiceTime\":\"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%\",\"cacheStatus\":\"%RESP(X-Cache-Status)%\",\"fuseStatus\":\"%RESP(X-Envoy-Circuitbreaking)%\",\"downgradeStatus\":\"%RESP(X-Downgrade-Status)%\",\"secureStatus\":\"%RESP(X-Secure-Status)%\",\"userAgent\":\"%REQ(USER-AGENT)%\",\"remoteUser\":\"%REQ(REMOTE-USER)%\",\"bodyBytesSent\":\"%BYTES_SENT%\",\"httpReferer\":\"%REQ(HTTP-REFERER)%\",\"requestAuthority\":\"%REQ(:AUTHORITY)%\",\"clusterName\":\"%FILTER_STATE(qz_cluster_name:PLAIN)%\",\"serviceName\":\"%FILTER_STATE(qz_svc_id:PLAIN)%\",\"apiId\":\"%FILTER_STATE(qz_api_id:PLAIN)%\",\"apiName\":\"%FILTER_STATE(qz_api_name:PLAIN)%\",\"responseFlags\":\"%RESPONSE_FLAGS%\",\"projectId\":\"%FILTER_STATE(qz_project_id:PLAIN)%\"}\n";

fn only_document(path: &str) -> Value {
    let mut found = documents(path);
    assert_eq!(found.len(), 1, "{path}");
    found.remove(0)
}

/// What an `EnvoyFilter` merges into the connection manager.
fn patch(filter: &Value) -> Value {
    let patches = filter["spec"]["configPatches"].as_array().unwrap();
    assert_eq!(patches.len(), 1);
    assert_eq!(patches[0]["applyTo"], "NETWORK_FILTER");
    assert_eq!(patches[0]["patch"]["operation"], "MERGE");
    patches[0]["patch"]["value"].clone()
}

/// The connection manager's logger that Istio makes of the Telemetry resource and its provider.
fn telemetry_patch() -> Value {
    let logging = only_document(TELEMETRY)["spec"]["accessLogging"][0].take();
    let mesh = only_document(MESH);
    let provider = &mesh["extensionProviders"][0];
    assert_eq!(
        logging["providers"],
        json!([{"name": provider["name"]}]),
        "the provider"
    );
    let file = &provider["envoyFileAccessLog"];
    json!({"typed_config": {"access_log": [{
        "name": "envoy.access_loggers.file",
        "filter": {"extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": logging["filter"]["expression"],
            },
        }},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": file["path"],
            "log_format": {"text_format_source": {"inline_string": file["logFormat"]["text"]}},
        },
    }]}})
}

/// Printed is, in the order of the requests, what `kept` takes of everything.
fn prints((everything, printed): (Vec<Line>, Vec<Line>), kept: impl Fn(&Line) -> bool) {
    let expected: Vec<Line> = everything.into_iter().filter(kept).collect();
    assert_eq!(printed, expected);
}

/// One line of each failure, whatever the sample: of these requests no id is in it.
fn has_every_failure(printed: &[Line]) {
    for (path, code, flags) in [
        ("/web/status/404", 404, "-"),
        ("/web/status/400", 400, "-"),
        ("/web/status/503", 503, "-"),
        ("/none", 404, "NR"),
        ("/dead", 503, "UF"),
        ("/v1/never", 0, "DC"),
        ("/web/drip/500/20", 200, "DC"),
    ] {
        let found = printed
            .iter()
            .filter(|line| line.path == path && line.code == code && line.flags == flags);
        assert_eq!(found.count(), 1, "{path} in {printed:#?}");
    }
}

/// The numbers of [`IDS`] whose successes were printed.
fn sampled(printed: &[Line]) -> Vec<usize> {
    let success = |id: &str| {
        printed
            .iter()
            .any(|line| line.path == "/direct" && line.id == id)
    };
    (0..IDS.len())
        .filter(|&index| success(IDS[index]))
        .collect()
}

#[test]
fn envoy_takes_the_filter_and_prints_every_failure_and_half_of_the_rest() {
    let mut traffic = Traffic::start(patch(&only_document(FILTER))).unwrap();
    let failed = |line: &Line, from: u16| line.code >= from || line.flags != "-";
    let in_sample = |line: &Line, percent: u32| number(&line.id) % 100 < percent;

    let lines = traffic.round();
    has_every_failure(&lines.1);
    assert_eq!(sampled(&lines.1), [1, 4, 5, 6, 10, 11]);
    prints(lines, |line| failed(line, 400) || in_sample(line, 50));

    // The rate alone.
    traffic.set_runtime("hango.access_log.sample.percent", "0");
    let lines = traffic.round();
    has_every_failure(&lines.1);
    assert_eq!(sampled(&lines.1), [0_usize; 0]);
    prints(lines, |line| failed(line, 400));

    // And the threshold alone: 404, 400 and 399 without a flag are no failures any more.
    traffic.set_runtime("hango.access_log.status.threshold", "500");
    prints(traffic.round(), |line| failed(line, 500));

    traffic.set_runtime("hango.access_log.sample.percent", "100");
    let lines = traffic.round();
    assert_eq!(sampled(&lines.1).len(), IDS.len());
    prints(lines, |_| true);
}

#[test]
fn envoy_refuses_the_former_filter() {
    let former: Value = serde_saphyr::from_str(FORMER).unwrap();
    let Err(error) = Traffic::start(patch(&former)) else {
        panic!("Envoy took it");
    };
    let reason = "Didn't find a registered implementation for '' with type URL: ''";
    assert!(error.contains("Envoy refused the listener"), "{error}");
    assert!(error.contains(reason), "{error}");
    // The page says so.
    assert!(text(PAGE).contains(reason));
}

#[test]
fn the_one_key_of_the_former_filter_is_rate_and_threshold_at_once() {
    // Made whole, so that Envoy takes it.
    let former: Value = serde_saphyr::from_str(FORMER).unwrap();
    let mut patch = patch(&former);
    let whole = self::patch(&only_document(FILTER));
    let logger = &mut patch["typed_config"]["accessLog"][0];
    for key in ["name", "typed_config"] {
        logger[key] = whole["typed_config"]["access_log"][0][key].clone();
    }
    let mut traffic = Traffic::start(patch).unwrap();
    let in_sample = |line: &Line| number(&line.id) % 100 < 50;

    // The client that was gone before the answer is not there.
    prints(traffic.round(), |line| line.code >= 400 || in_sample(line));
    // A rate of 20 of 100 is a threshold of 20: all but code 0.
    traffic.set_runtime("runtime.accessLog.response.code.key", "20");
    prints(traffic.round(), |line| line.code > 0);
    // A threshold of 500 is a rate of 500 of 100: all.
    traffic.set_runtime("runtime.accessLog.response.code.key", "500");
    prints(traffic.round(), |_| true);
}

#[test]
fn the_telemetry_resource_prints_every_failure_and_another_half_of_the_rest() {
    let mut traffic = Traffic::start(telemetry_patch()).unwrap();
    let lines = traffic.round();
    has_every_failure(&lines.1);
    assert_eq!(sampled(&lines.1), [1, 8]);
    prints(lines, |line| {
        line.code >= 400 || line.flags != "-" || number(&line.id) % 16 < 8
    });
}

/// What Hango's format tells of a request, under the names of columns and of Envoy's own log here.
const FIELDS: [&str; 12] = [
    "start_time",
    "method",
    "path",
    "protocol",
    "request_id",
    "response_code",
    "response_flags",
    "authority",
    "user_agent",
    "bytes_sent",
    "duration",
    "upstream_host",
];

/// The fields of each request, in order. Times go as far as a millisecond.
fn told(requests: &[Value]) -> Vec<String> {
    let field = |request: &Value, name: &str| match (&request[name], name) {
        (Value::String(time), "start_time") => Value::from(time.get(..23).unwrap()),
        (Value::String(text), _) if text == "-" || text.is_empty() => Value::Null,
        (value, _) => value.clone(),
    };
    let fields =
        |request: &Value| -> Value { FIELDS.map(|name| field(request, name)).to_vec().into() };
    let mut all: Vec<_> = requests
        .iter()
        .map(|request| fields(request).to_string())
        .collect();
    all.sort();
    all
}

#[test]
fn what_envoy_prints_in_that_format_is_imported_as_the_requests_that_they_were() {
    let mut traffic = Traffic::start(patch(&only_document(FILTER))).unwrap();
    traffic.set_runtime("hango.access_log.sample.percent", "100");
    let requests = traffic.round().0.len();
    // Nobody escapes it, and the line is no JSON.
    traffic.fail_as(r#"a "quoted" \agent, "x":"y""#);
    let (everything, printed) = traffic.logs(requests + 1);
    assert!(serde_json::from_str::<Value>(&printed[requests]).is_err());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    std::fs::write(&file, printed.join("\n")).unwrap();
    for format in [&[][..], &["--format", "hango"], &["--format", FORMAT]] {
        let gatelog = crate::service::start();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"));
        let import = command
            .args(["import", "--url", &gatelog.url()])
            .args(format);
        let output = import.arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{format:?}: {error}");
        gatelog.wait_for_rows("", printed.len() as u64).unwrap();
        let rows = gatelog.all_rows("fields=all").unwrap();
        assert_eq!(told(&rows), told(&everything), "{format:?}");
    }
}

#[test]
fn a_status_that_is_absent_compares_with_nothing() {
    let mut patch = telemetry_patch();
    let filter = &mut patch["typed_config"]["access_log"][0]["filter"]["extension_filter"];
    filter["typed_config"]["expression"] = json!("response.code == 0 || !(response.code < 400)");
    let lines = Traffic::start(patch).unwrap().round();
    assert!(lines.0.iter().any(|line| line.code == 0));
    prints(lines, |line| line.code >= 400);
}

#[test]
fn both_ways_have_the_format_of_hangos_documentation_and_istios_own_logger_is_off() {
    let filter = patch(&only_document(FILTER));
    let logger = &filter["typed_config"]["access_log"][0]["typed_config"];
    assert_eq!(
        logger["log_format"],
        json!({"text_format_source": {"inline_string": FORMAT}})
    );
    let mesh = only_document(MESH);
    let provider = &mesh["extensionProviders"][0]["envoyFileAccessLog"];
    assert_eq!(provider["logFormat"], json!({"text": FORMAT}));
    assert_eq!(provider["path"], logger["path"]);
    assert_eq!(mesh["accessLogFile"], "");
}

#[test]
fn the_resources_are_as_their_definitions_say() {
    let schema = |name: &str| -> Value {
        let file = root().join("crates/gatelog/testdata/istio").join(name);
        serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    let (filter, telemetry) = (schema("envoy-filter.yaml"), schema("telemetry.yaml"));
    assert_eq!(schema::faults(&filter, &only_document(FILTER)), [""; 0]);
    assert_eq!(
        schema::faults(&telemetry, &only_document(TELEMETRY)),
        [""; 0]
    );

    for (schema, file, place, wrong) in [
        (&filter, FILTER, "/kind", json!("Telemetry")),
        (
            &filter,
            FILTER,
            "/spec/configPatches/0",
            json!({"applyTo": "NETWORK"}),
        ),
        (
            &filter,
            FILTER,
            "/spec/configPatches/0/patch/operation",
            json!("merge"),
        ),
        (
            &filter,
            FILTER,
            "/spec/configPatches/0/match/listener",
            json!("gateway"),
        ),
        (
            &filter,
            FILTER,
            "/spec/configPatches/0/match",
            json!({"contexts": "ANY"}),
        ),
        (&telemetry, TELEMETRY, "/spec/accessLogging", json!({})),
        (
            &telemetry,
            TELEMETRY,
            "/spec/accessLogging/0/providers/0",
            json!({}),
        ),
        (
            &telemetry,
            TELEMETRY,
            "/spec/accessLogging/0/providers/0/name",
            json!(""),
        ),
        (
            &telemetry,
            TELEMETRY,
            "/spec/accessLogging/0/filter/expression",
            json!(400),
        ),
        (
            &telemetry,
            TELEMETRY,
            "/spec/accessLogging/0",
            json!({"match": {"mode": "BOTH"}}),
        ),
    ] {
        let mut document = only_document(file);
        *document.pointer_mut(place).unwrap() = wrong;
        let faults = schema::faults(schema, &document);
        assert_eq!(faults.len(), 1, "{place}: {faults:?}");
        assert!(faults[0].starts_with(place), "{place}: {faults:?}");
    }
}
