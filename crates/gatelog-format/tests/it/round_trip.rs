//! What a format carries of a record comes back out of its line.

use std::sync::OnceLock;

use gatelog_format::{Known, Reader, Template};
use gatelog_record::{AccessRecord, Field, Flaws, Timestamp};
use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;

const ENVOY: &str = "start_time method path protocol response_code response_flags bytes_received \
    bytes_sent duration upstream_service_time x_forwarded_for user_agent request_id authority \
    upstream_host";
const ISTIO: &str = "start_time method path protocol response_code response_flags \
    response_code_details connection_termination_details upstream_transport_failure_reason \
    bytes_received bytes_sent duration upstream_service_time x_forwarded_for user_agent request_id \
    authority upstream_host upstream_cluster upstream_local_address downstream_local_address \
    downstream_remote_address requested_server_name route_name";
const HIGRESS: &str = "start_time method path protocol response_code response_flags \
    response_code_details upstream_transport_failure_reason bytes_received bytes_sent duration \
    upstream_service_time x_forwarded_for user_agent request_id authority upstream_host \
    upstream_cluster upstream_local_address downstream_local_address downstream_remote_address \
    requested_server_name route_name trace_id istio_policy_status ai_log";
const HANGO: &str = "start_time method path protocol response_code response_flags bytes_sent \
    duration upstream_service_time x_forwarded_for user_agent request_id authority upstream_host \
    instance_id service route_name api request_headers response_headers";

fn carried(known: Known) -> &'static str {
    match known {
        Known::Envoy => ENVOY,
        Known::Istio | Known::IstioJson => ISTIO,
        Known::Higress => HIGRESS,
        Known::Hango => HANGO,
    }
}

/// Texts of one pattern, or none; never the two words for nothing.
fn text(pattern: &'static str) -> BoxedStrategy<Option<String>> {
    let text = pattern.prop_filter("absence", |text| !text.is_empty() && text != "-");
    prop::option::of(text).boxed()
}

/// What a client may write into its user agent: quotes, and the separators of every format.
fn user_agent(known: Known) -> BoxedStrategy<Option<String>> {
    let pattern = match known {
        // A backslash in a line that is JSON is JSON's.
        Known::Higress | Known::Hango => {
            r#"([a-zA-Z0-9/.;() é"-]|" "|","|","api":"|","remoteUser":"|","method":"x|"\}){1,12}"#
        }
        _ => r#"([a-zA-Z0-9/.;() é"\\-]|" "|\] "|" 200 - ){1,12}"#,
    };
    text(pattern)
}

const WORD: &str = r"[a-zA-Z0-9_.:/|\[\]{}é-]{1,20}";

fn record(known: Known) -> impl Strategy<Value = AccessRecord<'static>> {
    let request = (
        0i64..4_000_000_000_000,
        text("[A-Z]{1,8}"),
        text(r"/[a-zA-Z0-9/?=&%._é-]{0,30}"),
        text("HTTP/[12](\\.[01])?"),
        user_agent(known),
        text(r"[0-9a-f.:]{1,20}(, [0-9a-f.:]{1,20}){0,3}"),
        text("[0-9a-f-]{8,36}"),
        text(r"[a-z0-9.:-]{1,20}"),
    );
    let answer = (
        0i64..1000,
        text("(UF,URX|DC|NR|UT|SI|NEW)"),
        0i64..1_000_000,
        0i64..i64::MAX,
        0i64..100_000,
        prop::option::of((0u32..100_000).prop_map(|millis| millis.to_string())),
    );
    let names = prop::collection::vec(text(WORD), 15);
    (request, answer, names).prop_map(|(request, answer, names)| {
        let mut names = names.into_iter().map(|name| name.map(Into::into));
        let mut name = || names.next().flatten();
        let (start, method, path, protocol, user_agent, forwarded, id, authority) = request;
        let (code, flags, received, sent, duration, service_time) = answer;
        let mut record = AccessRecord {
            start_time: Some(Timestamp::from_millis(start)),
            method: method.map(Into::into),
            path: path.map(Into::into),
            protocol: protocol.map(Into::into),
            user_agent: user_agent.map(Into::into),
            x_forwarded_for: forwarded.map(Into::into),
            request_id: id.map(Into::into),
            authority: authority.map(Into::into),
            response_code: Some(code),
            response_flags: flags.map(Into::into),
            bytes_received: Some(received),
            bytes_sent: Some(sent),
            duration: Some(duration),
            upstream_service_time: service_time.map(Into::into),
            upstream_host: name(),
            upstream_cluster: name(),
            upstream_transport_failure_reason: name(),
            upstream_local_address: name(),
            downstream_local_address: name(),
            downstream_remote_address: name(),
            route_name: name(),
            requested_server_name: name(),
            istio_policy_status: name(),
            trace_id: name(),
            instance_id: name(),
            response_code_details: name(),
            connection_termination_details: name(),
            api: name(),
            service: name(),
            ai_log: Some(r#"{"model":"m","note":"a \"b\" \\ c"}"#.into()),
            ..AccessRecord::default()
        };
        if let Some(cache) = &record.trace_id {
            record
                .response_headers
                .push("x-cache-status", cache.clone());
            record.request_headers.push("remote-user", cache.clone());
        }
        record
    })
}

/// The record without what the format does not carry.
fn projection(record: &AccessRecord<'_>, known: Known) -> Vec<(&'static str, String)> {
    let carried: Vec<&str> = carried(known).split_whitespace().collect();
    Field::ALL
        .iter()
        .filter(|field| carried.contains(&field.name()))
        .filter_map(|field| Some((field.name(), format!("{:?}", record.get(*field)?))))
        .collect()
}

fn compiled(known: Known) -> &'static (Template, Reader) {
    static COMPILED: OnceLock<Vec<(Template, Reader)>> = OnceLock::new();
    let all = COMPILED.get_or_init(|| {
        let compile = |known: Known| {
            let template = known.template().unwrap();
            let reader = template.reader().unwrap();
            (template, reader)
        };
        Known::ALL.into_iter().map(compile).collect()
    });
    &all[known as usize]
}

fn known() -> impl Strategy<Value = Known> {
    prop::sample::select(&Known::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_a_format_carries_comes_back(
        (known, record) in known().prop_flat_map(|known| (Just(known), record(known)))
    ) {
        let (template, reader) = compiled(known);
        let mut line = Vec::new();
        template.render(&record, &mut line);
        let shown = String::from_utf8_lossy(&line).into_owned();
        let (read, flaws) = reader.read(&line).map_err(|error| {
            TestCaseError::fail(format!("{error}: {shown}"))
        })?;
        prop_assert_eq!(flaws, Flaws::NONE);
        prop_assert_eq!(projection(&read, known), projection(&record, known), "{}", shown);
        if known != Known::Hango {
            let extra = format!("{read:?}");
            prop_assert!(!extra.contains("x-cache-status"));
        }
    }

    #[test]
    fn no_bytes_panic(known in known(), line in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = compiled(known).1.read(&line) {
            prop_assert!(error.position() <= line.len());
        }
    }

    #[test]
    fn changed_lines_do_not_panic(
        (known, record) in known().prop_flat_map(|known| (Just(known), record(known))),
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let (template, reader) = compiled(known);
        let mut line = Vec::new();
        template.render(&record, &mut line);
        let at = at.index(line.len());
        line[at] = byte;
        for line in [&line[..], &line[..cut.index(line.len())]] {
            if let Err(error) = reader.read(line) {
                prop_assert!(error.position() <= line.len());
            }
        }
    }

    #[test]
    fn no_format_panics(
        format in r#"(%[A-Z_]{1,12}(\([^)]{0,9}\))?(:[0-9]{1,3})?%|%(REQ|START_TIME|PATH|FILTER_STATE)\((X|%[sYmE3f]{1,4}|NQ|k:PLAIN)\)%|[ "\[{}:,a%]){0,8}"#,
        line: String,
    ) {
        for template in [Template::text(&format), Template::json(&format)].into_iter().flatten() {
            let mut out = Vec::new();
            template.render(&AccessRecord::default(), &mut out);
            template.unanswerable();
            if let Ok(reader) = template.reader() {
                for line in [line.as_bytes(), &out] {
                    if let Err(error) = reader.read(line) {
                        prop_assert!(error.position() <= line.len());
                    }
                }
            }
        }
    }
}
