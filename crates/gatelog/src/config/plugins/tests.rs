use super::*;
use crate::config::{Config, check, overlay, parse};

/// The outputs of a file, by their names; what is wrong with it.
fn outputs(yaml: &str) -> Result<Vec<String>, String> {
    let config = parse(yaml)?;
    check(&config).map_err(|error| error.to_string())?;
    let kong = config.kong();
    let instances = instances(&kong).map_err(|error| error.to_string())?;
    Ok(instances
        .into_iter()
        .map(|instance| instance.output)
        .collect())
}

fn one(keys: &str) -> Result<Vec<String>, String> {
    outputs(&format!(
        "plugins:\n  - name: file-log\n    config: {{{keys}}}\n"
    ))
}

#[test]
fn plugins_stand_at_the_top_or_within_what_they_are_for() {
    let yaml = r#"
_format_version: "3.0"
plugins:
  - name: file-log
    config: { path: /tmp/a }
    protocols: [http, https]
    tags: [x]
    id: 51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11
  - { name: file-log, instance_name: second, config: { path: /tmp/b } }
  - { name: file-log, service: billing, consumer: { username: bob }, config: { path: /tmp/c } }
  - { name: file-log, enabled: false, route: mute, config: { path: /tmp/d } }
services:
  - name: billing
    id: "17"
    url: http://billing:80/
    plugins: [ { name: file-log, config: { path: /tmp/e } } ]
    routes:
      - { name: pay, paths: [/pay], plugins: [ { name: file-log, config: { path: /tmp/f } } ] }
routes:
  - { name: other, service: billing, plugins: null }
consumers:
  - { username: bob, custom_id: b-1, plugins: [ { name: file-log, config: { path: /tmp/g } } ] }
"#;
    let expected = [
        "file-log:service=billing",
        "file-log:route=pay",
        "file-log:consumer=bob",
        "file-log",
        "file-log@second",
        "file-log:service=billing,consumer=bob",
        "file-log:route=mute",
    ];
    assert_eq!(outputs(yaml).unwrap(), expected);
    // As it is written and read when the environment is laid over it.
    let config = parse(yaml).unwrap();
    let variables = [("GATELOG_LOG__LEVEL".to_owned(), "info".to_owned())];
    assert_eq!(overlay(config.clone(), variables).unwrap(), config);
    assert_eq!(outputs("plugins:\nservices: []\n").unwrap(), [""; 0]);
    let json = r#"[{"name":"file-log","config":{"path":"/tmp/x"}}]"#;
    let variables = [("GATELOG_PLUGINS".to_owned(), json.to_owned())];
    assert_eq!(
        overlay(Config::default(), variables).unwrap().plugins.len(),
        1
    );
}

#[test]
fn every_way_to_write_a_record_is_read() {
    for keys in [
        "path: /x",
        "path: /x, reopen: true, log_format: seed",
        "path: /x, log_format: kong-3, custom_fields: { a.b: \"%PROTOCOL%\", gone: \"\" }",
        "path: /x, custom_fields_by_lua: {}",
        "path: /x, access_log_format: \"%PROTOCOL%\\n\", omit_empty_values: true",
        "path: /x, accessLogFormat: hango",
        "path: /x, access_log_format: istio-json",
        "path: /x, access_log_json_format: { code: \"%RESPONSE_CODE%\", in: { a: 1 } }",
        "path: /x, start: oldest, max_backlog: { bytes: 1GiB, age: 2d }",
        "path: /x, log_format: null",
    ] {
        assert_eq!(
            one(keys)
                .unwrap_or_else(|error| panic!("{keys}: {error}"))
                .len(),
            1
        );
    }
}

#[test]
fn what_is_wrong_is_named_with_what_is_allowed() {
    for (keys, parts) in [
        (
            "",
            vec!["plugin `file-log`: config.path: required field missing"],
        ),
        ("path: 5", vec!["config.path: expected a string"]),
        ("path: \"\"", vec!["config.path: length must be at least 1"]),
        (
            "path: /x, pth: 1",
            vec!["config.pth: unknown field; expected one of: path, reopen"],
        ),
        (
            "path: /x, log_format: kong",
            vec!["config.log_format: expected one of: seed, kong-3"],
        ),
        (
            "path: /x, reopen: maybe",
            vec!["config.reopen: expected a boolean"],
        ),
        (
            "path: /x, custom_fields: { a: \"%PROTCOL%\" }",
            vec!["config.custom_fields: a: ", "PROTOCOL"],
        ),
        (
            "path: /x, custom_fields: { a: 1 }",
            vec!["config.custom_fields: a: expected a string"],
        ),
        (
            "path: /x, custom_fields_by_lua: { a: return 1 }",
            vec!["config.custom_fields_by_lua: ", "`custom_fields`"],
        ),
        (
            "path: /x, access_log_format: \"%NO%\"",
            vec!["config.access_log_format: "],
        ),
        (
            "path: /x, access_log_format: a, log_format: seed",
            vec!["expected one of them"],
        ),
        (
            "path: /x, access_log_format: a, access_log_json_format: {}",
            vec!["expected one of them"],
        ),
        (
            "path: /x, omit_empty_values: true",
            vec!["config.omit_empty_values: "],
        ),
        (
            "path: /x, start: then",
            vec!["config.start: expected one of: now, oldest"],
        ),
        (
            "path: /x, max_backlog: { age: 5s }",
            vec!["config.max_backlog.age: ", "such as 30d"],
        ),
        (
            "path: /x, max_backlog: { size: 1 }",
            vec!["config.max_backlog.size: unknown field; expected one of: bytes, age"],
        ),
        (
            "pth: 1, reopen: 2",
            vec![
                "config.path: required field missing; ",
                "config.pth: unknown field",
                "config.reopen: expected",
            ],
        ),
    ] {
        let error = one(keys).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{keys}: {part} in {error}");
        }
        assert!(
            error.contains("line 2") || error.contains(":2:"),
            "{keys}: {error}"
        );
    }
}

#[test]
fn plugins_that_are_not_there_are_named() {
    let error = |yaml: &str| outputs(yaml).unwrap_err();
    let yaml = "plugins: [{name: udp-log, config: {key: secret}}]";
    let known = "there is no such plugin; expected one of: file-log, http-log, loggly";
    assert!(error(yaml).contains(known), "{}", error(yaml));
    assert!(!error(yaml).contains("secret"), "{}", error(yaml));
    assert!(error("plugins: [{config: {path: /x}}]").contains("name: required field missing"));
    assert!(error("plugins: [{name: file-log, confg: {}}]").contains("unknown field `confg`"));
    assert!(error("services: [{nam: x}]").contains("unknown field `nam`"));
    let protocol = "plugins: [{name: file-log, protocols: [ftp], config: {path: /x}}]";
    assert!(error(protocol).contains("protocols: expected one of: grpc"));
}

#[test]
fn what_does_not_fit_together_is_named_with_its_place() {
    let log = "name: file-log, config: {path: /x}";
    for (yaml, item, problem) in [
        (
            format!("plugins: [{{{log}}}, {{{log}}}]"),
            "plugins[1] (file-log): ",
            "give each an `instance_name`",
        ),
        (
            format!(
                "plugins: [{{{log}, instance_name: a}}, {{{log}, service: s, instance_name: a}}]"
            ),
            "plugins[1] (file-log): ",
            "instance_name: `a`",
        ),
        (
            format!("services: [{{name: s, plugins: [{{{log}, route: r}}]}}]"),
            "services[0] (s).plugins[0] (file-log): route: ",
            "value must be null",
        ),
        (
            format!("services: [{{plugins: [{{{log}}}]}}]"),
            "services[0].plugins[0] (file-log): ",
            "has to be named: expected one of name, id",
        ),
        (
            "services: [{name: s, routes: [{name: r, service: s}]}]".to_owned(),
            "services[0] (s).routes[0] (r): service: ",
            "value must be null",
        ),
        (
            "routes: [{name: r}]\nservices: [{name: s, routes: [{name: r}]}]".to_owned(),
            "routes: ",
            "uniqueness violation: `r`",
        ),
        (
            format!("plugins: [{{{log}, service: {}}}]", "x".repeat(200)),
            "plugins[0] (file-log): ",
            "too long",
        ),
    ] {
        let error = outputs(&yaml).unwrap_err();
        assert!(
            error.starts_with(item) && error.contains(problem),
            "{yaml}: {error}"
        );
    }
}

#[test]
fn what_a_plugin_names_has_all_names_of_that_entity() {
    let yaml = r#"
services: [{name: billing, id: "17", routes: [{name: pay, id: r-1}]}]
plugins: [{name: file-log, service: "17", route: r-1, config: {path: /x}}]
"#;
    let config = parse(yaml).unwrap();
    let kong = config.kong();
    let instances = instances(&kong).unwrap();
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let scope =
        crate::output::scope::Scope::new(own(&["billing", "17"]), own(&["pay", "r-1"]), Vec::new());
    assert_eq!(instances[0].scope, scope);
    assert!(
        !format!("{config:?}").contains("/x"),
        "settings are not printed"
    );
}
