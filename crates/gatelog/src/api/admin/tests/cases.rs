//! Kong's own cases of its Admin API: 04-plugins_routes.

use super::*;

#[test]
fn list_all_plugins() {
    let rig = Rig::new();
    assert_eq!(
        rig.get("/plugins"),
        Answer {
            status: 200,
            body: json!({"data": [], "next": null})
        }
    );
    for service in ["a", "b", "c"] {
        rig.made("/plugins", &json!({"service": {"id": service}}));
    }
    let answer = rig.get("/plugins");
    assert_eq!(answer.body["data"].as_array().unwrap().len(), 3);
    let first = rig.get("/plugins?size=2").body;
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let rest = rig.get(first["next"].as_str().unwrap()).body;
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next"], Value::Null);
    assert_eq!(rig.get("/plugins?size=0").status, 400);
}

#[test]
fn the_collection_has_no_delete_and_no_patch() {
    let rig = Rig::new();
    for (method, path) in [
        ("DELETE", "/plugins"),
        ("PATCH", "/plugins"),
        ("PUT", "/plugins/"),
        ("DELETE", "/services/s/plugins"),
        ("POST", "/plugins/x"),
        ("POST", "/services"),
        ("DELETE", "/config"),
        ("GET", "/schemas/plugins/validate"),
    ] {
        let answer = rig.form(method, path, "");
        let expected = Answer {
            status: 405,
            body: message("Method not allowed"),
        };
        assert_eq!(answer, expected, "{method} {path}");
    }
    for (path, allow) in [
        ("/plugins", "GET, HEAD, OPTIONS, POST"),
        ("/plugins/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ] {
        let request = Request::builder().method("OPTIONS").uri(path);
        let answer = rig.send(request.body(Body::empty()).unwrap());
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["allow"], allow);
    }
}

#[test]
fn get_by_id_by_instance_name_and_by_a_name_in_utf_8() {
    let rig = Rig::new();
    let plain = rig.made("/plugins", &json!({"instance_name": "my-log"}));
    let utf8 = rig.made("/plugins", &json!({"instance_name": "Ångström"}));
    for (path, expected) in [
        (format!("/plugins/{}", id(&plain)), &plain),
        ("/plugins/my-log".to_owned(), &plain),
        ("/plugins/Ångström".to_owned(), &utf8),
        ("/plugins/%C3%85ngstr%C3%B6m".to_owned(), &utf8),
    ] {
        let answer = rig.get(&path);
        assert_eq!((answer.status, &answer.body), (200, expected), "{path}");
    }
    let not_found = Answer {
        status: 404,
        body: message("Not found"),
    };
    assert_eq!(
        rig.get("/plugins/f4aecadc-05c7-11e6-8d41-1f3b3d5fa15c"),
        not_found
    );
    assert_eq!(rig.get("/plugins/no-such"), not_found);
    assert_eq!(rig.get("/plugins/%FF"), not_found);
}

#[test]
fn a_body_of_get_means_nothing() {
    let rig = Rig::new();
    let answer = rig.raw("GET", "/plugins", "application/json", "{\"broken");
    assert_eq!(answer.status, 200);
}

#[test]
fn put_makes_or_replaces() {
    let rig = Rig::new();
    let uuid = "51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";
    let path = format!("/plugins/{uuid}");
    let body = json!({
        "name": "file-log",
        "config": {"path": "/tmp/a", "log_format": "kong-3"},
        "tags": ["t"], "enabled": false,
    });
    let made = rig.json("PUT", &path, &body);
    assert_eq!((made.status, id(&made.body)), (200, uuid));
    // What is not told returns to its default.
    let body = json!({"name": "file-log", "config": {"path": "/tmp/b"}});
    let replaced = rig.json("PUT", &path, &body).body;
    assert_eq!(replaced["config"]["path"], "/tmp/b");
    assert_eq!(replaced["config"]["log_format"], Value::Null);
    assert_eq!(
        (&replaced["tags"], &replaced["enabled"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(replaced["created_at"], made.body["created_at"]);
    // By its name: the id stays.
    let body = json!({"name": "file-log", "config": {"path": "/tmp/c"}});
    let named = rig.json("PUT", "/plugins/by-name", &body).body;
    assert_eq!(named["instance_name"], "by-name");
    let again = rig.json("PUT", "/plugins/by-name", &body).body;
    assert_eq!(id(&again), id(&named));
    assert_eq!(
        rig.get("/plugins").body["data"].as_array().unwrap().len(),
        2
    );
    let wrong = rig.json("PUT", "/plugins/by-name", &json!({"name": "file-log"}));
    assert_eq!(wrong.status, 400);
    // The name of the path wins.
    let body =
        json!({"name": "file-log", "id": uuid, "instance_name": "x", "config": {"path": "/tmp/c"}});
    let answer = rig.json("PUT", "/plugins/by-name", &body).body;
    assert_eq!(
        (id(&answer), &answer["instance_name"]),
        (id(&named), &json!("by-name"))
    );
}

#[test]
fn patch_alters_what_it_names() {
    let rig = Rig::new();
    let made = rig.made(
        "/plugins",
        &json!({"service": {"id": "s"}, "tags": ["a", "b"]}),
    );
    let path = format!("/plugins/{}", id(&made));
    let off = rig.json("PATCH", &path, &json!({"enabled": false})).body;
    assert_eq!(
        (&off["enabled"], &off["tags"]),
        (&json!(false), &json!(["a", "b"]))
    );
    assert_eq!(off["service"], json!({"id": "s"}));
    let global = rig
        .json("PATCH", &path, &json!({"service": null, "tags": null}))
        .body;
    assert_eq!(
        (&global["service"], &global["tags"]),
        (&Value::Null, &Value::Null)
    );
    let changed = rig
        .json("PATCH", &path, &json!({"config": {"log_format": "kong-3"}}))
        .body;
    assert_eq!(
        changed["config"]["path"], "/tmp/x",
        "the other settings stay"
    );
    assert_eq!(changed["config"]["log_format"], "kong-3");
    let nested = json!({"config": {"max_backlog": {"age": "2h"}}});
    let changed = rig.json("PATCH", &path, &nested).body;
    let expected = json!({"bytes": "2GiB", "age": "2h"});
    assert_eq!(changed["config"]["max_backlog"], expected);
    let one = json!({"config": {"max_backlog": {"bytes": "1GiB"}, "custom_fields": {"a": "1"}}});
    let changed = rig.json("PATCH", &path, &one).body;
    let expected = json!({"bytes": "1GiB", "age": "2h"});
    assert_eq!(
        changed["config"]["max_backlog"], expected,
        "a record field by field"
    );
    let map = json!({"config": {"custom_fields": {"b": "2"}}});
    let changed = rig.json("PATCH", &path, &map).body;
    assert_eq!(
        changed["config"]["custom_fields"],
        json!({"b": "2"}),
        "a map as a whole"
    );
    let cleared = rig
        .form(
            "PATCH",
            &path,
            "config.custom_fields=&config.max_backlog.age=",
        )
        .body;
    assert_eq!(cleared["config"]["custom_fields"], Value::Null);
    assert_eq!(cleared["config"]["max_backlog"]["age"], "1d");
    let not_found = Answer {
        status: 404,
        body: message("Not found"),
    };
    assert_eq!(
        rig.json("PATCH", "/plugins/no-such", &json!({"enabled": false})),
        not_found
    );
    let other = json!({"id": "51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11"});
    let answer = rig.json("PATCH", &path, &other);
    assert_eq!(
        answer.body["fields"],
        json!({"id": "immutable field cannot be updated"})
    );
    assert_eq!(
        rig.json("PATCH", &path, &json!({"id": made["id"]})).status,
        200
    );
}

#[test]
fn delete_removes_and_is_content_with_nothing() {
    let rig = Rig::new();
    let made = rig.made("/plugins", &json!({}));
    rig.made("/plugins", &json!({"instance_name": "named"}));
    let done = Answer {
        status: 204,
        body: Value::Null,
    };
    for path in [
        format!("/plugins/{}", id(&made)),
        "/plugins/named".to_owned(),
    ] {
        assert_eq!(rig.delete(&path), done);
        assert_eq!(rig.get(&path).status, 404);
        assert_eq!(rig.delete(&path), done, "it does not exist");
    }
    assert!(rig.plugins.current().plugins.is_empty());
}

#[test]
fn lists_are_filtered_by_tags() {
    let rig = Rig::new();
    for (name, tags) in [("one", json!(["a", "b"])), ("two", json!(["b"]))] {
        rig.made("/plugins", &json!({"instance_name": name, "tags": tags}));
    }
    let of = |tags: &str| {
        rig.get(&format!("/plugins?tags={tags}")).body["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (of("a"), of("b"), of("a,b"), of("a/b"), of("x")),
        (1, 2, 1, 2, 0)
    );
    let wrong = rig.get("/plugins?tags=a,b/c");
    assert_eq!((wrong.status, &wrong.body["code"]), (400, &json!(11)));
}

#[test]
fn what_plugins_there_are_and_their_schemas() {
    let rig = Rig::new();
    let enabled = rig.get("/plugins/enabled").body;
    assert!(
        enabled["enabled_plugins"]
            .as_array()
            .unwrap()
            .contains(&json!("file-log"))
    );
    let schema = rig.get("/schemas/plugins/file-log").body;
    let config = schema["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|field| field.get("config"));
    let path = &config.unwrap()["fields"][0];
    assert_eq!(*path, json!({"path": {"type": "string", "required": true}}));
    assert_eq!(rig.get("/plugins/schema/file-log").body, schema);
    let none = rig.get("/schemas/plugins/foo");
    assert_eq!(
        none,
        Answer {
            status: 404,
            body: message("No plugin named 'foo'")
        }
    );
    let body = json!({"name": "file-log", "config": {"path": "/x"}});
    let valid = rig.json("POST", "/schemas/plugins/validate", &body);
    assert_eq!(
        valid,
        Answer {
            status: 200,
            body: message("schema validation successful")
        }
    );
    let wrong = rig.form(
        "POST",
        "/schemas/plugins/validate",
        "name=file-log&config.reopen=no",
    );
    assert_eq!(
        wrong.body["fields"]["config"]["reopen"],
        "expected a boolean"
    );
    assert_eq!(
        rig.get("/plugins").body["data"],
        json!([]),
        "nothing was made"
    );
    let root = rig.get("/").body;
    assert!(root["tagline"].as_str().unwrap().contains("gatelog"));
    assert_eq!(root["configuration"], json!({"database": "gatelog"}));
    assert!(root["version"].is_string());
}
