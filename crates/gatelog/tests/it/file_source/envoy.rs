//! A real Envoy that writes Hango's format to a file, and has it rotated under it.

use std::collections::BTreeMap;

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::upstream;
use serde_json::json;

use super::*;

/// What each row and each line of Envoy's own JSON log have to agree about.
const FIELDS: [&str; 7] = [
    "method",
    "path",
    "protocol",
    "response_code",
    "response_flags",
    "user_agent",
    "bytes_sent",
];

#[test]
fn lines_that_envoy_writes_in_hangos_format_become_the_records_of_its_requests() {
    let log = Log::new(", format: hango");
    let web = upstream::web().unwrap();
    let logger = json!({"typed_config": {"access_log": [{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log.path(),
            "log_format": {"text_format_source": {"inline_string": Known::Hango.format()}},
        },
    }]}});
    // The file comes to be while it is looked for.
    let gatelog = log.setup().start().unwrap();
    let gateway = Gateway::new(1)
        .upstreams(web.port(), 1, 1)
        .attach(Attach::Nowhere)
        .patch(logger);
    let envoy = Envoy::start(&gateway).unwrap();
    let client = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    let mut sent = 0;
    for round in 0..6 {
        for (path, agent) in [
            ("/web/anything?q=1", "curl"),
            ("/direct", "says \"quoted\", and {more}: \\"),
            ("/dead", "curl"),
            ("/no-route", "a\",\"respCode\":\"200"),
        ] {
            let request = client.get(envoy.url(path)).header("user-agent", agent);
            let request = request.header("x-request-id", format!("{round}-{sent}"));
            request.call().unwrap().body_mut().read_to_vec().unwrap();
            sent += 1;
        }
        if round % 2 == 1 {
            // As logrotate does; Envoy writes to the renamed file until it is told.
            fs::rename(
                log.path(),
                log.dir.path().join(format!("access.log.{round}")),
            )
            .unwrap();
            let request = client
                .get(envoy.url("/direct"))
                .header("x-request-id", format!("between-{round}"));
            request.call().unwrap();
            sent += 1;
            let url = format!("http://{}/reopen_logs", envoy.admin());
            client.post(url).send_empty().unwrap();
        }
        // Envoy writes every 100 ms: a round is seen in more than one part.
        gatelog.wait_for_rows("", sent).unwrap();
    }
    assert_eq!(log.letters(), [Value::Null; 0]);
    let of = |records: &[Value]| -> BTreeMap<String, Vec<Value>> {
        let record = |record: &Value| {
            let id = record["request_id"].as_str().unwrap().to_owned();
            // Envoy prints `-` where there is nothing.
            let fields = FIELDS.map(|field| match &record[field] {
                Value::String(text) if text == "-" => Value::Null,
                value => value.clone(),
            });
            (id, fields.to_vec())
        };
        records.iter().map(record).collect()
    };
    let rows = of(&gatelog.all_rows("").unwrap());
    let lines = wait::until("Envoy's own log", DEADLINE, || {
        let lines = envoy.access_log().unwrap();
        if lines.len() as u64 == sent {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    });
    assert_eq!(rows.len() as u64, sent);
    assert_eq!(rows, of(&lines.unwrap()));
}
