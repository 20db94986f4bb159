//! What is refused, and in which words. Kong's cases of 04-plugins_routes.

use super::*;

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
