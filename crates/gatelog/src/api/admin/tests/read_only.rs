//! Where the configuration file has plugins: Kong's answers without a database.

use super::*;

const UUID: &str = "51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";

fn rig() -> Rig {
    let yaml = format!(
        "plugins: [{{name: file-log, id: {UUID}, instance_name: named, config: {{path: /x}}}}]\n\
         services: [{{name: s, plugins: [{{name: file-log, config: {{path: /y}}}}]}}]"
    );
    Rig::with(serde_saphyr::from_str(&yaml).unwrap(), true)
}

#[test]
fn reads_work_also_of_nested_plugins() {
    let rig = rig();
    assert_eq!(
        rig.get("/plugins").body["data"].as_array().unwrap().len(),
        2
    );
    let nested = rig.get("/services/s/plugins").body;
    let plugin = &nested["data"][0];
    assert_eq!(plugin["config"]["path"], "/y");
    assert_eq!(rig.get(&format!("/plugins/{}", id(plugin))).body, *plugin);
    assert_eq!(rig.get("/plugins/named").status, 200);
    assert_eq!(
        rig.get("/").body["configuration"],
        json!({"database": "off"})
    );
}

#[test]
fn writes_are_refused_once_they_are_found_right() {
    let rig = rig();
    let before = rig.plugins.current();
    let right = json!({"name": "file-log", "config": {"path": "/z"}});
    let wrong = json!({"name": "file-log", "config": {}});
    let by_id = format!("/plugins/{UUID}");
    for (method, path, what) in [
        ("POST", "/plugins", "create 'plugins' entities"),
        ("POST", "/services/s/plugins", "create 'plugins' entities"),
        ("PUT", &by_id, "create or update 'plugins' entities"),
        (
            "PUT",
            "/plugins/new",
            "create or update 'plugins' entities by 'instance_name'",
        ),
        ("PATCH", &by_id, "update 'plugins' entities"),
        (
            "PATCH",
            "/plugins/named",
            "update 'plugins' entities by 'instance_name'",
        ),
        ("DELETE", &by_id, "remove 'plugins' entities"),
        (
            "DELETE",
            "/plugins/named",
            "remove 'plugins' entities by 'instance_name'",
        ),
    ] {
        let message = format!("cannot {what} when not using a database");
        let body = json!({"code": 12, "name": "operation unsupported", "message": message});
        let expected = Answer { status: 405, body };
        assert_eq!(rig.json(method, path, &right), expected, "{method} {path}");
        if matches!(method, "POST" | "PUT") {
            assert_eq!(
                rig.json(method, path, &wrong).status,
                400,
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        rig.json("PATCH", &by_id, &json!({"enabled": 1})).status,
        400
    );
    assert_eq!(rig.json("PATCH", "/plugins/none", &json!({})).status, 404);
    assert_eq!(rig.delete("/plugins/none").status, 204);
    assert!(Arc::ptr_eq(&before, &rig.plugins.current()));
}

#[test]
fn a_whole_configuration_is_taken() {
    let rig = rig();
    let yaml = "plugins: [{name: file-log, config: {path: /new}}]";
    assert_eq!(rig.raw("POST", "/config", "text/yaml", yaml).status, 201);
    let data = rig.get("/plugins").body["data"].clone();
    assert_eq!(data[0]["config"]["path"], "/new");
    assert_eq!(data.as_array().unwrap().len(), 1);
}
