//! Bodies.

use gatelog_redact::Rules;
use serde_json::json;

use crate::{cut, rules};

fn user() -> Rules {
    rules(json!({"body": ["$.user.email", "$.cards[*].number", "$..pin"]}))
}

#[test]
fn values_of_any_kind_are_masked_by_their_paths() {
    let rules = user();
    for (body, redacted) in [
        (r#"{"user":{"email":"S"}}"#, r#"{"user":{"email":"***"}}"#),
        (
            r#"{ "a" : 1 , "user" : { "email" : "S\"\\S" , "x" : 2 } }"#,
            r#"{ "a" : 1 , "user" : { "email" : "***" , "x" : 2 } }"#,
        ),
        (
            r#"{"user":{"\u0065mail":"S"}}"#,
            r#"{"user":{"\u0065mail":"***"}}"#,
        ),
        (
            r#"{"user":{"email":{"a":["S","]}"]},"x":[]}}"#,
            r#"{"user":{"email":"***","x":[]}}"#,
        ),
        (
            r#"{"user":{"email":["S",{"b":1}]}}"#,
            r#"{"user":{"email":"***"}}"#,
        ),
        (
            r#"{"user":{"email":-1.5e3}}"#,
            r#"{"user":{"email":"***"}}"#,
        ),
        (r#"{"user":{"email":true}}"#, r#"{"user":{"email":"***"}}"#),
        (r#"{"user":{"email":null}}"#, r#"{"user":{"email":null}}"#),
        (r#"{"user":{"email":""}}"#, r#"{"user":{"email":""}}"#),
        (
            r#"{"user":{"email":"S","email":"S"}}"#,
            r#"{"user":{"email":"***","email":"***"}}"#,
        ),
        (
            r#"{"cards":[{"number":"S"},{"n":1},{"number":2}]}"#,
            r#"{"cards":[{"number":"***"},{"n":1},{"number":"***"}]}"#,
        ),
        (
            r#"[{"a":{"pin":1}},{"pin":"S"}]"#,
            r#"[{"a":{"pin":"***"}},{"pin":"***"}]"#,
        ),
        (
            "{\"pin\":1}\n{\"pin\":2}\n",
            "{\"pin\":\"***\"}\n{\"pin\":\"***\"}\n",
        ),
        (
            r#"{"email":"a","user":"b","users":{"email":"c"}}"#,
            r#"{"email":"a","user":"b","users":{"email":"c"}}"#,
        ),
    ] {
        assert_eq!(rules.body(body), redacted);
        assert_eq!(rules.body(redacted), redacted, "once more");
    }
}

#[test]
fn of_a_body_that_is_cut_no_half_is_left() {
    let rules = user();
    let body = r#"{"a":[1,{"b":null}],"user":{"x":"y","email":"SSSS"},"z":{"email":"e"}}"#;
    for end in 0..body.len() {
        let redacted = rules.body(cut(body, end));
        assert!(!redacted.contains('S'), "{redacted}");
    }
    assert_eq!(
        rules.body(cut(body, 47)),
        r#"{"a":[1,{"b":null}],"user":{"x":"y","email":"***""#
    );
    assert_eq!(rules.body(cut(body, 19)), cut(body, 19));
    // Whether it is the user's nobody can tell.
    assert!(
        rules
            .body(cut(body, body.len() - 1))
            .ends_with(r#""z":{"email":"***"}"#)
    );
}

#[test]
fn of_broken_json_what_follows_is_masked() {
    let rules = user();
    for (body, redacted) in [
        (r#"{"user":{"email":"a"S"b"}}"#, r#"{"user":{"email":"***""#),
        (r#"{"a":1,"user":{email:"S"}}"#, r#"{"a":1,"user":{***"#),
        (r#"{"a":1 "user":{"email":"S"}}"#, r#"{"a":1 ***"#),
        (
            r#"{"x":{"y":1,"user":{"email":"S"}}"#,
            r#"{"x":{"y":1,"user":{"email":"***"}}"#,
        ),
        (r#"{"user":{"email":S}}"#, r#"{"user":{"email":"***""#),
        (r#"{"user":{"email":["S"}}}"#, r#"{"user":{"email":"***""#),
    ] {
        assert_eq!(rules.body(body), redacted);
    }
    let deep = format!("{}{{\"pin\":\"S\"}}", "[".repeat(200));
    let broken = r#"{"a":1,"pin":1,"S"],"b":2}"#;
    assert_eq!(rules.body(broken), r#"{"a":1,"pin":"***""#);
    assert!(!rules.body(&deep).contains('S'));
}

#[test]
fn other_texts_are_kept_to_the_first_name() {
    let rules = user();
    for (body, redacted) in [
        ("<a><Email>S</Email></a>", "<a><***"),
        ("name=x&email=S", "name=x&***"),
        ("a: 1\n%65mail: S", "a: 1\n***"),
        ("emails and pins", "emails and pins"),
        ("not found", "not found"),
    ] {
        assert_eq!(rules.body(body), redacted);
    }
    let nameless = crate::rules(json!({"body": ["$[0]"]}));
    assert_eq!(nameless.body("not found"), "***");
    assert_eq!(nameless.body("[1"), "***");
    assert_eq!(nameless.body("[1,2]"), "[\"***\",2]");
}

#[test]
fn server_sent_events_are_read_line_by_line() {
    let rules = user();
    let body =
        "event: a\ndata: {\"pin\":1,\"b\":2}\n\ndata:{\"user\":{\"email\":\"S\r\ndata: [DONE]\n\n";
    let redacted = "event: a\ndata: {\"pin\":\"***\",\"b\":2}\n\ndata:{\"user\":{\"email\":\"***\"\r\ndata: [DONE]\n\n";
    assert_eq!(rules.body(body), redacted);
}

#[test]
fn dropped_members_leave_json() {
    let rules = rules(json!({"body": ["$..s"], "how": "drop"}));
    for (body, redacted) in [
        (r#"{"s":1}"#, "{}"),
        (r#"{"s":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"s":1,"s":2,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":2,"s":1}"#, r#"{"a":2}"#),
        (
            r#"{"a":2,"s":1,"s":2,"b":[{"s":1}]}"#,
            r#"{"a":2,"b":[{}]}"#,
        ),
        (r#"{ "s" : 1 , "a" : 2 }"#, r#"{  "a" : 2 }"#),
    ] {
        assert_eq!(rules.body(body), redacted);
        serde_json::from_str::<serde_json::Value>(redacted).unwrap();
    }
    let elements = crate::rules(json!({"body": ["$[1]"], "how": "drop"}));
    assert_eq!(elements.body("[1,2,3]"), "[1,null,3]");
}

#[test]
fn urls_and_forms_in_bodies_are_redacted_without_paths_too() {
    let rules = Rules::default();
    for (body, redacted) in [
        (
            r#"{"url":"https://h/a?token=S","b":"&key=S"}"#,
            r#"{"url":"https://h/a?token=***","b":"&key=***"}"#,
        ),
        (
            r#"{"url":"https:\/\/u:S@h\/a?x=1\u0026token\u003dS\u0026y=2"}"#,
            r#"{"url":"https:\/\/***@h\/a?x=1\u0026token\u003d***\u0026y=2"}"#,
        ),
        (
            r#"{"url":"https://h/?token=S\nmore","password":"kept"}"#,
            r#"{"url":"https://h/?token=***\nmore","password":"kept"}"#,
        ),
        (
            "grant_type=password&password=S&x=1",
            "grant_type=password&password=***&x=1",
        ),
        ("sorted(a, key=lambda x: x)", "sorted(a, key=lambda x: x)"),
    ] {
        assert_eq!(rules.body(body), redacted);
    }
}

#[test]
fn a_value_of_a_form_goes_to_its_end_with_its_blanks() {
    let rules = Rules::default();
    for (body, redacted) in [
        // As `curl -d` sends it, which encodes nothing.
        ("user=x&password=S S, S&y=1", "user=x&password=***&y=1"),
        ("password=S S\"S", "password=***"),
        ("user=x\r\npassword=S\r\n", "user=x\r\npassword=***"),
        (
            r#"{"body":"token=S&x=1","quoted":"\"token=S\" 'key=S'"}"#,
            r#"{"body":"token=***&x=1","quoted":"\"token=***\" 'key=***"}"#,
        ),
    ] {
        assert_eq!(rules.body(body), redacted);
        assert_eq!(rules.body(redacted), redacted, "once more");
    }
}

#[test]
fn an_event_may_have_a_document_over_several_lines() {
    let rules = user();
    let body = "data: {\"user\":\ndata: {\"email\":\"S\"}\ndata: }\n\ndata: {\"a\":1}\n\n";
    let redacted = rules.body(body);
    assert!(!redacted.contains('S'), "{redacted}");
    assert!(redacted.ends_with("data: {\"a\":1}\n\n"), "{redacted}");
    // Each line by itself is another event.
    let events = "data: {\"email\":\"e\"}\n\ndata: {\"email\":\"e\"}\n\ndata: [DONE]\n\n";
    assert_eq!(rules.body(events), events);
}
