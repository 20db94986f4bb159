//! Kong's Admin API on the admin listener of a whole service.

use gatelog_testkit::gatelog::Gatelog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::setup;

/// Status and body of a form sent to the admin listener.
fn post(gatelog: &Gatelog, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}{path}", gatelog.admin_url().unwrap());
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut answer = agent.post(&url).send_form(form.iter().copied()).unwrap();
    let body = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&body).unwrap(),
    )
}

#[test]
fn plugins_of_the_file_are_shown_and_read_only() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("out.log");
    let yaml = format!(
        "_format_version: \"3.0\"\n\
         upstreams: [{{name: passed-over}}]\n\
         services: [{{name: billing, plugins: [{{name: file-log, config: {{path: {}}}}}]}}]\n",
        path.display()
    );
    let gatelog = setup(&dir).config(yaml).start().unwrap();
    let get = |path: &str| -> Value {
        let (status, body) = gatelog.admin_get(path).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let listed = get("/services/billing/plugins");
    let plugin = &listed["data"][0];
    assert_eq!(plugin["config"]["path"], path.display().to_string());
    assert_eq!(
        get(&format!("/plugins/{}", plugin["id"].as_str().unwrap())),
        *plugin
    );
    let form = [("name", "file-log"), ("config.path", "/dev/null")];
    let refused = json!({
        "code": 12,
        "name": "operation unsupported",
        "message": "cannot create 'plugins' entities when not using a database",
    });
    assert_eq!(post(&gatelog, "/plugins", &form), (405, refused));
    let (status, wrong) = post(&gatelog, "/plugins", &form[..1]);
    assert_eq!((status, &wrong["code"]), (400, &json!(2)));
    // The data listener has none of it.
    assert_eq!(gatelog.get("/plugins").unwrap().0, 404);
}
