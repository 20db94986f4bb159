//! Whatever the text, there is an answer: no panic, and no stack that runs out.

use gatelog_cel::{Attributes, Expression, Value};
use proptest::prelude::*;

/// Answers every path, so that evaluation goes as far as it can.
struct Anything;

impl Attributes for Anything {
    fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        let value = |key: &str| match key.len() % 5 {
            0 => Value::Int(i64::MIN),
            1 => Value::Double(f64::NAN),
            2 => Value::Duration(i128::from(i64::MAX)),
            3 => Value::String(key.to_owned().into()),
            _ => Value::Timestamp(0),
        };
        match path {
            [.., "no"] => None,
            [.., "map"] => Some(Value::Map(vec![(Value::text("k"), Value::Null)])),
            [.., "list"] => Some(Value::List(vec![Value::Uint(1)])),
            path => path.last().map(|key| value(key)),
        }
    }
}

fn check(text: &str) {
    match Expression::parse(text) {
        Err(error) => assert!(error.position <= text.len(), "{text}: {error}"),
        Ok(expression) => {
            let first = expression
                .evaluate(&Anything)
                .map(|value| value.to_string());
            let second = expression
                .evaluate(&Anything)
                .map(|value| value.to_string());
            assert_eq!(first, second);
        }
    }
}

const PIECES: [&str; 46] = [
    "a",
    "no",
    "map",
    "list",
    "request",
    ".",
    ".a",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    ">=",
    " in ",
    "has(",
    "size(",
    "int(",
    "duration('1h')",
    ".matches('a')",
    ".getHours('+01:00')",
    "'é'",
    "b'x'",
    "1",
    "-1",
    "1u",
    "1.5",
    "1e308",
    "9223372036854775807",
    "true",
    "null",
    "timestamp(",
    "string(",
];

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,60}") {
        check(&text);
    }

    #[test]
    fn any_pieces_have_an_answer(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30)) {
        check(&pieces.concat());
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("!", ""),
        ("a?a:", ""),
        ("size(", ")"),
        ("1+", ""),
        ("{1:", "}"),
        ("a[1][", "]"),
    ] {
        let text = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        let text = text.get(..60_000.min(text.len())).unwrap();
        let error = Expression::parse(text).unwrap_err();
        assert!(error.message.contains("levels deep"), "{open}: {error}");
    }
    let long = vec!["request.host == 'a'"; 2000].join(" || ");
    assert!(Expression::parse(&long).is_ok());
    assert!(Expression::parse(&"a.".repeat(50)).is_err());
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let deep = small.spawn(|| {
        for depth in [30, 62] {
            check(&format!("{}1{}", "(".repeat(depth), ")".repeat(depth)));
            check(&format!("{}1", "1+".repeat(depth)));
            check(&format!("{}1", "-".repeat(depth)));
            check(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth)));
            check(&format!("{}'x'{}", "a[".repeat(depth), "]".repeat(depth)));
        }
    });
    deep.unwrap().join().unwrap();
}
