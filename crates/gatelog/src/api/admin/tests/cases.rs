//! Kong's own cases of its Admin API: 04-plugins_routes, 09-routes_routes, 10-services_routes,
//! 03-consumers_routes.

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

/// The plugin is refused with this text alone, at the field that the text begins with.
fn refused(rig: &Rig, body: &Value, text: &str) {
    let (path, problem) = text.split_once(": ").unwrap();
    let nest = |inner: Value, name: &str| json!({name: inner});
    let fields = path.rsplit('.').fold(json!(problem), nest);
    let message = format!("schema violation ({text})");
    let body_of = json!({
        "code": 2, "name": "schema violation", "message": message, "fields": fields,
    });
    let expected = Answer {
        status: 400,
        body: body_of,
    };
    assert_eq!(rig.json("POST", "/plugins", body), expected, "{body}");
    let path = "/plugins/51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";
    // PUT tells the same of all but what its path says.
    if body.get("id").is_none() {
        assert_eq!(rig.json("PUT", path, body), expected, "{body}");
    }
}

#[test]
fn what_is_wrong_with_settings_is_told() {
    let rig = Rig::new();
    for (body, text) in [
        (json!({}), "name: required field missing"),
        (json!({"name": 5}), "name: expected a string"),
        (
            json!({"name": "foo"}),
            "name: plugin 'foo' not enabled; add it to the 'plugins' configuration property",
        ),
        (
            json!({"name": "file-log"}),
            "config.path: required field missing",
        ),
        (
            json!({"name": "file-log", "config": null}),
            "config.path: required field missing",
        ),
        (
            json!({"name": "file-log", "config": "x"}),
            "config: expected a record",
        ),
        (
            json!({"name": "file-log", "config": {"path": "/x", "foo": 1}}),
            "config.foo: unknown field",
        ),
        (
            json!({"name": "file-log", "config": {"path": "/x", "max_backlog": {"size": 1}}}),
            "config.max_backlog.size: unknown field",
        ),
        (
            json!({"name": "file-log", "config": {"path": "/x", "max_backlog": "x"}}),
            "config.max_backlog: expected a record",
        ),
    ] {
        refused(&rig, &body, text);
    }
    let both = json!({"name": "file-log", "config": {"a": 1}});
    let answer = rig.json("POST", "/plugins", &both).body;
    let text = "2 schema violations (config.a: unknown field; config.path: required field missing)";
    assert_eq!(answer["message"], text);
    let fields = json!({"config": {"a": "unknown field", "path": "required field missing"}});
    assert_eq!(answer["fields"], fields);
    assert_eq!(rig.get("/plugins").body["data"], json!([]));
}

#[test]
fn what_is_wrong_with_fields_of_all_plugins_is_told() {
    let rig = Rig::new();
    let tag = "tags: invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid \
               utf-8 sequences";
    let name = "instance_name: invalid value 'a b': the only accepted ascii characters are \
                alphanumerics or ., -, _, and ~";
    for (more, text) in [
        (json!({"foo": 1}), "foo: unknown field"),
        (json!({"enabled": "true"}), "enabled: expected a boolean"),
        (json!({"id": "x"}), "id: expected a valid UUID"),
        (
            json!({"id": "{51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f1}"}),
            "id: expected a valid UUID",
        ),
        (
            json!({"created_at": "x"}),
            "created_at: expected an integer",
        ),
        (json!({"service": {"foo": 1}}), "service.foo: unknown field"),
        (
            json!({"service": {"username": "x"}}),
            "service.username: unknown field",
        ),
        (
            json!({"consumer": {}}),
            "consumer.id: required field missing",
        ),
        (
            json!({"consumer": {"id": 5}}),
            "consumer.id: expected a string",
        ),
        (json!({"route": [1]}), "route: expected a record"),
        (json!({"route": ""}), "route: length must be at least 1"),
        (
            json!({"service": "a", "service_id": "b"}),
            "service_id: it is the same as `service`: expected one of them",
        ),
        (json!({"tags": ["a,b"]}), tag),
        (json!({"tags": [1]}), "tags: expected a string"),
        (json!({"tags": "a"}), "tags: expected a set"),
        (
            json!({"protocols": ["ftp"]}),
            "protocols: expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp, \
             ws, wss",
        ),
        (json!({"instance_name": "a b"}), name),
        (
            json!({"instance_name": 5}),
            "instance_name: expected a string",
        ),
    ] {
        let mut body = json!({"name": "file-log", "config": {"path": "/x"}});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        refused(&rig, &body, text);
    }
    let long = json!({
        "name": "file-log", "config": {"path": "/x"}, "instance_name": "a".repeat(300),
    });
    let answer = rig.json("POST", "/plugins", &long).body;
    let text = "its scope is too long for the name of a file: give it an `instance_name`";
    assert_eq!(answer["fields"], json!({"@entity": [text]}));
    assert_eq!(answer["message"], format!("schema violation ({text})"));
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
fn below_a_service_a_route_and_a_consumer() {
    for (list, field) in [
        ("services", "service"),
        ("routes", "route"),
        ("consumers", "consumer"),
    ] {
        let rig = Rig::new();
        let uuid = "f4aecadc-05c7-11e6-8d41-1f3b3d5fa15c";
        for parent in ["my-name", uuid] {
            let path = format!("/{list}/{parent}/plugins");
            let data = json!({"data": [], "next": null});
            assert_eq!(
                rig.get(&path),
                Answer {
                    status: 200,
                    body: data
                }
            );
            let by_json = rig.made(&path, &json!({"instance_name": format!("{parent}-json")}));
            let form = rig.form("POST", &path, "name=file-log&config.path=/tmp/y");
            assert_eq!(form.status, 201);
            for made in [&by_json, &form.body] {
                assert_eq!(made[field], json!({"id": parent}));
                let own = format!("{path}/{}", id(made));
                assert_eq!(
                    rig.get(&own),
                    Answer {
                        status: 200,
                        body: made.clone()
                    }
                );
                let other = format!("/{list}/other/plugins/{}", id(made));
                assert_eq!(rig.get(&other).status, 404, "it is another one's");
                assert_eq!(
                    rig.json("PATCH", &other, &json!({"enabled": false})).status,
                    404
                );
                assert_eq!(rig.delete(&other).status, 404);
            }
            let listed = rig.get(&path).body;
            assert_eq!(listed["data"].as_array().unwrap().len(), 2);
            let own = format!("{path}/{}", id(&form.body));
            let patched = rig
                .json("PATCH", &own, &json!({"config": {"log_format": "kong-3"}}))
                .body;
            assert_eq!(
                (&patched["config"]["path"], &patched[field]),
                (&json!("/tmp/y"), &json!({"id": parent}))
            );
            let put = rig.json(
                "PUT",
                &own,
                &json!({"name": "file-log", "config": {"path": "/tmp/z"}}),
            );
            assert_eq!(
                (put.status, &put.body[field]),
                (200, &json!({"id": parent}))
            );
            let named = format!("{path}/{parent}-json");
            assert_eq!(rig.get(&named).status, 200);
            assert_eq!(rig.delete(&own).status, 204);
            assert_eq!(
                rig.delete(&own),
                Answer {
                    status: 404,
                    body: message("Not found")
                }
            );
            let missing = rig.json("POST", &path, &json!({"config": {}}));
            assert_eq!(
                missing.body["message"],
                "schema violation (name: required field missing)"
            );
        }
        assert_eq!(
            rig.get("/plugins").body["data"].as_array().unwrap().len(),
            2
        );
    }
}

#[test]
fn scopes_are_written_in_many_ways_and_narrow_each_other() {
    let rig = Rig::new();
    let log = "name=file-log&config.path=/x";
    let all = json!([{"id": "s"}, {"id": "r"}, {"id": "c"}]);
    for (at, scope) in [
        "service_id=s&route_id=r&consumer_id=c",
        "service.id=s&route.id=r&consumer.id=c",
        "service.name=s&route.name=r&consumer.username=c",
        "service[name]=s&route[id]=r&consumer.custom_id=c",
        "service=s&route=r&consumer=c",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = rig.form(
            "POST",
            "/plugins",
            &format!("{log}&{scope}&instance_name=i{at}"),
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        let found = json!([
            answer.body["service"],
            answer.body["route"],
            answer.body["consumer"]
        ]);
        assert_eq!(found, all, "{scope}");
    }
    let body = json!({
        "name": "file-log", "config": {"path": "/x"}, "instance_name": "j",
        "service": {"name": "s"}, "route": {"id": "r"}, "consumer": {"username": "c"},
    });
    let answer = rig.json("POST", "/plugins", &body).body;
    assert_eq!(
        json!([answer["service"], answer["route"], answer["consumer"]]),
        all
    );
    // The path wins over the body; other scopes narrow.
    let body = json!({
        "name": "file-log", "config": {"path": "/x"}, "consumer_id": "ignored", "service_id": "s",
    });
    let answer = rig.json("POST", "/consumers/bob/plugins", &body).body;
    assert_eq!(answer["consumer"], json!({"id": "bob"}));
    assert_eq!(answer["service"], json!({"id": "s"}));
    let empty = rig
        .form("POST", "/plugins", &format!("{log}&service_id=&route.id="))
        .body;
    assert_eq!(
        (&empty["service"], &empty["route"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn what_cannot_be_told_apart_is_a_conflict() {
    let rig = Rig::new();
    let body = json!({"name": "file-log", "config": {"path": "/x"}, "service": {"id": "s"}});
    assert_eq!(rig.json("POST", "/plugins", &body).status, 201);
    let expected = json!({
        "code": 5,
        "name": "unique constraint violation",
        "message": "UNIQUE violation detected on '{consumer=null,name=\"file-log\",route=null,service={id=\"s\"}}'",
        "fields": {"consumer": null, "name": "file-log", "route": null, "service": {"id": "s"}},
    });
    let expected = Answer {
        status: 409,
        body: expected,
    };
    assert_eq!(rig.json("POST", "/plugins", &body), expected);
    let form = rig.form(
        "POST",
        "/services/s/plugins",
        "name=file-log&config.path=/y",
    );
    assert_eq!(form, expected);
    let uuid = "51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";
    assert_eq!(
        rig.json("PUT", &format!("/plugins/{uuid}"), &body),
        expected
    );
    // With an instance name they can be told apart.
    let named = rig.made(
        "/plugins",
        &json!({"service": {"id": "s"}, "instance_name": "second"}),
    );
    let answer = rig.json("PATCH", "/plugins/second", &json!({"instance_name": null}));
    assert_eq!(answer, expected);
    let taken = json!({"name": "file-log", "config": {"path": "/x"}, "instance_name": "second"});
    let answer = rig.json("POST", "/plugins", &taken);
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.body["message"],
        "UNIQUE violation detected on '{instance_name=\"second\"}'"
    );
    let taken = json!({"name": "file-log", "config": {"path": "/x"}, "id": named["id"]});
    let answer = rig.json("POST", "/plugins", &taken);
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!(3)));
    let key = format!("primary key violation on key '{{id=\"{}\"}}'", id(&named));
    assert_eq!(answer.body["message"], key);
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

#[test]
fn a_page_of_another_origin_changes_nothing() {
    let rig = Rig::new();
    let post = |name: &str, value: &str| {
        let request = Request::builder().method("POST").uri("/plugins");
        let request = request
            .header("host", "127.0.0.1:8001")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value);
        let body = Body::from("name=file-log&config.path=/x");
        rig.answer(request.body(body).unwrap()).status
    };
    assert_eq!(post("origin", "http://evil.example"), 403);
    assert_eq!(post("origin", "null"), 403);
    assert_eq!(post("sec-fetch-site", "cross-site"), 403);
    assert_eq!(post("sec-fetch-site", "same-site"), 403);
    assert_eq!(rig.get("/plugins").body["data"], json!([]));
    assert_eq!(post("origin", "http://127.0.0.1:8001"), 201);
}
