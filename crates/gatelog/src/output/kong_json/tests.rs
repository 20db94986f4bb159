//! Both forms against files that have been read by people, and what holds for any record.

use std::collections::BTreeMap;

use gatelog_record::{Field, Headers, RecordId, Slot, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const SEED: &str = include_str!("../../../tests/data/kong/seed.json");
const KONG_3: &str = include_str!("../../../tests/data/kong/kong-3.json");

#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn text(text: &'static str) -> Option<std::borrow::Cow<'static, str>> {
    Some(text.into())
}

/// The request of the seed's example, as far as a record holds it.
fn example() -> AccessRecord<'static> {
    let mut record = AccessRecord {
        start_time: Some(Timestamp::from_millis(1_433_209_822_425)),
        request_id: text("4b6f2c"),
        method: text("GET"),
        path: text("/get?a=1&b&a=2%203&c="),
        authority: text("httpbin.org"),
        downstream_local_address: text("10.0.0.9:8000"),
        downstream_remote_address: text("127.0.0.1:40000"),
        tls_version: text("TLSv1.2"),
        tls_cipher: text("ECDHE-RSA-AES256-GCM-SHA384"),
        response_code: Some(200),
        response_code_details: text("via_upstream"),
        bytes_received: Some(75),
        bytes_sent: Some(434),
        duration: Some(1921),
        upstream_service_time: text("1430"),
        upstream_host: text("127.0.0.1:8000"),
        upstream_cluster: text("outbound|80||example.com"),
        route: text("example-route"),
        service: text("myservice"),
        consumer: text("demo"),
        ..AccessRecord::default()
    };
    for (name, value) in [
        ("Accept", "*/*"),
        (":authority", "httpbin.org"),
        ("X-Two", "1"),
        ("user-agent", "curl/7.37.1"),
        ("x-two", "2"),
    ] {
        record.request_headers.push(name, value);
    }
    for (name, value) in [("Content-Length", "197"), ("via", "kong/0.3.0")] {
        record.response_headers.push(name, value);
    }
    record
}

fn written(json: &KongJson, record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    json.write(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn plain(format: LogFormat) -> KongJson {
    KongJson::new(format, CustomFields::default())
}

fn with_custom(format: LogFormat, fields: &[(&str, &str)]) -> KongJson {
    let owned: BTreeMap<_, _> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    KongJson::new(format, CustomFields::new(&owned).unwrap())
}

fn parsed(json: &KongJson, record: &AccessRecord<'_>) -> Value {
    serde_json::from_str(&written(json, record)).unwrap()
}

#[test]
fn both_forms_are_those_of_the_files() {
    for (format, golden) in [(LogFormat::Seed, SEED), (LogFormat::Kong3, KONG_3)] {
        let line = written(&plain(format), &example());
        assert_eq!(line, golden.trim_end(), "{format:?}");
    }
}

/// Every member of the seed's example is there, and one more: Kong's name of the route.
#[test]
fn the_seeds_form_has_each_member_of_the_seeds_example() {
    let object = parsed(&plain(LogFormat::Seed), &example());
    for path in [
        "/request/method",
        "/request/uri",
        "/request/url",
        "/request/size",
        "/request/querystring",
        "/request/headers/host",
        "/request/tls/version",
        "/request/tls/cipher",
        "/request/tls/supported_client_ciphers",
        "/request/tls/client_verify",
        "/upstream_uri",
        "/response/status",
        "/response/size",
        "/response/headers/Content-Length",
        "/tries/0/ip",
        "/tries/0/port",
        "/authenticated_entity",
        "/route/created_at",
        "/route/hosts",
        "/route/id",
        "/route/methods",
        "/route/paths",
        "/route/preserve_host",
        "/route/protocols",
        "/route/regex_priority",
        "/route/service",
        "/route/strip_path",
        "/route/updated_at",
        "/service/connect_timeout",
        "/service/created_at",
        "/service/host",
        "/service/id",
        "/service/name",
        "/service/path",
        "/service/port",
        "/service/protocol",
        "/service/read_timeout",
        "/service/retries",
        "/service/updated_at",
        "/service/write_timeout",
        "/workspaces",
        "/consumer/username",
        "/consumer/created_at",
        "/consumer/id",
        "/latencies/proxy",
        "/latencies/kong",
        "/latencies/request",
        "/client_ip",
        "/started_at",
    ] {
        assert!(object.pointer(path).is_some(), "{path}");
    }
}

#[test]
fn what_is_unknown_is_null_in_one_form_and_absent_in_the_other() {
    let empty = AccessRecord::default();
    let seed = parsed(&plain(LogFormat::Seed), &empty);
    assert_eq!(seed["request"]["headers"], Value::Null);
    assert_eq!(seed["latencies"]["proxy"], -1);
    assert_eq!(seed.as_object().unwrap().len(), 12);
    let line = written(&plain(LogFormat::Kong3), &empty);
    assert_eq!(
        line,
        r#"{"request":{},"response":{},"latencies":{"proxy":-1}}"#
    );
}

#[test]
fn addresses_and_times_come_from_what_there_is() {
    let seed = |record: AccessRecord<'static>| parsed(&plain(LogFormat::Seed), &record);
    let client = |ip, remote, forwarded| {
        let record = AccessRecord {
            client_ip: ip,
            downstream_remote_address: remote,
            x_forwarded_for: forwarded,
            ..AccessRecord::default()
        };
        seed(record)["client_ip"].clone()
    };
    assert_eq!(client(text("1.1.1.1"), text("2.2.2.2:1"), None), "1.1.1.1");
    assert_eq!(client(None, text("[::2]:1"), text("3.3.3.3")), "::2");
    assert_eq!(client(None, None, text("3.3.3.3, 4.4.4.4")), "3.3.3.3");
    let answered = seed(AccessRecord {
        duration: Some(10),
        upstream_request_attempt_count: Some(0),
        ..AccessRecord::default()
    });
    assert_eq!(answered["latencies"]["kong"], 10);
    assert_eq!(answered["tries"], Value::Array(Vec::new()));
    let of_kong = seed(AccessRecord {
        duration: Some(10),
        gateway_latency: Some(2),
        upstream_service_time: text("7"),
        tries: text("[{\"ip\":\"a\"},\n{}]"),
        upstream_host: text("b:1"),
        ..AccessRecord::default()
    });
    assert_eq!(of_kong["latencies"]["kong"], 2);
    assert_eq!(of_kong["tries"][0]["ip"], "a");
    let url = |authority, scheme: Option<&'static str>| {
        let mut record = AccessRecord {
            authority: text(authority),
            path: text("/"),
            downstream_local_address: text("10.0.0.1:8443"),
            ..AccessRecord::default()
        };
        if let Some(scheme) = scheme {
            record.request_headers.push(":scheme", scheme);
        }
        seed(record)["request"]["url"].clone()
    };
    assert_eq!(url("a.b", None), "http://a.b:8443/");
    assert_eq!(url("a.b:81", Some("https")), "https://a.b:81/");
    assert_eq!(url("[::1]", None), "http://[::1]:8443/");
}

#[test]
fn a_custom_field_wins_wherever_it_stands() {
    let json = with_custom(
        LogFormat::Kong3,
        &[
            ("status", "%RESPONSE_CODE%"),
            ("request.headers.accept", "mine"),
            ("request.headers.a\\.b", "%REQ(:METHOD)% x"),
            ("response", ""),
            ("client_ip.inner", "1"),
            ("new.deep.er", "%BYTES_SENT%"),
            ("nothing", "%REQ(X-NONE)%"),
            ("tries", "no list"),
        ],
    );
    let line = written(&json, &example());
    let object: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["status"], 200);
    assert_eq!(object["request"]["headers"]["accept"], "mine");
    assert_eq!(object["request"]["headers"]["a.b"], "GET x");
    assert_eq!(object["request"]["headers"]["host"], "httpbin.org");
    assert_eq!(object.get("response"), None);
    assert_eq!(object["client_ip"]["inner"], "1");
    assert_eq!(object["new"]["deep"]["er"], 434);
    assert_eq!(object.get("nothing"), None);
    assert_eq!(object["tries"], "no list");
    assert_eq!(line.matches("\"tries\"").count(), 1);
    assert_eq!(line.matches("\"client_ip\"").count(), 1);
    let seed = with_custom(LogFormat::Seed, &[("nothing", "%REQ(X-NONE)%")]);
    assert_eq!(parsed(&seed, &example()).get("nothing"), Some(&Value::Null));
}

/// Texts with everything that has a meaning somewhere.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z:/?&=%+\\[\\]|\"\\\\\n\r\t\u{1}é,. 0-9-]{1,24}",
        Just("outbound|80||a\"b".to_owned()),
        Just("[::1]:80".to_owned()),
        Just("12".to_owned()),
    ]
}

fn any_record() -> impl Strategy<Value = AccessRecord<'static>> {
    let texts = prop::collection::vec(prop::option::of(any_text()), Field::ALL.len());
    let headers = prop::collection::vec((any_text(), any_text()), 0..6);
    (texts, headers, any::<i64>()).prop_map(|(texts, headers, number)| {
        let mut record = AccessRecord::default();
        for (&field, text) in Field::ALL.iter().zip(texts) {
            let Some(text) = text else { continue };
            match record.slot(field) {
                Slot::Text(slot) => *slot = Some(text.into()),
                Slot::Json(slot) => {
                    *slot = Some(format!("[\n{}]", serde_json::to_string(&text).unwrap()).into());
                }
                Slot::Integer(slot) => *slot = Some(number),
                Slot::Time(slot) => *slot = Some(Timestamp::from_micros(number)),
                Slot::Id(slot) => *slot = Some(RecordId::from_bits(1)),
                Slot::Headers(slot) => {
                    *slot = Headers::new();
                    for (name, value) in &headers {
                        slot.push(name.clone(), value.clone());
                    }
                }
                Slot::Float(_) => {}
            }
        }
        record
    })
}

/// The names of an object and of those in it, each as often as it comes; fails if one comes twice.
fn no_name_twice(line: &str) -> Result<(), TestCaseError> {
    struct Names;
    impl<'de> serde::de::DeserializeSeed<'de> for Names {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut names = std::collections::BTreeSet::new();
            while let Some(name) = map.next_key::<String>()? {
                if !names.insert(name.clone()) {
                    return Err(serde::de::Error::custom(format!("{name} comes twice")));
                }
                map.next_value_seed(Names)?;
            }
            Ok(())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element_seed(Names)?.is_some() {}
            Ok(())
        }
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(line);
    let read = serde::de::DeserializeSeed::deserialize(Names, &mut reader);
    let whole = read.and_then(|()| reader.end());
    whole.map_err(|error| TestCaseError::fail(format!("{error}: {line}")))
}

proptest! {
    #[test]
    fn any_record_is_one_line_of_valid_json(record in any_record()) {
        let custom = [("request.headers.x", "%REQ(:PATH)%"), ("a.b", "%REQ(:PATH)% %PROTOCOL%"), ("service", "")];
        for format in [LogFormat::Seed, LogFormat::Kong3] {
            for json in [plain(format), with_custom(format, &custom)] {
                let line = written(&json, &record);
                prop_assert!(!line.contains(['\n', '\r']), "{}", line);
                no_name_twice(&line)?;
                let object: Value = serde_json::from_str(&line).unwrap();
                let known = |value: &Value| !value.is_null();
                if known(&object["request"]["method"]) {
                    prop_assert_eq!(object["request"]["method"].as_str(), record.method.as_deref());
                }
            }
        }
    }
}
