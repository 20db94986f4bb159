//! The scanner against `serde_json`, and against itself on text that is cut elsewhere.

use gatelog_usage::json_scan::{Paths, Scanner, Value};
use proptest::prelude::*;
use serde_json::Value as Json;

const PATHS: [&str; 9] = [
    "", "a", "a.b", "a.b.c", "b[]", "b[].a", "[].a", "a[][].b", "c",
];

/// What was found, as text.
fn found(paths: &Paths, pieces: &[&[u8]]) -> Vec<String> {
    let mut scanner = Scanner::new(paths);
    let mut found = Vec::new();
    for piece in pieces {
        scanner.feed(piece, &mut |path, value| {
            found.push(format!("{} {value:?}", PATHS[path]));
        });
    }
    found
}

/// The same, from a document that was read as a whole.
fn expected(json: &Json, path: &str, into: &mut Vec<String>) {
    let mut tell = |value: Value<'_>| {
        if PATHS.contains(&path) {
            into.push(format!("{path} {value:?}"));
        }
    };
    match json {
        Json::Null => tell(Value::Null),
        Json::Bool(bool) => tell(Value::Bool(*bool)),
        Json::Number(number) => tell(Value::Number(&number.to_string())),
        Json::String(text) => tell(Value::Text { text, cut: false }),
        Json::Array(elements) => {
            tell(Value::Array);
            for element in elements {
                expected(element, &format!("{path}[]"), into);
            }
            end(path, into);
        }
        Json::Object(members) => {
            tell(Value::Object);
            for (key, value) in members {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                expected(value, &inner, into);
            }
            end(path, into);
        }
    }
}

fn end(path: &str, into: &mut Vec<String>) {
    if PATHS.contains(&path) {
        into.push(format!("{path} {:?}", Value::End));
    }
}

fn documents() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "[a-c\"\\\\\n{}\\[\\],:é😀\u{1}]{0,12}".prop_map(Json::from),
    ];
    let tree = leaf.prop_recursive(5, 40, 5, |inner| {
        let keys = prop_oneof![
            4 => "[abc]",
            1 => "[a-d\"\\\\é]{1,3}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((keys, inner), 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    });
    tree.prop_filter("a document", |json| json.is_object() || json.is_array())
}

proptest! {
    #[test]
    fn what_serde_json_reads_is_found(json in documents(), pretty: bool, cut: prop::sample::Index) {
        let text = if pretty { format!("{json:#}") } else { json.to_string() };
        let mut all = Vec::new();
        expected(&json, "", &mut all);
        let paths = Paths::new(&PATHS);
        let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
        prop_assert_eq!(&found(&paths, &[head, tail]), &all);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&found(&paths, &bytes), &all);
    }

    #[test]
    fn escapes_of_keys_and_texts_are_read(text in "[a-c😀é]{0,5}", key in "[abc]") {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        let escaped: String = units.collect();
        let document = format!(r#"{{"\u{:04x}":"{escaped}"}}"#, key.chars().next().map_or(0, u32::from));
        let paths = Paths::new(&["a", "b", "c"]);
        let mut scanner = Scanner::new(&paths);
        let mut seen = None;
        for byte in document.as_bytes().chunks(1) {
            scanner.feed(byte, &mut |_, value| if let Value::Text { text, .. } = value {
                seen = Some(text.to_owned());
            });
        }
        prop_assert_eq!(seen, Some(text));
    }

    #[test]
    fn how_any_text_is_cut_does_not_matter(
        text in "([\\[\\]{}:,\"\\\\ \n]|a|b|c|\"a\":|\"b\":|\\{\"a\":|12|true|null|\\PC){0,60}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let paths = Paths::new(&PATHS);
        let whole = found(&paths, &[text.as_bytes()]);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut begin = 0;
        for place in places {
            pieces.push(&text.as_bytes()[begin..place]);
            begin = place;
        }
        pieces.push(&text.as_bytes()[begin..]);
        prop_assert_eq!(found(&paths, &pieces), whole);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        drop(found(&Paths::new(&PATHS), &[&bytes]));
    }
}

#[test]
fn long_texts_are_cut_and_long_keys_are_others() {
    let paths = Paths::new(&["a"]);
    let mut scanner = Scanner::with_limit(&paths, 4);
    let mut seen = Vec::new();
    let long = "k".repeat(5);
    let document =
        format!(r#"{{"{long}":{{"a":1}},"a":"中中"}} {{"a":123456}} {{"a":1234}}{{"a":"abcd"}}"#);
    for byte in document.as_bytes().chunks(1) {
        scanner.feed(byte, &mut |_, value| seen.push(format!("{value:?}")));
    }
    let expected = [
        r#"Text { text: "中", cut: true }"#,
        r#"Number("1234")"#,
        r#"Text { text: "abcd", cut: false }"#,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_number_at_the_end_of_a_piece_is_not_yet_one() {
    let paths = Paths::new(&PATHS);
    assert_eq!(found(&paths, &[br#"{"a":12"#]), [" Object"]);
    let whole = found(&paths, &[br#"{"a":12"#, b"3}"]);
    assert_eq!(whole, [" Object", "a Number(\"123\")", " End"]);
}

#[test]
fn behind_what_is_no_json_nothing_is_found_until_a_reset() {
    let paths = Paths::new(&PATHS);
    for text in ["{]", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "}", "[1}", "{a:1}"] {
        let mut scanner = Scanner::new(&paths);
        let mut count = 0;
        scanner.feed(text.as_bytes(), &mut |_, _| ());
        let broken = scanner.is_broken();
        scanner.feed(br#"{"a":2}"#, &mut |_, _| count += 1);
        assert!(broken, "{text}");
        assert_eq!(count, 0, "{text}");
        scanner.reset();
        scanner.feed(br#"{"a":2}"#, &mut |_, _| count += 1);
        assert_eq!(count, 3, "{text}");
    }
}
