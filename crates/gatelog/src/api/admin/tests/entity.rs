//! What a plugin looks like in an answer.

use super::*;

#[test]
fn every_field_and_every_default_is_shown() {
    let rig = Rig::new();
    let made = rig.made("/plugins", &json!({}));
    let expected = json!({
        "id": made["id"],
        "name": "file-log",
        "instance_name": null,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "service": null,
        "route": null,
        "consumer": null,
        "config": {
            "path": "/tmp/x",
            "reopen": false,
            "custom_fields_by_lua": null,
            "log_format": null,
            "custom_fields": null,
            "access_log_format": null,
            "access_log_json_format": null,
            "omit_empty_values": null,
            "start": "now",
            "max_backlog": {"bytes": "2GiB", "age": "1d"},
        },
        "protocols": ["grpc", "grpcs", "http", "https"],
        "enabled": true,
        "tags": null,
    });
    assert_eq!(made, expected);
    assert!(made["created_at"].as_u64().unwrap() > 1_700_000_000);
    assert!(super::super::draft::is_uuid(id(&made)));
    // What was answered can be sent.
    let path = format!("/plugins/{}", id(&made));
    let put = rig.json("PUT", &path, &made);
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.body["config"], made["config"]);
    assert_eq!(rig.json("PATCH", &path, &made).status, 200);
}

/// Kong's answer, with what gatelog has besides apart from it. Where Kong has a limit that gatelog has
/// not (`max_entries`, `max_retry_time`) it is `null`.
#[test]
fn an_http_log_is_shown_as_kong_shows_one() {
    let rig = Rig::new();
    let form = "name=http-log&config.http_endpoint=http://mockbin.org/bin/:id";
    let mut made = rig.form("POST", "/services/my-service/plugins", form).body;
    let config = made["config"].as_object_mut().unwrap();
    let own = [
        ("compression", json!("none")),
        ("custom_fields", Value::Null),
        ("log_format", json!("seed")),
        ("max_backlog", json!({"bytes": "2GiB", "age": "1d"})),
        ("proxy", json!("environment")),
        ("ssl_verify", json!(true)),
        ("start", json!("now")),
        (
            "tls",
            json!({"ca_file": null, "cert_file": null, "key_file": null, "server_name": null}),
        ),
    ];
    for (name, expected) in own {
        assert_eq!(config.remove(name), Some(expected), "{name}");
    }
    let expected = json!({
        "id": made["id"],
        "name": "http-log",
        "instance_name": null,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
        "service": {"id": "my-service"},
        "route": null,
        "consumer": null,
        "config": {
            "http_endpoint": "http://mockbin.org/bin/:id",
            "method": "POST",
            "content_type": "application/json",
            "timeout": 10000,
            "keepalive": 60000,
            "headers": null,
            "custom_fields_by_lua": null,
            "retry_count": null,
            "queue_size": null,
            "flush_timeout": null,
            "queue": {
                "max_batch_size": 1,
                "max_coalescing_delay": 1,
                "max_entries": null,
                "max_bytes": null,
                "max_retry_time": null,
                "initial_retry_delay": 0.01,
                "max_retry_delay": 60,
                "concurrency_limit": 1,
            },
        },
        "protocols": ["grpc", "grpcs", "http", "https"],
        "enabled": true,
        "tags": null,
    });
    assert_eq!(made, expected);
}

#[test]
fn settings_of_an_http_log_have_their_types_and_bounds() {
    let rig = Rig::new();
    let form = "name=http-log&config.http_endpoint=http://localhost/";
    let made = rig.form("POST", "/plugins", form).body;
    let path = format!("/plugins/{}", id(&made));
    let both = "config.http_endpoint=http://u:p@h/&config.headers.Authorization=x";
    let answer = rig.form("PATCH", &path, both);
    assert!(answer.body["fields"]["config"].is_string(), "{answer:?}");
    for (form, text) in [
        (
            "config.method=GET",
            "config.method: expected one of: POST, PUT, PATCH",
        ),
        ("config.timeout=soon", "config.timeout: expected a number"),
        (
            "config.queue.max_batch_size=0",
            "config.queue.max_batch_size: value should be between 1 and 1000000",
        ),
        (
            "config.queue.max_batch_size=1.5",
            "config.queue.max_batch_size: expected an integer",
        ),
        ("config.queue=5", "config.queue: expected a record"),
        ("config.headers=5", "config.headers: expected a map"),
    ] {
        let answer = rig.form("PATCH", &path, form).body;
        assert_eq!(answer["message"], format!("schema violation ({text})"));
    }
    let form = "config.queue.max_batch_size=10&config.queue.max_coalescing_delay=0.5\
                &config.headers.X-Foo=bar&config.headers[X-Bar]=5";
    let config = rig.form("PATCH", &path, form).body["config"].clone();
    assert_eq!(config["queue"]["max_batch_size"], 10);
    assert_eq!(config["queue"]["max_coalescing_delay"], 0.5);
    assert_eq!(config["headers"], json!({"X-Foo": "bar", "X-Bar": "5"}));
}

#[test]
fn an_entity_that_is_known_is_shown_by_its_id_and_found_by_each_name() {
    let rig = Rig::new();
    let yaml = "services: [{name: billing, id: 0590139e-7481-466c-bcdf-929adcaaf804}]\n\
                consumers: [{username: bob, custom_id: b-1, id: 35b03bfc-7a5b-4a23-a594-aa350c585fa8}]";
    assert_eq!(rig.raw("POST", "/config", "text/yaml", yaml).status, 201);
    let made = rig.made(
        "/services/billing/plugins",
        &json!({"consumer": {"custom_id": "b-1"}}),
    );
    assert_eq!(
        made["service"],
        json!({"id": "0590139e-7481-466c-bcdf-929adcaaf804"})
    );
    assert_eq!(
        made["consumer"],
        json!({"id": "35b03bfc-7a5b-4a23-a594-aa350c585fa8"})
    );
    for path in [
        "/services/0590139e-7481-466c-bcdf-929adcaaf804/plugins",
        "/services/billing/plugins",
        "/consumers/bob/plugins",
        "/consumers/b-1/plugins",
    ] {
        let listed = rig.get(path).body;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{path}");
    }
    let same = json!({
        "name": "file-log", "config": {"path": "/x"},
        "service": {"id": "0590139e-7481-466c-bcdf-929adcaaf804"}, "consumer": {"username": "bob"},
    });
    assert_eq!(
        rig.json("POST", "/plugins", &same).status,
        409,
        "it is the same scope"
    );
    let services = rig.get("/services").body;
    assert_eq!(services["data"][0]["name"], "billing");
    assert_eq!(rig.get("/services/billing").body, services["data"][0]);
    assert_eq!(rig.get("/consumers/b-1").body["username"], "bob");
    assert_eq!(rig.get("/routes").body, json!({"data": [], "next": null}));
    assert_eq!(rig.get("/routes/no").status, 404);
}
