//! `gatelog::decode::Items`: the objects of a body, whatever their form.

use std::borrow::Cow;

use gatelog::decode::{self, Items, Text};

/// - The items come to an end; each takes bytes of the body, in order, and all of them are taken.
/// - There are no more items than bytes and one: memory is bounded by the body.
/// - Bytes that are not UTF-8 are marked, and no others.
/// - A body of lines that each hold one object is read as those lines are, one by one.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    // What the fuzzer makes is small enough for any memory.
    let Ok(text) = Text::new(Cow::Borrowed(bytes)) else {
        return;
    };
    assert_eq!(text.is_marked(), std::str::from_utf8(bytes).is_err());
    let body = text.as_str();
    let mut items = Items::new(body);
    let mut count = 0;
    loop {
        let before = items.rest();
        let Some(item) = items.next() else { break };
        count += 1;
        assert!(
            count <= body.len() + 1,
            "{count} items in {} bytes",
            body.len()
        );
        assert!(before.ends_with(items.rest()), "it went back");
        // An array that does not end is told behind its last byte.
        assert!(items.rest().len() < before.len() || item.is_err());
    }
    assert!(items.rest().is_empty(), "not read: {:?}", items.rest());
    one_by_one(body);
}

fn one_by_one(body: &str) {
    let lines: Vec<&str> = body
        .lines()
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let is_object = |line: &&str| {
        line.starts_with('{')
            && serde_json::from_str::<&serde_json::value::RawValue>(line).is_ok()
            && line.ends_with('}')
    };
    // Beyond that the work of telling broken items apart is given up.
    if lines.len() < 100 && lines.iter().all(is_object) {
        let items: Vec<_> = Items::new(body).collect();
        let alone: Vec<_> = lines.iter().map(|line| decode::read(line)).collect();
        assert_eq!(items, alone);
    }
}
