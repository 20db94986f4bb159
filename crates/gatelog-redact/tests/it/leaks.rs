//! No secret comes through, nor a part of one: random secrets in random places.

use std::fmt::Write as _;

use gatelog_record::{AccessRecord, Headers, json};
use gatelog_redact::{HEADERS, QUERY, Rules};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::cut;

/// Letters that nothing else in these tests is made of.
const LETTERS: &str = "[QXZJVK]{5,9}";

/// A secret: runs of letters, with one of these between them.
fn secret(between: &'static [&'static str]) -> impl Strategy<Value = String> {
    (vec(LETTERS, 1..4), select(between)).prop_map(|(runs, between)| runs.join(between))
}

fn in_urls() -> impl Strategy<Value = String> {
    secret(&[
        "", "%26", "%3D", "%2526", "+", "/", "?", ";", ":", "@", "=", "'", ",", "é", " ", "#", "%",
        "%zz", "[", "{", "|", "$", "~", "\\", "*", "***",
    ])
}

fn in_json() -> impl Strategy<Value = String> {
    secret(&[
        "", "\"", "\\", "\\\"", "\n", "{", "}", "[", "]", ":", ",", "&", "é", "\u{0}", "://", "@",
        "'",
    ])
}

fn rules(how: &str) -> Rules {
    crate::rules(serde_json::json!({
        "headers": ["X-Session"], "query": ["session"],
        "body": ["$.user.email", "$.cards[*].number", "$..pin"], "how": how,
    }))
}

fn hows() -> impl Strategy<Value = &'static str> {
    select(vec!["mask", "drop", "hash"])
}

/// No four letters of a secret that follow each other are in the text.
fn leaks(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|char| {
        run = if "QXZJVK".contains(char) { run + 1 } else { 0 };
        run >= 4
    })
}

/// A name in some letters' case, some of its characters encoded.
fn written(name: &str, bits: u64) -> String {
    let mut out = String::new();
    for (nth, char) in name.chars().enumerate() {
        match bits >> (nth * 3) & 7 {
            0 => write!(out, "%{:02x}", char as u32).unwrap(),
            1 => write!(out, "%{:02X}", char.to_ascii_uppercase() as u32).unwrap(),
            2 => write!(out, "%25{:02X}", char as u32).unwrap(),
            3 | 4 => out.push(char.to_ascii_uppercase()),
            _ => out.push(char),
        }
    }
    out
}

/// A JSON document with the secret where the rules look for it, and others before and behind.
fn document() -> impl Strategy<Value = String> {
    let value = in_json().prop_flat_map(|secret| {
        let text = serde_json::to_string(&secret).unwrap();
        let mut escaped = String::new();
        for unit in secret.encode_utf16() {
            write!(escaped, "\\u{unit:04x}").unwrap();
        }
        select(vec![
            text.clone(),
            format!("[1,{text}]"),
            format!("{{\"a\":{text},\"b\":[]}}"),
            format!(" \t{text}\n"),
            format!("\"{escaped}\""),
        ])
    });
    let other = select(vec![
        "",
        "\"n\":1,",
        "\"o\":{\"email\":[\"x\",{}]},",
        " \"s\\\"\" : \"}]\" ,",
        "\"t\":true,",
    ]);
    let place = select(vec![
        ("{@\"user\":{@\"email\":", "}}"),
        ("{@\"user\" : { \"x\":[[]],@ \"email\" :", ",\"y\":2}}"),
        ("{\"cards\":[{},{@\"number\":", "},1],\"z\":0}"),
        ("[[{@\"pin\":", "}]]"),
        ("{\"user\":{\"\\u0065mail\":", "}}"),
        ("{\"n\":1}\n{\"pin\":", "}\n"),
    ]);
    (value, other, place).prop_map(|(value, other, (before, behind))| {
        format!("{}{value}{behind}", before.replace('@', other))
    })
}

fn is_of_syntax(char: char) -> bool {
    "{}[]:,\"".contains(char)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_no_url(
        how in hows(),
        secret in in_urls(),
        name in select([&QUERY[..], &["session"]].concat()),
        bits: u64,
        before in select(vec!["/a?", "/a?b=c&", "/a?b=c;", "/a#", "/;", "https://h/?b&", "?", "", "/a?n=%3F"]),
        behind in select(vec!["", "&b=c", ";b=c", "&token=", "#x"]),
    ) {
        let equals = if before.ends_with("%3F") { "%3D" } else { "=" };
        // An encoded `=` is ended by what is encoded as often.
        prop_assume!(equals == "=" || !secret.contains("%26"));
        prop_assume!(!secret.contains(';') || !secret.contains('='));
        let url = format!("{before}{}{equals}{secret}{behind}", written(name, bits));
        let rules = rules(how);
        let redacted = rules.url(&url);
        prop_assert!(!leaks(&redacted), "{url}: {redacted}");
        if how == "mask" {
            prop_assert_eq!(rules.url(&redacted), redacted.as_ref());
        }
        let header = rules.header("referer", &url).unwrap_or_default().into_owned();
        prop_assert!(!leaks(&header), "{url}: {header}");
        let line = format!("\"GET {} HTTP/1.1\"", url.replace(' ', "+"));
        let scrubbed = rules.scrub(&line);
        prop_assert!(!leaks(&scrubbed), "{line}: {scrubbed}");
    }

    #[test]
    fn in_no_user_of_a_url(
        how in hows(),
        user in secret(&["", ":", "%40", "@", "%3A", "/", "é"]),
        scheme in select(vec!["http://", "https://", "/a?n=ftp://", "/a?n=http%3A%2F%2F", ""]),
    ) {
        prop_assume!(!user.contains('/') || !scheme.is_empty());
        let user = if user.contains('/') { format!("u:{user}") } else { user };
        let at = if scheme.contains('%') { "%40" } else { "@" };
        prop_assume!(at == "@" || !user.contains('/'));
        let url = format!("{scheme}{user}{at}host:443");
        let redacted = rules(how).url(&url).into_owned();
        prop_assert!(!leaks(&redacted), "{url}: {redacted}");
        prop_assert!(redacted.ends_with("host:443"));
    }

    #[test]
    fn in_no_json(how in hows(), document in document(), end: Index) {
        let rules = rules(how);
        let redacted = rules.body(&document);
        prop_assert!(!leaks(&redacted), "{document}: {redacted}");
        let values = serde_json::Deserializer::from_str(&redacted).into_iter::<serde_json::Value>();
        for value in values {
            prop_assert!(value.is_ok(), "{document}: {redacted}");
        }
        prop_assert_eq!(rules.body(&redacted), redacted.as_ref());
        // Cut anywhere.
        let cut = cut(&document, end.index(document.len() + 1));
        let redacted = rules.body(cut);
        prop_assert!(!leaks(&redacted), "{cut}: {redacted}");
        let events = format!("event: x\ndata: {}", cut.replace('\n', " "));
        let redacted = rules.body(&events);
        prop_assert!(!leaks(&redacted), "{events}: {redacted}");
    }

    #[test]
    fn in_no_broken_json(how in hows(), document in document(), at: Index, by in "[{}\\[\\]:,\"x\n]?") {
        let rules = rules(how);
        let places: Vec<usize> = document.match_indices(is_of_syntax).map(|(at, _)| at).collect();
        let at = *at.get(&places);
        let mut broken = document.clone();
        broken.replace_range(at..=at, &by);
        // A key that is another one now is no rule's.
        prop_assume!(serde_json::Deserializer::from_str(&broken)
            .into_iter::<serde_json::Value>().any(|value| value.is_err()));
        let redacted = rules.body(&broken);
        prop_assert!(!leaks(&redacted), "{broken}: {redacted}");
    }

    #[test]
    fn in_no_text(
        how in hows(),
        secret in in_json(),
        name in select([&HEADERS[..], &["X-Session", "Authorization", "set_cookie"]].concat()),
        form in 0..6,
        slashes in 0..2,
        end: Index,
    ) {
        prop_assume!(!secret.contains(['\n', ']', '}']) && !secret.contains("\","));
        let value = serde_json::to_string(&secret).unwrap();
        let text = match form {
            0 => format!("{{\"a\":1,\"{name}\":{value},\"b\":\"c\"}}"),
            1 => format!("{{\"a\":1,\"{name}\" : [\"x\", {value}] ,\"b\":\"c\"}}"),
            2 => format!("[[\"{name}\",{value}],[\"b\",\"c\"]]"),
            3 => format!("{{\"name\":\"{name}\",\"value\":{value}}}"),
            4 => format!("a: b\r\n{name}: {secret}\r\nc: d"),
            // As gateways write them that escape nothing.
            _ => format!("{{\"a\":\"b\",\"{name}\":\"{secret}\",\"b\":\"c\"}}"),
        };
        let text = if slashes == 1 && form < 4 { text.replace('\\', "\\\\").replace('"', "\\\"") } else { text };
        let rules = rules(how);
        let redacted = rules.scrub(&text);
        prop_assert!(!leaks(&redacted), "{text}: {redacted}");
        let cut = cut(&text, end.index(text.len() + 1));
        let redacted = rules.scrub(cut);
        prop_assert!(!leaks(&redacted), "{cut}: {redacted}");
    }

    #[test]
    fn in_no_record(
        how in hows(),
        url in in_urls(),
        header in in_json(),
        body in document(),
        name in select([&HEADERS[..], &["X-SESSION"]].concat()),
    ) {
        prop_assume!(!url.contains(';') || !url.contains('='));
        let mut headers = Headers::new();
        headers.push("accept", "a");
        headers.push(name, header.clone());
        headers.push("referer", format!("https://h/?token={url}"));
        headers.push(name.to_uppercase(), header);
        let path = format!("/a?b=c&session={url}");
        let mut record = AccessRecord {
            path: Some(path.clone().into()),
            query: Some(format!("key={url}").into()),
            request_headers: headers.clone(),
            response_headers: headers,
            request_body: Some(body.clone().into()),
            response_body: Some(body.clone().into()),
            ai_log: serde_json::from_str::<serde_json::Value>(&body).ok().filter(serde_json::Value::is_object).map(|_| body.into()),
            method: Some("GET".into()),
            user_agent: Some(path.into()),
            ..AccessRecord::default()
        };
        prop_assert!(rules(how).apply(&mut record));
        let mut text = String::new();
        json::write(&record, &mut text);
        prop_assert!(!leaks(&text), "{text}");
        prop_assert!(json::read(&text).is_ok(), "{text}");
    }

    #[test]
    fn anything_goes_without_harm(how in hows(), text in r#"([?&;=/#%@:"\\{}\[\], ]|token|key|%3D|email|user|pin|cookie|\\u003d|é|http://|data:|\n|x){0,24}"#) {
        let rules = rules(how);
        let url = rules.url(&text).into_owned();
        rules.scrub(&text);
        let body = rules.body(&text).into_owned();
        if how == "mask" {
            prop_assert_eq!(rules.url(&url), url.as_str(), "{}", &text);
            prop_assert_eq!(rules.body(&body), body.as_str(), "{}", &text);
        }
    }
}
