//! Whatever is sent is answered, and leaves entities that can be in force.

use proptest::prelude::*;

use super::*;

/// A value of any shape, with names and words that mean something here.
fn value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("file-log"),
        Just("http-log"),
        Just("loggly"),
        Just("***"),
        Just("http://u:***@h/?key=***"),
        Just("/tmp/x"),
        Just("a"),
        Just(""),
    ];
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let name = prop_oneof![
        "(name|id|instance_name|service|route|consumer|service_id|config|tags|protocols|plugins)",
        "(path|http_endpoint|key|headers|queue|max_backlog|services|routes|consumers|username|_x)",
        "[a-c.]{0,3}",
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What may be a plugin.
fn plugin() -> impl Strategy<Value = Value> {
    let config = prop_oneof![
        Just(json!({"path": "/x", "http_endpoint": "http://h/", "key": "k"})),
        Just(json!({"path": "/x"})),
        value(),
    ];
    let scope = prop_oneof![
        Just(Value::Null),
        Just(json!("a")),
        Just(json!({"name": "b"})),
        value()
    ];
    let more = prop_oneof![
        Just(json!({})),
        "[a-b]".prop_map(|name| json!({"instance_name": name})),
        Just(json!({"tags": ["x", "x"], "enabled": false})),
        value(),
    ];
    (config, scope, more).prop_map(|(config, scope, more)| {
        let mut plugin = json!({"name": "file-log", "config": config, "service": scope});
        if let (Value::Object(plugin), Value::Object(more)) = (&mut plugin, more) {
            plugin.extend(more);
        }
        plugin
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_request_is_answered(requests in proptest::collection::vec((
        "(GET|POST|PUT|PATCH|DELETE|OPTIONS|HEAD)",
        "/(plugins|config|services|routes|consumers|schemas)?(/[a-b]|/plugins|/validate|/%FF|/){0,3}(\\?(size|offset|tags|check_hash|flatten_errors)=[0-9a/,]{0,3})?",
        "(application/json|application/x-www-form-urlencoded|text/yaml|multipart/form-data; boundary=a|x)?",
        prop_oneof![plugin().prop_map(|value| value.to_string()), value().prop_map(|value| json!({"plugins": [value]}).to_string()), any::<String>()],
    ), 1..6)) {
        let rig = Rig::new();
        for (method, path, content_type, body) in requests {
            let answer = rig.raw(&method, &path, &content_type, body.clone());
            prop_assert!(answer.status < 500, "{} {} {}: {:?}", method, path, body, answer);
            let kong = rig.plugins.current();
            prop_assert!(instances(&kong).is_ok());
            // What is shown can be shown, and loaded.
            let file = rig.get("/config?secrets=true");
            prop_assert_eq!(file.status, 200);
            let again = rig.json("POST", "/config?check_hash=1", &file.body);
            prop_assert_eq!(again.status, 304, "{:?}", file);
        }
    }
}
