//! The rules: names and paths, ready to be compared.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Field, PROMOTED};

use crate::config::{Redact, RuleError};
use crate::json_path::{Down, JsonPath};
use crate::replacement::{LEAST_KEY_BYTES, Replacement};
use crate::{HEADERS, How, QUERY};

/// Entries of each list of names.
const MAX_NAMES: usize = 256;

/// Characters of a name.
const MAX_NAME_CHARS: usize = 64;

/// Entries of the list of paths.
const MAX_PATHS: usize = 64;

/// What is redacted, and what stands in its place.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In [canonical](canonical) form, as the next ones.
    headers: Vec<Vec<u8>>,
    query: Vec<Vec<u8>>,
    /// The last keys of the paths.
    leaves: Vec<Vec<u8>>,
    pub(crate) paths: Vec<JsonPath>,
    /// A path names no key: a text that is no JSON cannot be searched for what it means.
    pub(crate) nameless: bool,
    /// Fields that hold what a path finds in `ai_log`.
    pub(crate) promoted: Vec<Field>,
    pub(crate) how: Replacement,
}

impl Default for Rules {
    /// The built-in rules, masking.
    fn default() -> Self {
        Self {
            headers: HEADERS.map(canonical).into(),
            query: QUERY.map(canonical).into(),
            leaves: Vec::new(),
            paths: Vec::new(),
            nameless: false,
            promoted: Vec::new(),
            how: Replacement::Mask,
        }
    }
}

impl Rules {
    /// The built-in rules and those configured. `key` is that of `how: hash`: [`Redact::hash_key`] or
    /// what the caller has read; it is not looked at otherwise.
    ///
    /// # Errors
    /// [`RuleError`] for the first entry that is wrong.
    pub fn new(config: &Redact, key: Option<&[u8]>) -> Result<Self, RuleError> {
        let mut rules = Self::default();
        rules
            .headers
            .extend(names("redact.headers", &config.headers, is_of_header)?);
        rules
            .query
            .extend(names("redact.query", &config.query, is_of_parameter)?);
        let wrong = |problem: String| RuleError::new("redact.body", problem);
        if config.body.len() > MAX_PATHS {
            return Err(wrong(format!("at most {MAX_PATHS} paths")));
        }
        for text in &config.body {
            let path = JsonPath::parse(text);
            let path = path.map_err(|problem| wrong(format!("{text:?}: {problem}")))?;
            match path.last_key().map(canonical).filter(|key| !key.is_empty()) {
                Some(key) => rules.leaves.push(key),
                None => rules.nameless = true,
            }
            rules.paths.push(path);
        }
        let promoted = PROMOTED.iter().filter(|(key, _)| rules.takes_member(key));
        rules.promoted = promoted.map(|(_, field)| *field).collect();
        let key = match (key, &config.hash_key) {
            (Some(_), _) if config.how != How::Hash => None,
            (Some(key), _) => Some(key),
            (None, key) => key.as_ref().map(crate::HashKey::reveal),
        };
        rules.how = Replacement::new(config.how, key)
            .map_err(|problem| RuleError::new("redact.how", problem))?;
        Ok(rules)
    }

    /// Checks a configuration of which the key is not at hand.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(config: &Redact) -> Result<(), RuleError> {
        if config
            .hash_key
            .as_ref()
            .is_some_and(|key| key.reveal().len() < LEAST_KEY_BYTES)
        {
            let problem = format!("at least {LEAST_KEY_BYTES} bytes");
            return Err(RuleError::new("redact.hash_key", problem));
        }
        Self::new(config, Some(&[0; LEAST_KEY_BYTES])).map(drop)
    }

    /// Whether the value of a header with this name is a secret.
    pub fn is_secret_header(&self, name: &str) -> bool {
        // Most names have another length than each of ours.
        let is_same = |rule: &Vec<u8>| {
            rule.len() == name.len() && rule.iter().copied().eq(name.bytes().map(canonical_byte))
        };
        self.headers.iter().any(is_same)
            || (name.trim_ascii().len() < name.len() && self.is_secret_header(name.trim_ascii()))
    }

    /// Whether the value of a query parameter with this name, as it is written, is a secret.
    pub(crate) fn is_secret_parameter(&self, name: &[u8], json: bool) -> bool {
        is_among(&self.query, name, json)
    }

    /// Whether it is the name of a header or of a query parameter.
    pub(crate) fn is_name(&self, name: &[u8]) -> bool {
        is_among(&self.headers, name, false) || is_among(&self.query, name, false)
    }

    /// Whether it is the name of a header, in a text.
    pub(crate) fn is_header_in_text(&self, name: &[u8]) -> bool {
        is_among(&self.headers, name, true)
    }

    /// Whether it is the name of anything else that is redacted, in a text.
    pub(crate) fn is_name_in_text(&self, name: &[u8]) -> bool {
        is_among(&self.query, name, true) || self.is_leaf(name)
    }

    /// Whether it is the last key of a path, in a text.
    pub(crate) fn is_leaf(&self, name: &[u8]) -> bool {
        is_among(&self.leaves, name, true)
    }

    /// Whether a path leads to the value of this key at the root of a document.
    fn takes_member(&self, key: &str) -> bool {
        let mut paths = self.paths.iter();
        paths.any(|path| path.is_end(path.down(JsonPath::ROOT, Down::Key(key))))
    }

    /// Redacts a record in place; says whether something was.
    pub fn apply(&self, record: &mut AccessRecord<'_>) -> bool {
        crate::record::apply(self, record)
    }

    /// A path with its query, or any other URL.
    pub fn url<'t>(&self, url: &'t str) -> Cow<'t, str> {
        let redacted = crate::url::redact(url, self, crate::url::Form::Url { authority: true });
        redacted.map_or(Cow::Borrowed(url), Cow::Owned)
    }

    /// The value of a header; `None` when the header is to be left out.
    pub fn header<'t>(&self, name: &str, value: &'t str) -> Option<Cow<'t, str>> {
        if self.is_secret_header(name) {
            return self.how.of(value.as_bytes());
        }
        let authority = crate::record::holds_authority(name);
        let redacted = crate::url::redact(value, self, crate::url::Form::Url { authority });
        Some(redacted.map_or(Cow::Borrowed(value), Cow::Owned))
    }

    /// A body, whole or as far as it was captured.
    pub fn body<'t>(&self, body: &'t str) -> Cow<'t, str> {
        crate::body::redact(body, self).map_or(Cow::Borrowed(body), Cow::Owned)
    }

    /// Any text that may hold parts of a record, such as a line that could not be read. What looks like
    /// one of the names with a value is redacted, rather too much than too little; `drop` masks here.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        crate::text::redact(text, self).map_or(Cow::Borrowed(text), Cow::Owned)
    }
}

/// The configured names in canonical form.
fn names(
    key: &'static str,
    names: &[String],
    is_allowed: fn(char) -> bool,
) -> Result<Vec<Vec<u8>>, RuleError> {
    if names.len() > MAX_NAMES {
        return Err(RuleError::new(key, format!("at most {MAX_NAMES} names")));
    }
    let check = |name: &String| {
        let canonical = canonical(name);
        if canonical.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            let problem = format!("{name:?}: a name has 1 to {MAX_NAME_CHARS} characters");
            return Err(RuleError::new(key, problem));
        }
        match name.chars().find(|char| !is_allowed(*char)) {
            Some(char) => Err(RuleError::new(
                key,
                format!("{name:?}: a name cannot have {char:?}"),
            )),
            None => Ok(canonical),
        }
    };
    names.iter().map(check).collect()
}

/// RFC 9110 §5.6.2, and the colon of pseudo headers.
fn is_of_header(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(char)
}

/// What does not end a name where a text is searched for parameters.
fn is_of_parameter(char: char) -> bool {
    char.is_alphanumeric() || "_-.~$*@!+".contains(char)
}

/// A name as it is compared.
fn canonical(name: impl AsRef<str>) -> Vec<u8> {
    let bytes: Vec<u8> = name.as_ref().bytes().map(canonical_byte).collect();
    trimmed(&bytes).to_vec()
}

/// Upper and lower case are alike, and the ways to write a gap: programs turn one into another.
fn canonical_byte(byte: u8) -> u8 {
    match byte {
        b'-' | b'.' | b' ' | b'+' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

/// Without gaps around it.
fn trimmed(name: &[u8]) -> &[u8] {
    let is_gap = |byte: &u8| *byte == b'_';
    let begin = name.iter().position(|byte| !is_gap(byte));
    let end = name.iter().rposition(|byte| !is_gap(byte));
    match (begin, end) {
        (Some(begin), Some(end)) => name.get(begin..=end).unwrap_or_default(),
        _ => &[],
    }
}

/// Whether a name as it is written is one of these: the whole, or what stands before or in its
/// brackets (`token[]`, `user[password]`).
fn is_among(rules: &[Vec<u8>], name: &[u8], json: bool) -> bool {
    let is_one = |name: &[u8]| {
        let name = trimmed(name);
        rules.iter().any(|rule| rule == name)
    };
    let plain = |byte: &u8| !matches!(byte, b'%' | b'[' | b']' | b'\\');
    if name.iter().all(plain) {
        // Without a copy, as of most names.
        let is_gap = |byte: u8| canonical_byte(byte) == b'_';
        let begin = name.iter().position(|byte| !is_gap(*byte)).unwrap_or(0);
        let end = name
            .iter()
            .rposition(|byte| !is_gap(*byte))
            .map_or(0, |at| at + 1);
        let name = name.get(begin..end).unwrap_or_default();
        return rules.iter().any(|rule| {
            rule.len() == name.len()
                && rule
                    .iter()
                    .copied()
                    .eq(name.iter().copied().map(canonical_byte))
        });
    }
    let mut name = crate::unit::decoded(name, json);
    for byte in &mut name {
        *byte = canonical_byte(*byte);
    }
    is_one(&name) || name.split(|byte| matches!(byte, b'[' | b']')).any(is_one)
}
