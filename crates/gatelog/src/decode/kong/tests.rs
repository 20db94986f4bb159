//! What becomes of log objects of each age, and of odd ones.

use gatelog_record::{Flaws, Timestamp};

use crate::decode;

const SEED: &str = include_str!("../../../tests/data/kong/seed-log.json");
const KONG_3: &str = include_str!("../../../tests/data/kong/kong-3-log.json");

use super::*;

fn record(object: &str) -> AccessRecord<'_> {
    let (record, flaws) = decode::read(object).unwrap();
    assert_eq!(flaws, Flaws::NONE);
    assert!(record.kong.is_some(), "not known as Kong's: {object}");
    record
}

fn kept(object: &str) -> serde_json::Value {
    serde_json::from_str(record(object).kong.as_deref().unwrap()).unwrap()
}

/// A log object with these members besides.
fn log(request: &str, members: &str) -> String {
    format!(r#"{{"request":{{{request}}},"started_at":1433209822425{members}}}"#)
}

#[test]
fn the_seeds_example_fills_the_fields() {
    let record = record(SEED);
    let text = |slot: &Option<Cow<'_, str>>| slot.clone().unwrap_or_default().into_owned();
    assert_eq!(
        record.start_time,
        Some(Timestamp::from_millis(1_433_209_822_425))
    );
    assert_eq!(text(&record.method), "GET");
    assert_eq!(text(&record.path), "/get");
    assert_eq!(text(&record.authority), "httpbin.org");
    assert_eq!(text(&record.user_agent), "curl/7.37.1");
    assert_eq!(record.bytes_received, Some(75));
    assert_eq!(record.response_code, Some(200));
    assert_eq!(record.bytes_sent, Some(434));
    assert_eq!(record.response_headers.get("content-length"), Some("197"));
    assert_eq!(text(&record.tls_version), "TLSv1.2");
    assert_eq!(text(&record.tls_cipher), "ECDHE-RSA-AES256-GCM-SHA384");
    assert_eq!(text(&record.upstream_host), "127.0.0.1:8000");
    assert_eq!(record.upstream_request_attempt_count, Some(2));
    assert_eq!(
        text(&record.route_id),
        "75818c5f-202d-4b82-a553-6a46e7c9a19e"
    );
    assert_eq!(
        (record.route.as_ref(), record.route_name.as_ref()),
        (None, None)
    );
    assert_eq!(
        text(&record.service_id),
        "0590139e-7481-466c-bcdf-929adcaaf804"
    );
    assert_eq!(text(&record.service), "myservice");
    assert_eq!(text(&record.consumer), "demo");
    assert_eq!(
        text(&record.consumer_id),
        "35b03bfc-7a5b-4a23-a594-aa350c585fa8"
    );
    assert_eq!(text(&record.upstream_service_time), "1430");
    assert_eq!(record.gateway_latency, Some(9));
    assert_eq!(record.duration, Some(1921));
    assert_eq!(text(&record.client_ip), "127.0.0.1");
    assert_eq!(text(&record.downstream_remote_address), "127.0.0.1");
    let kept = kept(SEED);
    assert_eq!(kept["request"]["tls"]["client_verify"], "NONE");
    assert_eq!(kept["request"]["url"], "http://httpbin.org:8000");
    assert_eq!(kept["workspaces"][0]["name"], "default");
    assert_eq!(kept["upstream_uri"], "/");
    assert_eq!(kept["route"]["paths"][0], "/example-path");
    for gone in [
        "/request/headers",
        "/route/id",
        "/route/hosts",
        "/service/name",
        "/latencies",
    ] {
        assert_eq!(kept.pointer(gone), None, "{gone}");
    }
}

#[test]
fn an_object_of_kong_3_fills_those_of_an_llm_too() {
    let record = record(KONG_3);
    let text = |slot: &Option<Cow<'_, str>>| slot.clone().unwrap_or_default().into_owned();
    assert_eq!(text(&record.request_id), "9ec9264afbbbad5fe5c64877d92eeb04");
    assert_eq!(text(&record.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(text(&record.x_forwarded_for), "203.0.113.9, 10.0.0.1");
    assert_eq!(text(&record.upstream_host), "10.1.0.2:443");
    assert_eq!(text(&record.route), "chat");
    assert_eq!(text(&record.route_name), "chat");
    assert_eq!(text(&record.consumer_custom_id), "crm-17");
    assert_eq!(text(&record.requested_model), "gpt-4o");
    assert_eq!(text(&record.model), "gpt-4o-2024-11-20");
    assert_eq!(text(&record.ai_response_type), "stream");
    assert_eq!(text(&record.ai_cache_status), "miss");
    assert_eq!(
        (
            record.input_tokens,
            record.output_tokens,
            record.total_tokens
        ),
        (Some(24), Some(180), Some(204))
    );
    assert_eq!(record.ai_service_duration, Some(1480));
    assert_eq!(record.ai_first_token_duration, Some(310));
    assert_eq!((record.ai_log, record.query), (None, None));
    let accept: Vec<_> = record
        .request_headers
        .iter()
        .filter(|(name, _)| *name == "accept")
        .collect();
    assert_eq!(accept.len(), 2);
    let kept = kept(KONG_3);
    assert_eq!(kept["latencies"]["receive"], 1041);
    assert_eq!(kept["ai"]["proxy"]["usage"]["cost"], 0.00186);
    assert_eq!(kept["request"].get("querystring"), None);
}

#[test]
fn names_of_older_and_other_ai_plugins_are_known_and_payloads_are_left_out() {
    let of = |ai: &str| {
        let object = log("", &format!(r#","ai":{ai}"#));
        record(&object).into_owned()
    };
    let old = of(
        r#"{"payload":{"request":"my secret"},"ai-request-transformer":{"meta":
        {"response_model":"x"}},"ai-proxy":{"payload":{"response":"a"},"meta":{"request_model":
        "command"},"usage":{"prompt_token":"28","completion_token":20.0,"total_tokens":{}},
        "cache":{"cache_status":"Bypass"}}}"#,
    );
    assert_eq!(old.model.as_deref(), Some("command"));
    assert_eq!(
        (old.input_tokens, old.output_tokens, old.total_tokens),
        (Some(28), Some(20), None)
    );
    assert_eq!(old.ai_cache_status.as_deref(), Some("skip"));
    let kept = old.kong.unwrap();
    assert!(
        !kept.contains("secret") && !kept.contains("payload"),
        "{kept}"
    );
    assert!(kept.contains(r#""ai-request-transformer":{"#), "{kept}");
    let other = of(
        r#"{"ai-response-transformer":{"usage":{"total_tokens":3}},"mcp":{"rpc":
        [{"method":"tools/call","payload":{"response":"secret"}},7]}}"#,
    );
    assert_eq!(other.total_tokens, Some(3));
    let kept = other.kong.unwrap();
    assert!(
        !kept.contains("secret") && kept.contains("tools/call"),
        "{kept}"
    );
    let deep = format!("{}\"payload\"{}", "[".repeat(20), "]".repeat(20));
    assert!(
        of(&format!("{{\"a\":{deep}}}"))
            .kong
            .unwrap()
            .contains("null")
    );
    for odd in [
        "7",
        "[]",
        "{}",
        "{\"proxy\":1}",
        "{\"proxy\":{\"meta\":[]}}",
    ] {
        assert_eq!(of(odd).model, None, "{odd}");
    }
}

#[test]
fn kongs_objects_are_known_by_their_shape_whatever_else_they_hold() {
    for kongs in [
        r#"{"request":{},"latencies":{}}"#,
        r#"{"started_at":1,"request":{}}"#,
        r#"{"session":{},"started_at":1}"#,
        r#"{"method":"own","duration":"own","start_time":"own","request":{},"latencies":{}}"#,
        " {\"r\\u0065quest\":\n{},\"latencies\":{}}",
    ] {
        assert!(record(kongs).kong.is_some());
    }
    for other in [
        r#"{"request":{"method":"GET"},"response":{},"client_ip":"1","start_time":1}"#,
        r#"{"request":"GET /","latencies":{},"method":"A"}"#,
        r#"{"method":"A","extra":{"request":{},"latencies":{}}}"#,
        r#"{"method":"A","kong":{"request":{},"latencies":{}}}"#,
    ] {
        let found = decode::item::find(other);
        assert!(!found.of_kong && found.item.is_ok(), "{other}");
    }
}

#[test]
fn what_is_no_integer_where_one_must_be_refuses_the_object_as_kongs() {
    for (object, told) in [
        (
            log("\"size\":\"big\"", ""),
            "request.size: expected an integer (or one in a string, \"-\" or \"\"), found \"big\"",
        ),
        (
            log("", r#","response":{"status":2.5}"#),
            "response.status: expected an integer (or one in a string, \"-\" or \"\"), found 2.5",
        ),
        (
            log("", r#","response":{"size":[]}"#),
            "response.size: expected an integer (or one in a string, \"-\" or \"\"), found an array",
        ),
        (
            log(
                "",
                &format!(r#","own":{}1{}"#, "[".repeat(128), "]".repeat(128)),
            ),
            "the log object: nested more than 128 deep",
        ),
        (
            log(
                "",
                &format!(r#","tries":{}1{}"#, "[".repeat(129), "]".repeat(129)),
            ),
            "tries: nested more than 128 deep",
        ),
    ] {
        let found = decode::item::find(&object);
        assert!(found.of_kong);
        assert_eq!(found.item.unwrap_err().to_string(), told);
    }
}

#[test]
fn odd_values_are_kept_where_no_field_can_hold_them() {
    let object = log(
        r#""method":"-","uri":7,"id":"","headers":{},"url":"http://a:80/other","tls":null,"own":1"#,
        r#","client_ip":null,"route":{"name":"","id":5,"hosts":null,"own":null},"service":"x",
            "consumer":{},"tries":{},"latencies":{"proxy":-1,"kong":"x","request":1.5},
            "upstream_uri":"","upstream_status":"","response":{"status":null,"size":"-"}"#,
    );
    let record = record(&object);
    assert_eq!(
        (record.method, record.request_id, record.response_code),
        (None, None, None)
    );
    assert_eq!(record.path.as_deref(), Some("7"));
    assert_eq!(record.authority.as_deref(), Some("a:80"));
    assert_eq!(
        (record.duration, record.upstream_service_time),
        (Some(2), None)
    );
    assert_eq!(record.route_id.as_deref(), Some("5"));
    let expected = concat!(
        r#"{"request":{"method":"-","uri":7,"id":"","headers":{},"own":1,"url":"http://a:80/other"},"#,
        r#""route":{"name":"","id":5,"own":null},"service":"x","consumer":{},"tries":{},"#,
        r#""upstream_status":"","upstream_uri":""}"#
    );
    assert_eq!(record.kong.as_deref(), Some(expected));
}

#[test]
fn a_query_that_the_uri_is_without_is_taken_from_its_parameters() {
    let query = |uri: &str, parameters: &str| {
        let object = log(&format!(r#""uri":"{uri}","querystring":{parameters}"#), "");
        record(&object).query.map(Cow::into_owned)
    };
    let parameters = r#"{"a":["1","b c"],"d":true,"e":"","f&":"="}"#;
    let expected = "a=1&a=b+c&d&e=&f%26=%3D";
    assert_eq!(query("/a", parameters).as_deref(), Some(expected));
    assert_eq!(query("/a?b", parameters), None);
    assert_eq!(query("/a", "{}"), None);
    assert_eq!(query("/a", "[]"), None);
}

#[test]
fn a_time_in_another_form_is_read_and_kept() {
    let time = |started_at: &str| {
        let object = format!(r#"{{"request":{{}},"started_at":{started_at}}}"#);
        let record = record(&object).into_owned();
        (
            record.start_time.map(Timestamp::millis),
            record.kong.unwrap().into_owned(),
        )
    };
    assert_eq!(
        time("1433209822425"),
        (Some(1_433_209_822_425), "{}".to_owned())
    );
    assert_eq!(time("5"), (Some(5), "{}".to_owned()));
    let (millis, kept) = time(r#""2015-06-02T01:50:22.425Z""#);
    assert_eq!(millis, Some(1_433_209_822_425));
    assert_eq!(kept, r#"{"started_at":"2015-06-02T01:50:22.425Z"}"#);
    assert_eq!(time("null"), (None, "{}".to_owned()));
    assert_eq!(time("{}").0, None);
}

/// Kong's custom fields can take it away.
#[test]
fn an_object_without_its_request_is_still_kongs() {
    let object = r#"{"response":{"status":503},"latencies":{"request":7},"started_at":5,
        "consumer":{"username":"c","key":"S"}}"#;
    let record = record(object);
    assert_eq!(record.start_time.map(Timestamp::millis), Some(5));
    assert_eq!(
        (record.response_code, record.duration),
        (Some(503), Some(7))
    );
    assert_eq!(record.consumer.as_deref(), Some("c"));
    assert_eq!(record.kong.as_deref(), Some(r#"{"consumer":{"key":"S"}}"#));
}

/// Lua has one empty table for both, and its cjson writes it as an object.
#[test]
fn of_an_empty_list_of_attempts_there_were_none() {
    for (tries, attempts, kept) in [
        ("[]", Some(0), "{}"),
        ("{}", Some(0), r#"{"tries":{}}"#),
        (r#"{"1":{}}"#, None, r#"{"tries":{"1":{}}}"#),
    ] {
        let object = log("", &format!(r#","tries":{tries}"#));
        let record = record(&object);
        assert_eq!(record.upstream_request_attempt_count, attempts, "{tries}");
        assert_eq!(record.kong.as_deref(), Some(kept));
    }
}

#[test]
fn a_stream_has_no_request() {
    let stream = r#"{"session":{"tls":{"version":"TLSv1.3","cipher":"c"},"received":10,"sent":20,
        "status":200,"server_port":9000},"upstream":{"received":20,"sent":10},"latencies":{"kong":1,
        "session":30},"tries":[{"ip":"::1","port":1}],"client_ip":"10.0.0.1","started_at":5,
        "service":{"id":"s","name":"tcp"}}"#;
    let record = record(stream);
    assert_eq!(record.response_code, Some(200));
    assert_eq!(
        (record.bytes_received, record.bytes_sent),
        (Some(10), Some(20))
    );
    assert_eq!(
        (record.duration, record.gateway_latency),
        (Some(30), Some(1))
    );
    assert_eq!(record.tls_version.as_deref(), Some("TLSv1.3"));
    assert_eq!(record.upstream_host.as_deref(), Some("[::1]:1"));
    assert_eq!((record.path, record.method), (None, None));
    assert_eq!(kept(stream)["session"]["server_port"], 9000);
}
