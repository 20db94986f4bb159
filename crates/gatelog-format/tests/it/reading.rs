//! Lines as gateways wrote them, and lines that are none.

use gatelog_format::{Known, Problem, ReadProblem, Template};
use gatelog_record::{AccessRecord, Flaws, Timestamp};

fn read<'a>(template: &Template, line: &'a str) -> (AccessRecord<'a>, Flaws) {
    let reader = template.reader().unwrap();
    reader
        .read(line.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Hango's line of the reference: the quotes of the user agent break it as JSON.
const HANGO_LINE: &str = r#"{"method":"GET","uri":"/ok?x=1","protocol":"HTTP/1.1","duration":"6","respCode":"200","userIp":"10.0.0.1","xffIp":"203.0.113.7, 10.0.0.1","requestId":"a1b2c3d4","time":"1795247876721","upstreamHost":"127.0.0.1:20001","originHost":"example.com","originMethod":"GET","originPath":"/ok?x=1","originStatus":"-","upstreamServiceTime":"5","cacheStatus":"HIT","fuseStatus":"-","downgradeStatus":"-","secureStatus":"-","userAgent":"curl/8.0 "x"","remoteUser":"-","bodyBytesSent":"5","httpReferer":"-","requestAuthority":"inner.example.com","clusterName":"demo-demo-gateway","serviceName":"-","apiId":"api-12345","apiName":"my api","responseFlags":"-","projectId":"1"}"#;

#[test]
fn quotes_in_a_line_that_looks_like_json_stay_in_their_value() {
    let template = Known::Hango.template().unwrap();
    let (record, flaws) = read(&template, HANGO_LINE);
    assert_eq!(flaws, Flaws::NONE);
    assert_eq!(record.user_agent.as_deref(), Some(r#"curl/8.0 "x""#));
    assert_eq!(record.response_code, Some(200));
    assert_eq!(
        record.start_time.map(Timestamp::millis),
        Some(1_795_247_876_721)
    );
    assert_eq!(record.authority.as_deref(), Some("example.com"));
    assert_eq!(record.api.as_deref(), Some("my api"));
    assert_eq!(record.route_name.as_deref(), Some("api-12345"));
    assert_eq!(record.instance_id.as_deref(), Some("demo-demo-gateway"));
    assert_eq!(
        record.downstream_remote_address.as_deref(),
        Some("10.0.0.1")
    );
    assert_eq!(record.service, None);
    assert_eq!(record.response_flags, None);
    assert_eq!(record.response_headers.get("x-cache-status"), Some("HIT"));
    assert!(record.request_headers.is_empty());
}

#[test]
fn a_value_cannot_forge_other_keys() {
    let template = Known::Hango.template().unwrap();
    for agent in [
        // Valid JSON with a key twice, with a key of nobody's, and with another format's end.
        r#"x","apiName":"forged","projectId":"2"#,
        r#"x","unknown":"y"#,
        r#"x","remoteUser":"root"#,
        r#"x"}"#,
    ] {
        let line = HANGO_LINE.replace(r#"curl/8.0 "x""#, agent);
        let (record, _) = read(&template, &line);
        assert_eq!(record.user_agent.as_deref(), Some(agent));
        assert_eq!(record.api.as_deref(), Some("my api"));
        assert!(record.request_headers.is_empty());
    }
}

#[test]
fn a_line_that_is_json_is_read_as_json() {
    let template = Known::Hango.template().unwrap();
    let escaped = HANGO_LINE.replace(r#"curl/8.0 "x""#, r#"curl \"x\" é"#);
    let (record, _) = read(&template, &escaped);
    assert_eq!(record.user_agent.as_deref(), Some(r#"curl "x" é"#));

    // Another order, numbers that are none, a key more: another version of the format.
    let other = r#"{"respCode":503,"method":"GET","x":1,"time":1795247876721,"duration":null}"#;
    let (record, _) = read(&template, other);
    assert_eq!(record.response_code, Some(503));
    assert_eq!(
        record.start_time.map(Timestamp::millis),
        Some(1_795_247_876_721)
    );
    assert_eq!(record.duration, None);
}

#[test]
fn ai_log_is_unescaped_once_wherever_the_line_is_broken() {
    let template = Known::Higress.template().unwrap();
    let mut record = AccessRecord {
        ai_log: Some(r#"{"model":"m","input_token":"12"}"#.into()),
        ..AccessRecord::default()
    };
    for agent in ["plain", r#"with "quotes""#] {
        record.user_agent = Some(agent.into());
        let mut line = Vec::new();
        template.render(&record, &mut line);
        let line = String::from_utf8(line).unwrap();
        let (back, flaws) = read(&template, &line);
        assert_eq!(flaws, Flaws::NONE);
        assert_eq!(back.user_agent, record.user_agent);
        assert_eq!(back.ai_log, record.ai_log);
        assert_eq!(back.model.as_deref(), Some("m"));
        assert_eq!(back.input_tokens, Some(12));
    }
}

#[test]
fn ai_log_that_is_no_object_is_left_out_and_told() {
    let template = Template::text("%FILTER_STATE(wasm.ai_log:PLAIN)%|%REQ(:PATH)%").unwrap();
    let (record, flaws) = read(&template, "nonsense|/p");
    assert_eq!(flaws, Flaws::AI_LOG);
    assert_eq!(record.ai_log, None);
    assert_eq!(record.path.as_deref(), Some("/p"));
}

#[test]
fn a_time_may_have_in_itself_what_ends_it() {
    let start = Timestamp::parse("2026-11-01T07:57:56.721Z").unwrap();
    let record = AccessRecord {
        start_time: Some(start),
        method: Some("GET".into()),
        user_agent: Some("a 2026-11-01 b".into()),
        ..AccessRecord::default()
    };
    for (time, carried) in [
        ("%Y-%m-%d %H:%M:%S.%3f", "2026-11-01T07:57:56.721Z"),
        ("%d/%b/%Y:%H:%M:%S %z", "2026-11-01T07:57:56Z"),
        ("%e %b %Y %I:%M:%S %p", "2026-11-01T07:57:56Z"),
        ("%D %T", "2026-11-01T07:57:56Z"),
        ("%s %3f", "2026-11-01T07:57:56.721Z"),
    ] {
        for format in [
            format!("%START_TIME({time})% %REQ(:METHOD)% %REQ(USER-AGENT)%"),
            format!("%REQ(:METHOD)% %REQ(USER-AGENT)% %START_TIME({time})%"),
        ] {
            let template = Template::text(&format).unwrap();
            let mut line = Vec::new();
            template.render(&record, &mut line);
            let line = String::from_utf8(line).unwrap();
            let (back, _) = read(&template, &line);
            assert_eq!(back.start_time, Timestamp::parse(carried), "{line}");
            assert_eq!(back.method, record.method, "{line}");
            assert_eq!(back.user_agent, record.user_agent, "{line}");
        }
    }
}

#[test]
fn where_a_time_ends_is_told_by_its_form_also_if_it_fills_nothing() {
    for time in ["START_TIME(%a %H:%M)", "EMIT_TIME(%F %T)"] {
        let format = format!("%{time}% %REQ(:METHOD)% \"%REQ(USER-AGENT)%\"");
        let template = Template::text(&format).unwrap();
        for (shown, method) in [("Sun 07:57", "GET"), ("2026-11-01 07:57:56", "PUT")] {
            let line = format!("{shown} {method} \"agent\"");
            match template.reader().unwrap().read(line.as_bytes()) {
                Ok((record, _)) => assert_eq!(record.method.as_deref(), Some(method)),
                Err(error) => assert_eq!(error.position(), 0, "{error}"),
            }
        }
    }
    let template = Template::text("%START_TIME(%F %T)% %REQ(:METHOD)%").unwrap();
    let (record, _) = read(&template, "- GET");
    assert_eq!(record.start_time, None);
    assert_eq!(record.method.as_deref(), Some("GET"));
    let error = template
        .reader()
        .unwrap()
        .read(b"yesterday GET")
        .unwrap_err();
    assert!(
        matches!(error.problem(), ReadProblem::Value { found, .. } if found == "yesterday"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_told() {
    let template = Known::Envoy.template().unwrap();
    let line = b"[2026-11-21T07:57:56.721Z] \"GET /\xff HTTP/1.1\" 200 - 0 5 6 5 \"-\" \"a\xe9\" \"-\" \"-\" \"-\"\r\n";
    let (record, flaws) = template.reader().unwrap().read(line).unwrap();
    assert_eq!(flaws, Flaws::UTF8);
    assert_eq!(record.user_agent.as_deref(), Some("a\u{fffd}"));
    assert_eq!(record.path.as_deref(), Some("/\u{fffd}"));

    // The place is that of the bytes as they came.
    let line = b"[2026-11-21T07:57:56.721Z] \"GET /\xff\xff HTTP/1.1\" OK";
    let error = template.reader().unwrap().read(line).unwrap_err();
    assert_eq!(error.position(), 46);
}

#[test]
fn a_format_without_separators_cannot_be_read() {
    for (format, position) in [
        ("%REQ(USER-AGENT)%%REQ(REFERER)%", 17),
        ("a %REQ(:PATH)%%PROTOCOL%", 14),
    ] {
        let error = Template::text(format).unwrap().reader().unwrap_err();
        assert!(
            matches!(error.problem(), Problem::Touching { .. }),
            "{error}"
        );
        assert_eq!(error.position(), position);
    }
    let json = r#"{"a":{"b":"%PROTOCOL%%REQ(X)%"}}"#;
    let error = Template::json(json).unwrap().reader().unwrap_err();
    assert_eq!((error.key(), error.position()), (Some("a.b"), 10));
    for nothing in ["", "plain", "%SPAN_ID%"] {
        let error = Template::text(nothing).unwrap().reader().unwrap_err();
        assert_eq!(*error.problem(), Problem::NothingToRead);
    }
}

#[test]
fn a_line_of_another_format_is_refused_with_its_place() {
    let envoy = Known::Envoy.template().unwrap().reader().unwrap();
    let good = r#"[2026-11-21T07:57:56.721Z] "GET / HTTP/1.1" 200 - 0 5 6 5 "-" "a" "-" "-" "-""#;
    assert!(envoy.read(good.as_bytes()).is_ok());
    for (line, position) in [
        ("", 0),
        ("no bracket", 0),
        (&good.replace("2026", "year"), 1),
        (&good.replace(" 200 ", " OK "), 44),
        (good.get(..60).unwrap(), 59),
        (good.strip_suffix('"').unwrap(), good.len() - 1),
    ] {
        let error = envoy.read(line.as_bytes()).unwrap_err();
        assert_eq!(error.position(), position, "{error}: {line}");
    }
    let istio = Known::IstioJson.template().unwrap().reader().unwrap();
    for line in ["{}", "[]", "{\"path\":", r#"{"other":1}"#] {
        let error = istio.read(line.as_bytes()).unwrap_err();
        assert!(matches!(error.problem(), ReadProblem::Json(_)), "{error}");
    }
    let error = istio
        .read(br#"{"path":"/","duration":"soon"}"#)
        .unwrap_err();
    assert_eq!(error.position(), 23);
    assert_eq!(
        error.to_string(),
        "the value of DURATION is none: `\"soon\"`, at byte 23 of the line"
    );
}

#[test]
fn the_most_telling_operator_fills_a_field() {
    let format = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(:AUTHORITY)% \
        %DOWNSTREAM_REMOTE_ADDRESS% %REQ(X-ENVOY-ORIGINAL-HOST?:AUTHORITY)% %REQ(:PATH):3% %PATH%";
    let template = Template::text(format).unwrap();
    let (record, _) = read(&template, "10.0.0.1 inner 10.0.0.1:55 outer /ab /abc");
    assert_eq!(
        record.downstream_remote_address.as_deref(),
        Some("10.0.0.1:55")
    );
    assert_eq!(record.authority.as_deref(), Some("outer"));
    assert_eq!(record.path.as_deref(), Some("/abc"));
}

#[test]
fn of_equals_the_first_counts() {
    let template = Template::text("%REQ(:AUTHORITY)% %REQ(HOST)% %UPSTREAM_CLUSTER%").unwrap();
    let (record, _) = read(&template, "first second c");
    assert_eq!(record.authority.as_deref(), Some("first"));
    let (record, _) = read(&template, "- second c");
    assert_eq!(record.authority.as_deref(), Some("second"));
}

#[test]
fn flags_and_grpc_status_are_read_in_every_form() {
    let template =
        Template::text("%RESPONSE_FLAGS_LONG% %GRPC_STATUS(SNAKE_STRING)% %REQ(:PATH)%").unwrap();
    let long = "UpstreamRetryLimitExceeded,UpstreamConnectionFailure";
    let line = format!("{long} NOT_FOUND /");
    let (record, _) = read(&template, &line);
    assert_eq!(record.response_flags.as_deref(), Some("UF,URX"));
    assert_eq!(record.grpc_status, Some(5));
}
