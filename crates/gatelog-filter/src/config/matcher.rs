//! Matchers of headers, texts and metadata: their configuration and its reading.

use serde::Serialize;
use serde_json::Value;

use super::message::{self, ConfigError, Message, Place, list};
use super::{Empty, MAX_DEPTH};

/// Which header, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeaderMatcher {
    /// Name of the header, in any case; `:path` and its like, `host` for `:authority`. Required.
    pub name: String,
    /// What one of its values must be. Default anything.
    #[serde(flatten)]
    pub value: HeaderMatch,
    /// Whether the answer is turned round. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub invert_match: bool,
    /// Whether a missing header counts as an empty one. Default false: a missing header never matches,
    /// inverted or not, but for `present_match`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub treat_missing_header_as_empty: bool,
}

/// What a header's value must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HeaderMatch {
    /// Whether the header is there. `true` where nothing is said.
    PresentMatch(bool),
    /// An integer in a range.
    RangeMatch(IntegerRange),
    /// A text.
    StringMatch(StringMatcher),
}

/// Integers from `start` to below `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IntegerRange {
    /// The first. Default 0.
    pub start: i64,
    /// The one behind the last. Default 0.
    pub end: i64,
}

/// What a text must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StringMatcher {
    /// Its pattern.
    #[serde(flatten)]
    pub pattern: Pattern,
    /// Whether ASCII letters match in any case. Not with `safe_regex`. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// A pattern of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Pattern {
    /// The whole text.
    Exact(String),
    /// How it begins.
    Prefix(String),
    /// How it ends.
    Suffix(String),
    /// What is in it.
    Contains(String),
    /// A regular expression that the whole text must match.
    SafeRegex(SafeRegex),
}

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SafeRegex {
    /// In RE2's syntax.
    pub regex: String,
}

/// Where in the metadata, and what must be there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetadataMatcher {
    /// Namespace: the name of the filter that has set it. Required.
    pub filter: String,
    /// Keys from there, at least one.
    pub path: Vec<PathSegment>,
    /// What must be there. Required.
    pub value: ValueMatcher,
    /// Taken as Envoy takes it: access log filters pass over it. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathSegment {
    /// Key in an object.
    pub key: String,
}

/// What a value of the metadata must be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ValueMatcher {
    /// `null`.
    NullMatch(Empty),
    /// A number.
    DoubleMatch(DoubleMatch),
    /// A text.
    StringMatch(StringMatcher),
    /// A boolean.
    BoolMatch(bool),
    /// `true`: anything; `false`: nothing at all.
    PresentMatch(bool),
    /// A list with such an element.
    ListMatch(ListMatcher),
    /// Any of these, at least two.
    OrMatch(OrMatcher),
}

/// What a number must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DoubleMatch {
    /// In a range.
    Range(DoubleRange),
    /// This number.
    Exact(f64),
}

/// Numbers from `start` to below `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoubleRange {
    /// The least. Default 0.
    pub start: f64,
    /// The one above all of them. Default 0.
    pub end: f64,
}

/// What an element of a list must be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListMatcher {
    /// One of the elements.
    pub one_of: Box<ValueMatcher>,
}

/// Several possibilities.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrMatcher {
    /// At least two.
    pub value_matchers: Vec<ValueMatcher>,
}

const HEADER_MATCHES: [&str; 8] = [
    "string_match",
    "present_match",
    "range_match",
    "exact_match",
    "prefix_match",
    "suffix_match",
    "contains_match",
    "safe_regex_match",
];

const PATTERNS: [&str; 5] = ["exact", "prefix", "suffix", "contains", "safe_regex"];

const VALUE_MATCHES: [&str; 7] = [
    "null_match",
    "double_match",
    "string_match",
    "bool_match",
    "present_match",
    "list_match",
    "or_match",
];

pub(super) fn header_matcher(value: &Value, place: &Place) -> Result<HeaderMatcher, ConfigError> {
    let known: Vec<&'static str> = ["name"]
        .into_iter()
        .chain(HEADER_MATCHES)
        .chain(["invert_match", "treat_missing_header_as_empty"])
        .collect();
    let message = Message::read(value, place, &known)?;
    let name = message.required_text("name")?;
    if name.contains(['\0', '\n', '\r']) {
        let problem = "a header's name has no line ends and no zero bytes";
        return Err(place.key("name").error(problem));
    }
    let value = match message.one_of(&HEADER_MATCHES)? {
        None => HeaderMatch::PresentMatch(true),
        Some(("present_match", value, place)) => {
            HeaderMatch::PresentMatch(message::boolean(value, &place)?)
        }
        Some(("range_match", value, place)) => {
            let message = Message::read(value, &place, &["start", "end"])?;
            let bound = |name| match message.field(name) {
                None => Ok(0),
                Some((value, place)) => message::i64(value, &place),
            };
            HeaderMatch::RangeMatch(IntegerRange {
                start: bound("start")?,
                end: bound("end")?,
            })
        }
        Some(("string_match", value, place)) => {
            HeaderMatch::StringMatch(string_matcher(value, &place)?)
        }
        Some((deprecated, value, place)) => {
            let kind = deprecated.strip_suffix("_match").unwrap_or(deprecated);
            HeaderMatch::StringMatch(StringMatcher {
                pattern: pattern(kind, value, &place)?,
                ignore_case: false,
            })
        }
    };
    Ok(HeaderMatcher {
        name,
        value,
        invert_match: message.boolean("invert_match")?,
        treat_missing_header_as_empty: message.boolean("treat_missing_header_as_empty")?,
    })
}

fn string_matcher(value: &Value, place: &Place) -> Result<StringMatcher, ConfigError> {
    let known: Vec<&'static str> = PATTERNS.into_iter().chain(["ignore_case"]).collect();
    let message = Message::read(value, place, &known)?;
    let Some((kind, value, pattern_place)) = message.one_of(&PATTERNS)? else {
        return Err(place.error(format!("one of {} is required", list(&PATTERNS))));
    };
    let pattern = pattern(kind, value, &pattern_place)?;
    let ignore_case = message.boolean("ignore_case")?;
    if ignore_case && matches!(pattern, Pattern::SafeRegex(_)) {
        let problem = "`ignore_case` has no effect on `safe_regex`; write `(?i)` in it";
        return Err(place.error(problem));
    }
    Ok(StringMatcher {
        pattern,
        ignore_case,
    })
}

fn pattern(kind: &str, value: &Value, place: &Place) -> Result<Pattern, ConfigError> {
    if kind == "safe_regex" {
        let message = Message::read(value, place, &["regex", "google_re2"])?;
        let regex = message.required_text("regex")?;
        return Ok(Pattern::SafeRegex(SafeRegex { regex }));
    }
    let text = message::text(value, place)?;
    if text.is_empty() && kind != "exact" {
        return Err(place.error("must not be empty"));
    }
    Ok(match kind {
        "exact" => Pattern::Exact(text),
        "prefix" => Pattern::Prefix(text),
        "suffix" => Pattern::Suffix(text),
        _ => Pattern::Contains(text),
    })
}

pub(super) fn metadata_matcher(
    value: &Value,
    place: &Place,
    depth: usize,
) -> Result<MetadataMatcher, ConfigError> {
    let message = Message::read(value, place, &["filter", "path", "value", "invert"])?;
    let path: Result<Vec<_>, _> = message
        .elements("path")
        .iter()
        .map(|(value, place)| {
            let message = Message::read(value, place, &["key"])?;
            let key = message.required_text("key")?;
            Ok(PathSegment { key })
        })
        .collect();
    let path = path?;
    if path.is_empty() {
        return Err(place.error("`path` must have at least 1 segment, `{key: NAME}`"));
    }
    let (value, value_place) = message.required("value")?;
    Ok(MetadataMatcher {
        filter: message.required_text("filter")?,
        path,
        value: value_matcher(value, &value_place, depth)?,
        invert: message.boolean("invert")?,
    })
}

fn value_matcher(value: &Value, place: &Place, depth: usize) -> Result<ValueMatcher, ConfigError> {
    if depth >= MAX_DEPTH {
        return Err(place.error(format!("matchers are nested more than {MAX_DEPTH} deep")));
    }
    let message = Message::read(value, place, &VALUE_MATCHES)?;
    let Some((kind, value, place)) = message.one_of(&VALUE_MATCHES)? else {
        return Err(place.error(format!("one of {} is required", list(&VALUE_MATCHES))));
    };
    Ok(match kind {
        "null_match" => {
            Message::read(value, &place, &[])?;
            ValueMatcher::NullMatch(Empty {})
        }
        "double_match" => ValueMatcher::DoubleMatch(double_match(value, &place)?),
        "string_match" => ValueMatcher::StringMatch(string_matcher(value, &place)?),
        "bool_match" => ValueMatcher::BoolMatch(message::boolean(value, &place)?),
        "present_match" => ValueMatcher::PresentMatch(message::boolean(value, &place)?),
        "list_match" => {
            let message = Message::read(value, &place, &["one_of"])?;
            let (value, place) = message.required("one_of")?;
            let one_of = Box::new(value_matcher(value, &place, depth + 1)?);
            ValueMatcher::ListMatch(ListMatcher { one_of })
        }
        _ => {
            let message = Message::read(value, &place, &["value_matchers"])?;
            let elements = message.elements("value_matchers");
            if elements.len() < 2 {
                return Err(place.error("`value_matchers` must be at least 2"));
            }
            let matchers: Result<Vec<_>, _> = elements
                .iter()
                .map(|(value, place)| value_matcher(value, place, depth + 1))
                .collect();
            let value_matchers = matchers?;
            ValueMatcher::OrMatch(OrMatcher { value_matchers })
        }
    })
}

fn double_match(value: &Value, place: &Place) -> Result<DoubleMatch, ConfigError> {
    let kinds = ["range", "exact"];
    let message = Message::read(value, place, &kinds)?;
    match message.one_of(&kinds)? {
        Some(("exact", value, place)) => Ok(DoubleMatch::Exact(message::double(value, &place)?)),
        Some((_, value, place)) => {
            let message = Message::read(value, &place, &["start", "end"])?;
            let bound = |name| match message.field(name) {
                None => Ok(0.0),
                Some((value, place)) => message::double(value, &place),
            };
            Ok(DoubleMatch::Range(DoubleRange {
                start: bound("start")?,
                end: bound("end")?,
            }))
        }
        None => Err(place.error(format!("one of {} is required", list(&kinds)))),
    }
}
