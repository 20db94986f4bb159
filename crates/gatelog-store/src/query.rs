//! What stores are asked: rows that fit some conditions, in an order, a page at a time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gatelog_record::{AccessRecord, Field, Timestamp, Value};
use serde_json::value::RawValue;

/// How many rows may lie before the end of a page that is asked for by its number. All of them have
/// to be put in order to find the page; a [`Cursor`] goes as deep as one likes.
pub const MAX_NUMBERED_ROWS: u64 = 1_000_000;

/// How many bytes a page may have that is given to people and programs: with the answer made of it,
/// some three times as much memory.
pub const PAGE_BYTES: usize = 16 << 20;

/// A question for rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// The order of the rows.
    pub sort: Sort,
    /// Which of them.
    pub paging: Paging,
    /// Rows in a page.
    pub page_size: u32,
    /// Bytes in a page, as [`json_bytes`] counts them: it ends before the row that would exceed them,
    /// and its [`next`](Page::next) begins there. A row that is larger by itself is given alone.
    pub page_bytes: usize,
    /// Whether to count all rows that fit.
    pub count: bool,
}

impl Query {
    /// Why no store answers the query, if it is so.
    pub(crate) fn flaw(&self) -> Option<String> {
        let Paging::Number(number) = self.paging else {
            return None;
        };
        let rows = u64::from(number) * u64::from(self.page_size);
        (rows > MAX_NUMBERED_ROWS).then(|| {
            format!(
                "page {number} with {} rows each ends at row {rows}, pages by number end at row \
                 {MAX_NUMBERED_ROWS}: follow the cursor, or narrow the time",
                self.page_size
            )
        })
    }
}

impl Default for Query {
    /// The newest ten rows, counted.
    fn default() -> Self {
        Self {
            conditions: Vec::new(),
            sort: Sort {
                field: Field::StartTime,
                descending: true,
            },
            paging: Paging::Number(1),
            page_size: 10,
            page_bytes: PAGE_BYTES,
            count: true,
        }
    }
}

/// One condition on a row. A row in which the field is absent fits none.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The text is this one, byte for byte (MySQL: as the column's collation compares).
    TextIs(Field, String),
    /// The text has this one in it; `%` and `_` mean themselves.
    TextContains(Field, String),
    /// The text begins with this one; `%` and `_` mean themselves.
    TextStartsWith(Field, String),
    /// The number is this one.
    IntegerIs(Field, i64),
    /// The number is at least this one.
    IntegerFrom(Field, i64),
    /// The number is at most this one.
    IntegerTo(Field, i64),
    /// The request began at this moment or later.
    From(Timestamp),
    /// The request began at this moment or earlier.
    To(Timestamp),
    /// The response flags have this one among them.
    HasFlag(String),
    /// The JSON object has at this key (of its own, not of an object in it) this text, or a number or
    /// truth value that is written so.
    JsonIs(Field, String, String),
}

impl Condition {
    /// The field that it is about.
    pub fn field(&self) -> Field {
        match self {
            Self::TextIs(field, _)
            | Self::TextContains(field, _)
            | Self::TextStartsWith(field, _)
            | Self::IntegerIs(field, _)
            | Self::IntegerFrom(field, _)
            | Self::IntegerTo(field, _)
            | Self::JsonIs(field, _, _) => *field,
            Self::From(_) | Self::To(_) => Field::StartTime,
            Self::HasFlag(_) => Field::ResponseFlags,
        }
    }
}

/// The order of the rows. Rows in which the field is absent come last, rows that are alike in it
/// in the order in which they were stored (the same way round), so the order is always total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The field that decides.
    pub field: Field,
    /// Greatest first.
    pub descending: bool,
}

/// Which rows of the order.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// The page with this number, counted from 1. Rows that come in meanwhile shift the pages. It
    /// has to end within [`MAX_NUMBERED_ROWS`].
    Number(u32),
    /// The rows behind the one that the cursor stands for. Nothing is shown twice or left out.
    After(Cursor),
}

/// The place behind a row in an order: the row's value of the sort field, and its number in the
/// store (which the store alone understands).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The order it belongs to.
    pub sort: Sort,
    /// The row's value of the sort field.
    pub value: CursorValue,
    /// What tells rows with the same value apart.
    pub row: u128,
}

/// The value of the sort field in a [`Cursor`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorValue {
    /// The field was absent.
    Absent,
    /// A number, or a moment in microseconds.
    Integer(i64),
    /// A text.
    Text(String),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How many rows fit, if that was asked.
    pub total: Option<u64>,
    /// How many requests those rows stand for, where rows carry sample weights and it was asked.
    pub estimated_total: Option<f64>,
    /// The rows of the page.
    pub records: Vec<AccessRecord<'static>>,
    /// Where the next page begins; `None` behind the last row. While it is there, more rows follow,
    /// also when the page has fewer than were asked for.
    pub next: Option<Cursor>,
}

/// The cursor as one opaque word for a URL: letters, digits, `-` and `_` only.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.sort.descending { 'd' } else { 'a' };
        write!(f, "{direction}{}-{:x}-", self.sort.field as u8, self.row)?;
        match &self.value {
            CursorValue::Absent => f.write_str("n"),
            CursorValue::Integer(number) => write!(f, "i{number}"),
            CursorValue::Text(text) => {
                f.write_str("t")?;
                text.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl Cursor {
    /// Reads the word that `to_string` gave; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        let (direction, rest) = word.split_at_checked(1)?;
        let descending = match direction {
            "d" => true,
            "a" => false,
            _ => return None,
        };
        let mut parts = rest.splitn(3, '-');
        let field = Field::from_tag(parts.next()?.parse().ok()?)?;
        let row = u128::from_str_radix(parts.next()?, 16).ok()?;
        let value = match parts.next()?.split_at_checked(1)? {
            ("n", "") => CursorValue::Absent,
            ("i", number) => CursorValue::Integer(number.parse().ok()?),
            ("t", hex) => CursorValue::Text(text_of_hex(hex)?),
            _ => return None,
        };
        Some(Self {
            sort: Sort { field, descending },
            value,
            row,
        })
    }
}

fn text_of_hex(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes?)
        .ok()
        .filter(|_| hex.len().is_multiple_of(2))
}

/// How many bytes a record has as a JSON object with every field, about: not fewer,
/// and some more for each field that is absent or no text.
pub fn json_bytes(record: &AccessRecord<'_>) -> usize {
    /// What a number, a moment, an id or a null takes, quotes included.
    const SHORT_BYTES: usize = 34;
    /// Quotes, a colon and a comma.
    const PUNCTUATION_BYTES: usize = 6;
    let value = |field| match record.get(field) {
        Some(Value::Text(text)) => escaped_bytes(text),
        Some(Value::Json(text)) => text.len(),
        Some(Value::Headers(headers)) => headers
            .iter()
            .map(|(name, value)| escaped_bytes(name) + escaped_bytes(value) + PUNCTUATION_BYTES)
            .sum(),
        _ => SHORT_BYTES,
    };
    let fields = Field::ALL.iter();
    fields
        .map(|&field| field.name().len() + PUNCTUATION_BYTES + value(field))
        .sum()
}

fn escaped_bytes(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    });
    bytes.sum()
}

/// Whether the JSON object has `text` at its key `key`, as [`Condition::JsonIs`] means it.
pub(crate) fn json_is(object: &str, key: &str, text: &str) -> bool {
    // Most objects are passed over without being read.
    if !object.contains(key) {
        return false;
    }
    let Ok(values) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(object) else {
        return false;
    };
    values.get(key).is_some_and(|value| match value.get() {
        quoted if quoted.starts_with('"') => {
            serde_json::from_str::<String>(quoted).is_ok_and(|value| value == text)
        }
        "null" => false,
        whole if whole.starts_with(['{', '[']) => false,
        plain => plain == text,
    })
}

/// `text` with `%`, `_` and the escape character `\` escaped, for SQL's `LIKE … ESCAPE '\'`.
pub(crate) fn escape_like(text: &str) -> Cow<'_, str> {
    if text.contains(['%', '_', '\\']) {
        let mut escaped = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            if matches!(character, '%' | '_' | '\\') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        Cow::Owned(escaped)
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_of_an_object_has_a_text_a_number_or_neither() {
        let object =
            r#"{"a":"x","b":3,"c":true,"d":null,"e":{"a":"y"},"f":["x"],"g":"\u003c\"","h.i":""}"#;
        for (key, text, expected) in [
            ("a", "x", true),
            ("a", "X", false),
            ("a", "y", false),
            ("b", "3", true),
            ("b", "3.0", false),
            ("c", "true", true),
            ("d", "null", false),
            ("e", r#"{"a":"y"}"#, false),
            ("f", r#"["x"]"#, false),
            ("g", "<\"", true),
            ("h.i", "", true),
            ("x", "", false),
        ] {
            assert_eq!(json_is(object, key, text), expected, "{key} {text}");
        }
        assert!(!json_is(r#"{"a":"x""#, "a", "x"));
        assert!(!json_is(r#"["a"]"#, "a", "x"));
    }

    #[test]
    fn the_bytes_of_a_record_are_those_of_its_json() {
        let texts = ["plain ä", "quotes \" and \\", "controls \u{1}\u{2}\u{1f}"]
            .map(|text| text.repeat(500));
        for text in &texts {
            let record = AccessRecord {
                path: Some(text.into()),
                request_body: Some(text.into()),
                ..gatelog_record::standard::record(1, Timestamp::EPOCH)
            };
            let mut json = String::new();
            gatelog_record::json::write(&record, &mut json);
            let counted = json_bytes(&record);
            // Absent fields are counted, too.
            let most = json.len() + Field::ALL.len() * 64;
            assert!(
                (json.len()..=most).contains(&counted),
                "{counted} of {}",
                json.len()
            );
        }
    }

    #[test]
    fn only_pages_by_number_have_a_deepest_one() {
        let query = |number, page_size| Query {
            paging: Paging::Number(number),
            page_size,
            ..Query::default()
        };
        assert_eq!(query(1000, 1000).flaw(), None);
        let flaw = query(1001, 1000).flaw().unwrap();
        assert!(flaw.contains("ends at row 1001000"), "{flaw}");
        assert!(query(u32::MAX, u32::MAX).flaw().is_some());
        let cursor = Cursor {
            sort: Query::default().sort,
            value: CursorValue::Absent,
            row: 0,
        };
        let behind = Query {
            paging: Paging::After(cursor),
            ..query(1, u32::MAX)
        };
        assert_eq!(behind.flaw(), None);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_from_its_word(
            row in any::<u128>(), number in any::<i64>(), text in ".{0,20}", kind in 0..3, descending: bool
        ) {
            let value = match kind {
                0 => CursorValue::Absent,
                1 => CursorValue::Integer(number),
                _ => CursorValue::Text(text),
            };
            let cursor = Cursor { sort: Sort { field: Field::Path, descending }, value, row };
            let word = cursor.to_string();
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
            prop_assert_eq!(Cursor::parse(&word), Some(cursor));
        }

        #[test]
        fn no_word_panics(word in "[adint0-9a-f-]{0,30}|.{0,10}") {
            let _ = Cursor::parse(&word);
        }
    }
}
