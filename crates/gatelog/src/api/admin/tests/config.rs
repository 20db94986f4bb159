//! `/config`, and Kong's cases of 15-off.

use super::*;

const FILE: &str = r#"
_format_version: "2.1"
_transform: false
_comment: a file of Kong's
_ignore: [x]
services:
  - name: billing
    url: http://billing:80/
    tags: [t]
    plugins: [ { name: file-log, config: { path: /a } } ]
    routes:
      - { name: pay, paths: [/pay], plugins: [ { name: file-log, config: { path: /b }, _comment: x } ] }
routes:
  - { name: other, service: billing, plugins: }
consumers:
  - username: bob
    keyauth_credentials: [ { key: s3cret } ]
    basicauth_credentials: [ { username: bob, password: s3cret } ]
    acls: [ { group: admins } ]
    plugins: [ { name: file-log, config: { path: /c } } ]
plugins:
  - { name: file-log, service: billing, consumer: bob, config: { path: /d, log_format: null } }
upstreams: [ { name: u, targets: [ { target: "10.0.0.1:80" } ] } ]
certificates: [ { cert: x, key: s3cret } ]
"#;

fn load(rig: &Rig, yaml: &str) -> Answer {
    rig.raw("POST", "/config", "application/yaml", yaml.to_owned())
}

#[test]
fn a_whole_file_takes_the_place_of_what_was_there() {
    let rig = Rig::new();
    rig.made("/plugins", &json!({"instance_name": "before"}));
    let answer = load(&rig, FILE);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["plugins"].as_object().unwrap().len(), 4);
    let services: Vec<_> = answer.body["services"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    assert_eq!(
        (services.len(), &services[0]["name"]),
        (1, &json!("billing"))
    );
    assert_eq!(answer.body["routes"].as_object().unwrap().len(), 2);
    assert!(answer.body.get("upstreams").is_none());
    assert!(!answer.body.to_string().contains("ws_id"), "no workspaces");
    assert_eq!(rig.get("/plugins/before").status, 404);
    for (path, plugins) in [
        ("/services/billing/plugins", 2),
        ("/routes/pay/plugins", 1),
        ("/consumers/bob/plugins", 2),
    ] {
        let listed = rig.get(path).body;
        assert_eq!(listed["data"].as_array().unwrap().len(), plugins, "{path}");
    }
    let kept = serde_json::to_string(&*rig.plugins.current()).unwrap();
    assert!(!kept.contains("s3cret"), "{kept}");
    // It stays writable.
    rig.made("/plugins", &json!({}));
    assert_eq!(load(&rig, "plugins:").status, 201);
    assert_eq!(rig.get("/plugins").body["data"], json!([]));
}

#[test]
fn a_file_comes_in_every_form() {
    let fragment = "plugins:\n- name: file-log\n  service: billing\n  config:\n    path: /x\n";
    let object = json!({"_format_version": "3.0", "plugins": [{"name": "file-log", "config": {"path": "/x"}}]});
    let multipart = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"config\"; filename=\"kong.yml\"\r\n\r\n{fragment}\r\n--xx--\r\n"
    );
    let form = format!(
        "config={}",
        form_urlencoded::byte_serialize(fragment.as_bytes()).collect::<String>()
    );
    for (content_type, body) in [
        ("application/yaml", fragment.to_owned()),
        ("text/yaml; charset=utf-8", fragment.to_owned()),
        ("application/json", object.to_string()),
        ("application/json", json!({"config": fragment}).to_string()),
        (
            "application/json",
            json!({"config": object.to_string()}).to_string(),
        ),
        ("application/x-www-form-urlencoded", form),
        ("multipart/form-data; boundary=xx", multipart),
    ] {
        let rig = Rig::new();
        let answer = rig.raw("POST", "/config", content_type, body.clone());
        assert_eq!(answer.status, 201, "{content_type}: {body}: {answer:?}");
        assert_eq!(
            rig.get("/plugins").body["data"].as_array().unwrap().len(),
            1
        );
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let rig = Rig::new();
    let before = rig.made("/plugins", &json!({}));
    let nothing = Answer {
        status: 400,
        body: message("expected a declarative configuration"),
    };
    for (content_type, body) in [
        ("", ""),
        ("application/json", ""),
        ("application/yaml", " \n"),
        ("application/yaml", "- a"),
        ("application/yaml", "5"),
        ("application/x-www-form-urlencoded", "name=x"),
    ] {
        assert_eq!(
            rig.raw("POST", "/config", content_type, body),
            nothing,
            "{body}"
        );
    }
    let broken = load(&rig, "plugins: [{name: file-log, config: {path: s3cret\n");
    assert_eq!((broken.status, &broken.body["code"]), (400, &json!(14)));
    let text = broken.body["fields"]["error"].as_str().unwrap();
    assert!(
        text.starts_with("failed parsing declarative configuration: "),
        "{text}"
    );
    assert!(!broken.body.to_string().contains("s3cret"), "{broken:?}");
    for deep in [
        "[".repeat(100_000),
        "{a: ".repeat(3000),
        format!("a: {}{}", "[".repeat(300), "]".repeat(300)),
    ] {
        assert_eq!(load(&rig, &deep).status, 400);
    }
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: [*f,*f,*f,*f,*f,*f,*f,*f]\n";
    assert_eq!(load(&rig, bomb).status, 400);
    let large = rig.raw(
        "POST",
        "/config",
        "application/yaml",
        "#".repeat(CONFIG_BYTES + 1),
    );
    assert_eq!(large.status, 413);
    assert_eq!(rig.get("/plugins").body["data"], json!([before]));
}

#[test]
fn problems_are_told_where_they_stand_and_what_was_in_force_stays() {
    let rig = Rig::new();
    let before = rig.made("/plugins", &json!({}));
    for (yaml, message, fields) in [
        (
            "plugins: [{name: file-log, config: {path: /x}}, {name: file-log}]",
            "declarative config is invalid: {plugins={[2]={config={path=\"required field missing\"}}}}",
            json!({"plugins": [null, {"config": {"path": "required field missing"}}]}),
        ),
        (
            "_format_version: \"1.2\"",
            "declarative config is invalid: {_format_version=\"expected one of: 1.1, 2.1, 3.0\"}",
            json!({"_format_version": "expected one of: 1.1, 2.1, 3.0"}),
        ),
        (
            "pluginz: []",
            "declarative config is invalid: {pluginz=\"unknown field\"}",
            json!({"pluginz": "unknown field"}),
        ),
        (
            "plugins: {a: 1}",
            "declarative config is invalid: {plugins=\"expected an array\"}",
            json!({"plugins": "expected an array"}),
        ),
        (
            "services: [{name: s, foo: 1, plugins: [{name: nope}, 5]}]",
            "declarative config is invalid: {services={{foo=\"unknown field\",plugins={{name=\"plugin 'nope' not \
             enabled; add it to the 'plugins' configuration property\"},\"expected a record\"}}}}",
            json!({"services": [{
                "foo": "unknown field",
                "plugins": [
                    {"name": "plugin 'nope' not enabled; add it to the 'plugins' configuration property"},
                    "expected a record",
                ],
            }]}),
        ),
        (
            "services: [{name: s, plugins: [{name: file-log, route: r, config: {path: /x}}]}]",
            "declarative config is invalid: {services={{plugins={{route=\"value must be null\"}}}}}",
            json!({"services": [{"plugins": [{"route": "value must be null"}]}]}),
        ),
        (
            "services: [{name: foo}, {name: foo}]",
            "declarative config is invalid: {services={[2]={name=\"uniqueness violation: 'services' entity with \
             name set to 'foo' already declared\"}}}",
            json!({"services": [null, {"name": "uniqueness violation: 'services' entity with name set to 'foo' already declared"}]}),
        ),
        (
            "services: [{plugins: [{name: file-log, config: {path: /x}}]}]",
            "declarative config is invalid: {services={{id=\"required field missing\"}}}",
            json!({"services": [{"id": "required field missing"}]}),
        ),
    ] {
        let answer = load(&rig, yaml);
        let body = json!({
            "code": 14, "name": "invalid declarative configuration", "message": message, "fields": fields,
        });
        assert_eq!(answer, Answer { status: 400, body }, "{yaml}");
    }
    let twice =
        "plugins: [{name: file-log, config: {path: /x}}, {name: file-log, config: {path: /y}}]";
    let answer = load(&rig, twice);
    let text = answer.body["fields"]["@entity"][0].as_str().unwrap();
    assert!(
        text.contains("give each an `instance_name` of its own"),
        "{text}"
    );
    let id = "51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";
    let same = format!(
        "plugins: [{{id: {id}, name: file-log, config: {{path: /x}}}}, \
         {{id: {id}, name: file-log, service: s, config: {{path: /y}}}}]"
    );
    let answer = load(&rig, &same);
    let text = answer.body["fields"]["@entity"][0].as_str().unwrap();
    assert!(
        text.starts_with("uniqueness violation: 'plugins' entity with primary key"),
        "{text}"
    );
    assert_eq!(rig.get("/plugins").body["data"], json!([before]));
}

#[test]
fn problems_are_told_entity_by_entity() {
    let rig = Rig::new();
    let yaml = "services: [{name: s, tags: [t], port: 80, foo: 1, \
                plugins: [{name: file-log, config: {a: 1, path: 5}}]}]\nfoo: 1";
    let answer = rig.raw("POST", "/config?flatten_errors=1", "text/yaml", yaml);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["fields"], json!({"foo": "unknown field"}));
    let expected = json!([
        {
            "entity_type": "plugin",
            "entity_name": "file-log",
            "entity": {"name": "file-log", "config": {"a": 1, "path": 5}},
            "errors": [
                {"type": "field", "field": "config.a", "message": "unknown field"},
                {"type": "field", "field": "config.path", "message": "expected a string"},
            ],
        },
        {
            "entity_type": "service",
            "entity_name": "s",
            "entity_tags": ["t"],
            "entity": {"name": "s", "tags": ["t"], "port": 80},
            "errors": [{"type": "field", "field": "foo", "message": "unknown field"}],
        },
    ]);
    assert_eq!(answer.body["flattened_errors"], expected);
}

#[test]
fn the_same_file_again_changes_nothing_where_that_is_asked() {
    let rig = Rig::new();
    let post = |yaml: &str| rig.raw("POST", "/config?check_hash=1", "text/yaml", yaml.to_owned());
    assert_eq!(post(FILE).status, 201);
    let before = rig.plugins.current();
    assert_eq!(
        post(FILE),
        Answer {
            status: 304,
            body: Value::Null
        }
    );
    assert!(Arc::ptr_eq(&before, &rig.plugins.current()));
    assert_eq!(load(&rig, FILE).status, 201, "it was not asked");
    rig.made("/plugins", &json!({}));
    assert_eq!(post(FILE).status, 201, "it is another one now");
}

#[test]
fn what_is_in_force_is_shown_as_a_file_that_can_be_loaded() {
    let rig = Rig::new();
    load(&rig, FILE);
    let shown = rig.get("/config");
    assert_eq!(shown.status, 200);
    let yaml = shown.body["config"].as_str().unwrap();
    let value: Value = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(
        (&value["_format_version"], &value["_transform"]),
        (&json!("3.0"), &json!(false))
    );
    let before = rig.get("/plugins").body;
    let answer = rig.json("POST", "/config", &json!({"config": yaml}));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(rig.get("/plugins").body, before);
}
