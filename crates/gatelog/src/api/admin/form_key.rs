//! The keys of a form: `config.queue.max_batch_size`, `config.tags[]`, `config.headers[X-Foo]`.
//!
//! **Shape.** Dots and brackets divide a key into its [`Step`]s. What stands in brackets is one step,
//! its dots belong to it: a number is a place in a list, nothing at all the next place. A bracket that
//! does not end is part of the name, as is a dot at the very beginning or end of a key.
//!
//! **Limits.** [`DEEPEST`] steps.

/// Steps of a key at most.
pub(super) const DEEPEST: usize = 16;

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the field of this name.
    Name(String),
    /// To this place, from 1.
    Place(u32),
    /// To the next place.
    Next,
}

/// The key has more than [`DEEPEST`] steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

/// The steps of a key; none of the key "".
pub(super) fn steps(key: &str) -> Result<Vec<Step>, TooDeep> {
    if key.starts_with('.') || key.ends_with('.') {
        return Ok(vec![Step::Name(key.to_owned())]);
    }
    let mut steps = Vec::new();
    let mut left = key;
    while !left.is_empty() {
        let (step, behind) = next(left);
        steps.extend(step);
        left = behind;
        if steps.len() > DEEPEST {
            return Err(TooDeep);
        }
    }
    Ok(steps)
}

/// The first step, if there is one before the next dot, and what is behind it. The latter is shorter
/// than the text.
fn next(text: &str) -> (Option<Step>, &str) {
    if let Some(behind) = text.strip_prefix('.') {
        return (None, behind);
    }
    if let Some((inner, behind)) = bracket(text) {
        let step = match inner.parse() {
            _ if inner.is_empty() => Step::Next,
            Ok(place) if inner.bytes().all(|byte| byte.is_ascii_digit()) => Step::Place(place),
            _ => Step::Name(inner.to_owned()),
        };
        return (Some(step), behind);
    }
    // A bracket that begins the text does not end, and so is part of the name.
    let ends = text
        .char_indices()
        .skip(1)
        .find(|(at, char)| {
            *char == '.' || text.get(*at..).is_some_and(|text| bracket(text).is_some())
        })
        .map_or(text.len(), |(at, _)| at);
    let (name, behind) = text.split_at(ends);
    (Some(Step::Name(name.to_owned())), behind)
}

/// What stands in the brackets that the text begins with, and what is behind them.
fn bracket(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('[')?.split_once(']')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Step {
        Step::Name(text.to_owned())
    }

    #[test]
    fn keys_are_divided_at_dots_and_brackets() {
        for (key, expected) in [
            ("name", vec![name("name")]),
            (
                "config.queue.max_batch_size",
                vec![name("config"), name("queue"), name("max_batch_size")],
            ),
            ("tags[]", vec![name("tags"), Step::Next]),
            (
                "config.tags[2]",
                vec![name("config"), name("tags"), Step::Place(2)],
            ),
            (
                "config.headers[X-Foo]",
                vec![name("config"), name("headers"), name("X-Foo")],
            ),
            (
                "config.custom_fields[a.b]",
                vec![name("config"), name("custom_fields"), name("a.b")],
            ),
            (
                "config[a][b]c",
                vec![name("config"), name("a"), name("b"), name("c")],
            ),
            ("config[é", vec![name("config[é")]),
            ("[", vec![name("[")]),
            ("a..b", vec![name("a"), name("b")]),
            (".a.b", vec![name(".a.b")]),
            ("a.", vec![name("a.")]),
            (".", vec![name(".")]),
            ("", vec![]),
            ("a[99999999999]", vec![name("a"), name("99999999999")]),
            ("a[+1]", vec![name("a"), name("+1")]),
        ] {
            assert_eq!(steps(key).unwrap(), expected, "{key}");
        }
        assert_eq!(steps(&"a.".repeat(40).replace("a.", "a.a")), Err(TooDeep));
        assert_eq!(steps(&format!("a{}", "[]".repeat(DEEPEST))), Err(TooDeep));
    }

    proptest! {
        #[test]
        fn any_key_has_steps(key in "[a-c.\\[\\]0-9é]{0,24}") {
            let Ok(steps) = steps(&key) else { return Ok(()) };
            prop_assert!(steps.len() <= DEEPEST);
            // What is in the steps is in the key, in this order.
            let mut left = key.as_str();
            for step in steps {
                let text = match step {
                    Step::Name(text) => text,
                    Step::Place(place) => place.to_string(),
                    Step::Next => continue,
                };
                let found = left.find(&text).map(|at| at + text.len());
                prop_assert!(found.is_some(), "{} in {}", text, key);
                left = found.and_then(|at| left.get(at..)).unwrap_or_default();
            }
        }

        #[test]
        fn whatever_is_sent_is_taken(key in any::<String>()) {
            let _divided = steps(&key).is_ok();
        }
    }
}
