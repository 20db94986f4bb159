//! The seeds' commands and blocks: verbatim but for the host and the name in braces.

use super::curl::{has_curl, shell};
use super::*;

const HTTP_LOG_OF_A_SERVICE: &str = r#"curl -X POST http://kong:8001/services/{service}/plugins \
    --data "name=http-log"  \
    --data "config.http_endpoint=http://mockbin.org/bin/:id" \
    --data "config.method=POST" \
    --data "config.timeout=1000" \
    --data "config.keepalive=1000""#;

/// With the empty line that the document has.
const HTTP_LOG_OF_A_CONSUMER: &str = r#"curl -X POST http://kong:8001/consumers/{consumer}/plugins \
    --data "name=http-log" \
     \
    --data "config.http_endpoint=http://mockbin.org/bin/:id" \
    --data "config.method=POST" \
    --data "config.timeout=1000" \
    --data "config.keepalive=1000""#;

const LOGGLY_OF_A_SERVICE: &str = r#"curl -X POST http://kong:8001/services/{service}/plugins \
    --data "name=loggly"  \
    --data "config.key=YOUR_LOGGLY_SERVICE_TOKEN""#;

const LOGGLY_OF_A_ROUTE: &str = r#"curl -X POST http://kong:8001/routes/{route}/plugins \
    --data "name=loggly"  \
    --data "config.key=YOUR_LOGGLY_SERVICE_TOKEN""#;

const BLOCKS: [(&str, &str, &str); 4] = [
    (
        "http-log",
        "service",
        "plugins:\n- name: http-log\n  service: {service}\n  config:\n    \
         http_endpoint: http://mockbin.org/bin/:id\n    method: POST\n    timeout: 1000\n    \
         keepalive: 1000\n",
    ),
    (
        "http-log",
        "consumer",
        "plugins:\n- name: http-log\n  consumer: {consumer}\n  config:\n    \
         http_endpoint: http://mockbin.org/bin/:id\n    method: POST\n    timeout: 1000\n    \
         keepalive: 1000\n",
    ),
    (
        "loggly",
        "service",
        "plugins:\n- name: loggly\n  service: {service}\n  config:\n    \
         key: YOUR_LOGGLY_SERVICE_TOKEN\n",
    ),
    // The document has it below "Route", for a consumer all the same.
    (
        "loggly",
        "consumer",
        "plugins:\n- name: loggly\n  consumer: {consumer}\n  config:\n    \
         key: YOUR_LOGGLY_SERVICE_TOKEN\n",
    ),
];

/// The form that a command sends, to its path.
fn form_of(command: &str) -> (String, String) {
    let path = command.split("http://kong:8001").nth(1).unwrap();
    let path = path.split_whitespace().next().unwrap().to_owned();
    let data = command.split("--data \"").skip(1);
    let data: Vec<_> = data.map(|data| data.split('"').next().unwrap()).collect();
    (path, data.join("&"))
}

#[test]
fn the_seeds_commands_work_as_they_stand() {
    let http = json!({
        "http_endpoint": "http://mockbin.org/bin/:id",
        "method": "POST", "timeout": 1000, "keepalive": 1000,
    });
    let loggly = json!({"key": "YOUR_LOGGLY_SERVICE_TOKEN"});
    for (command, field, name, config) in [
        (HTTP_LOG_OF_A_SERVICE, "service", "http-log", &http),
        (HTTP_LOG_OF_A_CONSUMER, "consumer", "http-log", &http),
        (LOGGLY_OF_A_SERVICE, "service", "loggly", &loggly),
        (LOGGLY_OF_A_ROUTE, "route", "loggly", &loggly),
    ] {
        let command = command.replace(&format!("{{{field}}}"), "my-name");
        let check = |rig: &Rig, answer: &Answer| {
            assert_eq!(answer.status, 201, "{command}: {answer:?}");
            assert_eq!(answer.body["name"], name);
            assert_eq!(answer.body[field], json!({"id": "my-name"}));
            let path = format!("/plugins/{}?secrets=true", id(&answer.body));
            let shown = rig.get(&path).body["config"].clone();
            for (key, value) in config.as_object().unwrap() {
                assert_eq!(shown[key], *value, "{key}");
            }
        };
        let rig = Rig::new();
        let (path, form) = form_of(&command);
        check(&rig, &rig.form("POST", &path, &form));
        if has_curl() {
            let rig = Rig::new();
            let (address, _runtime) = rig.listen();
            let command = command.replace("kong:8001", &address.to_string());
            check(&rig, &shell(&command));
        }
    }
}

#[test]
fn the_seeds_blocks_work_in_the_file_and_by_config() {
    for (name, field, block) in BLOCKS {
        let block = block.replace(&format!("{{{field}}}"), "my-name");
        let config = crate::config::parse(&block).unwrap();
        crate::config::check(&config).unwrap();
        let output = format!("{name}:{field}=my-name");
        let kong = config.kong();
        assert_eq!(instances(&kong).unwrap()[0].output, output);
        let rig = Rig::new();
        let answer = rig.raw("POST", "/config", "application/yaml", block.clone());
        assert_eq!(answer.status, 201, "{block}: {answer:?}");
        let listed = rig.get(&format!("/{field}s/my-name/plugins")).body;
        assert_eq!(listed["data"][0]["name"], name);
    }
}
