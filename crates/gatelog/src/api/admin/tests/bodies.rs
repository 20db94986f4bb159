//! Every way to send a plugin.

use super::*;

#[test]
fn a_multipart_form_is_a_form() {
    let rig = Rig::new();
    let body = "--xx\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nfile-log\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"config.path\"\r\n\r\n/tmp/x\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"config.custom_fields[a.b]\"\r\n\r\n%PROTOCOL%\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"tags[]\"\r\n\r\none\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"tags[]\"\r\n\r\ntwo\r\n--xx--\r\n";
    let answer = rig.raw("POST", "/plugins", "multipart/form-data; boundary=xx", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.body["config"]["custom_fields"],
        json!({"a.b": "%PROTOCOL%"})
    );
    assert_eq!(answer.body["tags"], json!(["one", "two"]));
    for (content_type, body) in [
        ("multipart/form-data", "--xx--"),
        (
            "multipart/form-data; boundary=xx",
            "--xx\r\nContent-Disposition",
        ),
    ] {
        let answer = rig.raw("POST", "/plugins", content_type, body);
        let expected = Answer {
            status: 400,
            body: message("Cannot parse multipart body"),
        };
        assert_eq!(answer, expected);
    }
}

#[test]
fn forms_have_types_and_json_is_taken_at_its_word() {
    let rig = Rig::new();
    let form = "name=file-log&config.path=/x&config.reopen=true&enabled=false&protocols=http\
                &protocols=https&protocols=http&tags%5B%5D=a%20b&config.max_backlog.bytes=1073741824\
                &config.log_format=";
    let made = rig.form("POST", "/plugins", form);
    assert_eq!(made.status, 201, "{made:?}");
    let expected = json!([true, false, ["http", "https"], ["a b"], null]);
    let body = made.body;
    let found = json!([
        body["config"]["reopen"],
        body["enabled"],
        body["protocols"],
        body["tags"],
        body["config"]["log_format"],
    ]);
    assert_eq!(found, expected);
    let strict = json!({"name": "file-log", "config": {"path": "/x", "reopen": "true"}});
    let answer = rig.json("POST", "/plugins", &strict);
    assert_eq!(
        answer.body["fields"],
        json!({"config": {"reopen": "expected a boolean"}})
    );
    let answer = rig.form("POST", "/plugins", "name=file-log&config=x");
    assert_eq!(
        answer.body["fields"],
        json!({"config": "expected a record"})
    );
    let deep = format!(
        "name=file-log&config.path=/x&config.{}=1",
        ["a"; 20].join(".")
    );
    let answer = rig.form("POST", "/plugins", &deep);
    assert_eq!(
        answer,
        Answer {
            status: 400,
            body: message("An argument is nested too deeply")
        }
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let rig = Rig::new();
    for (content_type, body, status, text) in [
        (
            "application/json",
            "{\"a\"".to_owned(),
            400,
            "Cannot parse JSON body",
        ),
        (
            "application/json; charset=utf-8",
            "[]".to_owned(),
            400,
            "Cannot parse JSON body",
        ),
        (
            "application/json",
            "[".repeat(100_000),
            400,
            "Cannot parse JSON body",
        ),
        ("text/plain", "x".to_owned(), 415, "Unsupported media type"),
        (
            "application/yaml",
            "name: file-log".to_owned(),
            415,
            "Unsupported media type",
        ),
        ("", "x".to_owned(), 415, "Unsupported media type"),
        (
            "application/x-www-form-urlencoded",
            "a=1&".repeat(1001),
            400,
            "Too many arguments",
        ),
        (
            "application/json",
            " ".repeat((1 << 20) + 1),
            413,
            "request body exceeds 1048576 bytes",
        ),
    ] {
        let answer = rig.raw("POST", "/plugins", content_type, body);
        assert_eq!(
            answer,
            Answer {
                status,
                body: message(text)
            },
            "{content_type}"
        );
    }
    let most = "a=1&".repeat(1000);
    let answer = rig.form("POST", "/plugins", &most);
    assert_eq!(answer.body["fields"]["name"], "required field missing");
    let nothing = rig.raw("POST", "/plugins", "", "");
    assert_eq!(
        nothing.body["fields"],
        json!({"name": "required field missing"})
    );
}
