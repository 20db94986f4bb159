//! Objects of Kong's come out as they went in: through the decoder, the journal's form and the writer.

use gatelog_record::{AccessRecord, wire};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::{CustomFields, KongJson, LogFormat};
use crate::decode;

const SEED: &str = include_str!("../../../tests/data/kong/seed-log.json");
const KONG_3: &str = include_str!("../../../tests/data/kong/kong-3-log.json");

/// What a log object is behind its way through gatelog.
fn through(object: &str, format: LogFormat) -> Value {
    let (record, _) = decode::read(object).unwrap();
    let mut batch = Vec::new();
    wire::begin_batch(&mut batch);
    wire::write_record(&record, &mut batch);
    let again: Vec<AccessRecord<'_>> = wire::read_batch(&batch)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(again, [record]);
    let mut out = Vec::new();
    KongJson::new(format, CustomFields::default()).write(&again[0], &mut out);
    serde_json::from_slice(&out).unwrap()
}

fn parsed(object: &str) -> Value {
    serde_json::from_str(object).unwrap()
}

#[test]
fn the_seeds_example_comes_out_as_it_went_in() {
    assert_eq!(through(SEED, LogFormat::Seed), parsed(SEED));
}

#[test]
fn an_object_of_kong_3_comes_out_as_it_went_in() {
    assert_eq!(through(KONG_3, LogFormat::Kong3), parsed(KONG_3));
}

/// In the other form sizes change their kind, and the seed's members are all there.
#[test]
fn the_form_can_be_changed() {
    let mut seed = through(KONG_3, LogFormat::Seed);
    assert_eq!(seed["request"]["size"], "323");
    assert_eq!(seed["workspaces"], Value::Null);
    assert_eq!(seed["route"]["hosts"], Value::Null);
    assert_eq!(seed["ai"], parsed(KONG_3)["ai"]);
    without_nulls(&mut seed);
    let mut expected = parsed(KONG_3);
    expected["request"].as_object_mut().unwrap().remove("id");
    expected["request"]["size"] = json!("323");
    expected["response"]["size"] = json!("812");
    assert_eq!(seed, expected);
    let kong_3 = through(SEED, LogFormat::Kong3);
    assert_eq!(kong_3["response"]["size"], 434);
    assert_eq!(kong_3["response"]["headers"]["content-length"], "197");
    assert_eq!(kong_3["route"].get("hosts"), None);
    assert_eq!(kong_3["workspaces"], parsed(SEED)["workspaces"]);
}

#[test]
fn a_stream_comes_out_as_it_went_in() {
    let stream = json!({
        "session": {"received": 10, "sent": 20, "status": 200, "server_port": 9000},
        "upstream": {"received": 20, "sent": 10},
        "latencies": {"kong": 1, "session": 30},
        "tries": [{"ip": "10.0.0.2", "port": 1}],
        "client_ip": "10.0.0.1", "started_at": 5, "service": {"id": "s"}
    });
    let text = stream.to_string();
    assert_eq!(through(&text, LogFormat::Kong3), stream);
    let mut seed = through(&text, LogFormat::Seed);
    without_nulls(&mut seed);
    assert_eq!(seed, stream);
}

/// An operator's own field of that name makes a request no stream.
#[test]
fn a_request_with_a_session_comes_out_as_a_request() {
    for request in [
        json!({}),
        json!({"method": "GET", "headers": {"host": "a"}}),
    ] {
        let object = json!({
            "session": {"id": "s"}, "request": request, "response": {"status": 200, "size": 5},
            "latencies": {"kong": 1, "proxy": 2, "request": 3}, "tries": [], "started_at": 5
        });
        assert_eq!(through(&object.to_string(), LogFormat::Kong3), object);
    }
}

/// What an operator took away does not come back.
#[test]
fn a_url_that_kong_did_not_log_is_not_made_up() {
    let log = r#"{"request":{"uri":"/a","headers":{"host":"a"}},"started_at":5}"#;
    let out = through(log, LogFormat::Kong3);
    assert_eq!(out["request"].get("url"), None, "{out}");
}

/// What the record knows is no longer right where a custom field says otherwise.
#[test]
fn custom_fields_win_over_what_was_kept() {
    let (record, _) = decode::read(KONG_3).unwrap();
    let fields = [
        ("workspace", "%RESPONSE_CODE%"),
        ("authenticated_entity.id", "mine"),
        ("source", ""),
        ("correlation_id.inner", "x"),
        ("request.tls.client_verify", "%PROTOCOL%"),
        ("route", "gone"),
        ("ai.proxy.meta", ""),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let custom = CustomFields::new(&fields.into_iter().collect()).unwrap();
    let mut out = Vec::new();
    KongJson::new(LogFormat::Kong3, custom).write(&record, &mut out);
    let text = String::from_utf8(out).unwrap();
    let object = parsed(&text);
    assert_eq!(object["workspace"], 200);
    assert_eq!(object["authenticated_entity"]["id"], "mine");
    let of_entity = &parsed(KONG_3)["authenticated_entity"]["consumer_id"];
    assert_eq!(&object["authenticated_entity"]["consumer_id"], of_entity);
    assert_eq!(object.get("source"), None);
    assert_eq!(object["correlation_id"], json!({"inner": "x"}));
    assert_eq!(object["request"]["tls"].get("client_verify"), None);
    assert_eq!(object["route"], "gone");
    assert_eq!(object["ai"]["proxy"].get("meta"), None);
    assert_eq!(object["ai"]["proxy"]["usage"]["total_tokens"], 204);
    for name in ["workspace\"", "correlation_id", "\"route\"", "\"ai\""] {
        assert_eq!(text.matches(name).count(), 1, "{name} in {text}");
    }
}

/// Whatever a client puts into the field of its own records, one valid object comes out.
#[test]
fn what_was_never_kongs_harms_nothing() {
    for kong in [
        "[]",
        "{}",
        r#"{"request":7,"latencies":[],"a":1,"a":2,"tries":null}"#,
        r#"{"request":{"url":"x://","headers":"no"},"session":{}}"#,
        r#"{"request":{"url":"http://a:1","uri":"twice"},"route":{"id":{},"name":[]}}"#,
    ] {
        let record = AccessRecord {
            kong: Some(kong.into()),
            path: Some("/a".into()),
            query: Some("b=1".into()),
            route: Some("r".into()),
            ..AccessRecord::default()
        };
        for format in [LogFormat::Seed, LogFormat::Kong3] {
            let mut out = Vec::new();
            KongJson::new(format, CustomFields::default()).write(&record, &mut out);
            let text = String::from_utf8(out).unwrap();
            let object: Value = serde_json::from_str(&text).unwrap();
            assert!(object.is_object());
            for name in ["\"tries\":", "\"uri\":", "\"a\":"] {
                assert!(text.matches(name).count() <= 1, "{name} in {text}");
            }
        }
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// A text as Kong logs one in a member that it always fills.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9 é\"\\\\\n:/._-]{2,12}", Just("x".to_owned())]
        .prop_filter("a word for nothing", |text| text != "-")
}

/// Any JSON.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|number: f64| Value::from((number * 8.0).round() / 8.0)),
        "[a-zA-Z0-9 é\"\\\\\n]{0,6}".prop_map(Value::from),
        Just(json!({})),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z]{1,3}", inner, 1..4).prop_map(|map| json!(map)),
        ]
    })
}

/// An entity with some of these texts, and other members.
fn entity(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let texts = subsequence(names.to_vec(), 0..=names.len());
    let others = select(vec![
        "created_at",
        "paths",
        "tags",
        "host",
        "strip_path",
        "ws_id",
    ]);
    (texts, vec(text(), 4), btree_map(others, anything(), 1..5)).prop_map(
        |(names, values, others)| {
            let mut entity: Map<_, _> = others
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            for (name, value) in names.into_iter().zip(values) {
                entity.insert(name.to_owned(), value.into());
            }
            Value::Object(entity)
        },
    )
}

fn headers() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        "[ -~é]{0,10}".prop_map(Value::from),
        vec("[ -~]{0,6}", 2..4).prop_map(Value::from),
    ];
    btree_map("[a-z-]{1,8}", value, 0..6).prop_map(|map| json!(map))
}

/// A URI and its parameters as Kong decodes them.
fn target() -> impl Strategy<Value = (String, Value)> {
    let value = prop_oneof![
        Just(Value::from(true)),
        "[a-z0-9 é]{0,5}".prop_map(Value::from),
        vec("[a-z]{0,3}", 2..4).prop_map(Value::from),
    ];
    let parameters = btree_map("[a-z]{1,4}", value, 0..5);
    ("/[a-z0-9/]{0,12}", parameters, any::<bool>()).prop_map(|(path, parameters, apart)| {
        let mut query = String::new();
        for (name, value) in &parameters {
            let values = value
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![value.clone()]);
            for value in values {
                let separator = if query.is_empty() { '?' } else { '&' };
                query.push(separator);
                query.push_str(name);
                if let Some(text) = value.as_str() {
                    query.push('=');
                    query.extend(form_urlencoded::byte_serialize(text.as_bytes()));
                }
            }
        }
        let uri = if apart {
            path
        } else {
            format!("{path}{query}")
        };
        (uri, json!(parameters))
    })
}

fn times() -> impl Strategy<Value = Value> {
    let times = (
        0..9_000_000_i64,
        -1..1000_i64,
        0..1000_i64,
        option::of(0..100_i64),
    );
    times.prop_map(|(request, proxy, kong, receive)| {
        let mut times = json!({"request": request, "proxy": proxy, "kong": kong});
        if let Some(receive) = receive {
            times["receive"] = receive.into();
        }
        times
    })
}

/// A log object, in the form of Kong 3 or in the seed's.
fn object(of_seed: bool) -> impl Strategy<Value = Value> {
    let size = any::<u32>().prop_map(move |size| {
        if of_seed {
            Value::from(size.to_string())
        } else {
            Value::from(size)
        }
    });
    let request = (
        text(),
        text(),
        target(),
        size.clone(),
        headers(),
        option::of(text()),
    );
    let request = request.prop_map(move |(id, method, target, size, headers, tls)| {
        let (uri, querystring) = target;
        let url = format!("https://a.example:8443{uri}");
        let mut request = json!({"method": method, "uri": uri, "url": url, "size": size,
            "querystring": querystring, "headers": headers});
        if !of_seed {
            request["id"] = id.into();
        }
        if let Some(version) = tls {
            request["tls"] = json!({"version": version, "client_verify": "NONE"});
        }
        request
    });
    let response = (100..600, size, headers());
    let response = response.prop_map(
        |(status, size, headers)| json!({"status": status, "size": size, "headers": headers}),
    );
    let times = times();
    let attempt = (text(), 1..65536).prop_map(|(ip, port)| json!({"ip": ip, "port": port}));
    let entities = (
        option::of(entity(&["id", "name"])),
        option::of(entity(&["id", "name"])),
        option::of(entity(&["id", "username", "custom_id"])),
    );
    let rest = select(vec![
        "authenticated_entity",
        "workspaces",
        "workspace",
        "source",
        "upstream_status",
        "own",
        "correlation_id",
        "trace_id",
    ]);
    let rest = btree_map(rest, anything(), 0..6);
    let exchange = (request, response, times, vec(attempt, 0..3));
    (exchange, entities, rest, option::of(text())).prop_map(|(exchange, entities, rest, sent)| {
        let (request, response, times, tries) = exchange;
        let sent = sent.map_or_else(|| request["uri"].clone(), Value::from);
        let mut object = json!({"request": request, "response": response, "latencies": times,
            "tries": tries, "client_ip": "10.0.0.1", "started_at": 1_433_209_822_425_i64,
            "upstream_uri": sent});
        let (route, service, consumer) = entities;
        for (name, entity) in [
            ("route", route),
            ("service", service),
            ("consumer", consumer),
        ] {
            if let Some(entity) = entity {
                object[name] = entity;
            }
        }
        for (name, value) in rest {
            object[name] = value;
        }
        object
    })
}

proptest! {
    #[test]
    fn any_object_of_kong_3_comes_out_as_it_went_in(object in object(false)) {
        prop_assert_eq!(through(&object.to_string(), LogFormat::Kong3), object);
    }

    /// What was not there may be there as `null`.
    #[test]
    fn any_object_in_the_seeds_form_comes_out_as_it_went_in(mut object in object(true)) {
        let mut out = through(&object.to_string(), LogFormat::Seed);
        without_nulls(&mut out);
        without_nulls(&mut object);
        prop_assert_eq!(out, object);
    }
}
