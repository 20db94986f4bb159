//! Secrets are for those who ask for them.

use super::*;

/// A plugin with secrets of every kind, which only its own answer with `?secrets=true` shows.
const SECRETS: [&str; 4] = ["pass-1", "pass-2", "pass-3", "pass-4"];

fn body() -> Value {
    json!({
        "name": "http-log",
        "config": {
            "http_endpoint": "https://bob:pass-1@example.com/logs?token=pass-2&x=1",
            "headers": {"X-Api-Key": "pass-3", "X-Plain": "y", "Session-Id": "pass-4"},
        },
    })
}

fn shows(answer: &Answer) -> bool {
    let text = answer.body.to_string();
    let shown = SECRETS.iter().filter(|secret| text.contains(*secret));
    let number = shown.count();
    assert!(number == 0 || number == SECRETS.len(), "{text}");
    number > 0
}

#[test]
fn every_answer_masks_secrets_unless_it_is_asked_for_them() {
    let rig = Rig::new();
    let made = rig.json("POST", "/plugins", &body());
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/plugins/{}", id(&made.body));
    assert!(!shows(&made));
    for path in [&path, "/plugins", "/config"] {
        assert!(!shows(&rig.get(path)), "{path}");
        assert!(shows(&rig.get(&format!("{path}?secrets=true"))), "{path}");
    }
    assert!(!shows(&rig.json("PATCH", &path, &json!({"tags": ["a"]}))));
    assert!(!shows(&rig.json("PUT", &path, &body())));
    let conflict = rig.json("POST", "/plugins", &body());
    assert_eq!(conflict.status, 409);
    assert!(!shows(&conflict));
    let mut wrong = body();
    wrong["config"]["foo"] = json!(1);
    assert!(!shows(&rig.json("POST", "/plugins", &wrong)));
    let file = json!({"plugins": [wrong]});
    assert!(!shows(&rig.json("POST", "/config?flatten_errors=1", &file)));
    let file = json!({"plugins": [body()]});
    assert!(!shows(&rig.json("POST", "/config", &file)));
}

#[test]
fn a_mask_that_comes_back_leaves_the_secret() {
    let rig = Rig::new();
    let made = rig.json("POST", "/plugins", &body()).body;
    let path = format!("/plugins/{}", id(&made));
    let revealed = |rig: &Rig| {
        let config = rig.get(&format!("{path}?secrets=true")).body["config"].clone();
        json!({"http_endpoint": config["http_endpoint"], "headers": config["headers"]})
    };
    let secret = body()["config"].clone();
    assert_eq!(revealed(&rig), secret);
    let masked = rig.get(&path).body;
    assert_eq!(rig.json("PUT", &path, &masked).status, 200);
    assert_eq!(revealed(&rig), secret);
    let config = json!({"config": masked["config"]});
    assert_eq!(rig.json("PATCH", &path, &config).status, 200);
    assert_eq!(revealed(&rig), secret);
    let form = "config.http_endpoint=http://bob:***@other/&config.headers.X-Api-Key=***";
    assert_eq!(rig.form("PATCH", &path, form).status, 200);
    let changed = json!({
        "http_endpoint": "http://bob:pass-1@other/", "headers": {"X-Api-Key": "pass-3"},
    });
    assert_eq!(revealed(&rig), changed);
    // The whole file, too, also where it says no ids.
    let file = rig.get("/config").body;
    assert_eq!(rig.json("POST", "/config", &file).status, 201);
    assert_eq!(revealed(&rig), changed);
}

#[test]
fn a_mask_that_stands_for_nothing_is_refused() {
    let rig = Rig::new();
    let text = "`***` stands for a secret that is not there: send the secret";
    let form = "name=loggly&config.key=***";
    let answer = rig.form("POST", "/plugins", form);
    assert_eq!(answer.body["fields"], json!({"config": {"key": text}}));
    let path = "/plugins/51b5e5a4-6a6e-4b3c-9df1-2a6b7d0a4f11";
    assert_eq!(rig.form("PUT", path, form).status, 400);
    let file = json!({"plugins": [{"name": "loggly", "config": {"key": "***"}}]});
    let answer = rig.json("POST", "/config", &file);
    let problem = answer.body["fields"]["@entity"][0].as_str().unwrap();
    assert!(problem.contains(text), "{problem}");
    let made = rig
        .form(
            "POST",
            "/plugins",
            "name=loggly&config.key=k&instance_name=l",
        )
        .body;
    assert_eq!(made["config"]["key"], "***");
    // Another plugin's secret is not this one's.
    let other = json!({"name": "http-log", "config": {"http_endpoint": "http://a:***@h/"}});
    assert_eq!(rig.json("PUT", "/plugins/l", &other).status, 400);
}
