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
