//! Secrets in URLs: the values of query parameters, and user and password before a host.
//!
//! **Shape.** One walk over the text. A name begins behind a separator; `=` behind the name of a
//! secret begins the value. A URL may stand in a parameter of another one, encoded once or several
//! times: separators count however often they are encoded, and a value ends only at one that is not
//! encoded more often than the `=` before it, as one that is belongs to the value.
//!
//! **Invariants.** Of a secret nothing is left: where it is not clear whether a character ends it, it
//! does not. What is no secret stays as it was written.
//!
//! **Limits.** A value ends at `&`, and at `;` only where another name and `=` follow. What stands
//! behind a blank, `?` or `#` goes with it.

use std::ops::Range;

use crate::edits::Edits;
use crate::replacement::MASK;
use crate::rules::Rules;
use crate::unit::{Unit, decoded, unit};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A URL, a path, or anything else of which each part may be a parameter. With `authority`, it may
    /// begin with a host, as the target of CONNECT does.
    Url {
        /// Whether it may.
        authority: bool,
    },
    /// A text in which URLs may stand: they end at blanks and quotes, and parameters stand behind `?`,
    /// `&`, `;`, `#` or a quote. It may be JSON.
    Prose,
}

/// The text without its secrets; `None` when it has none.
#[inline]
pub(crate) fn redact(text: &str, rules: &Rules, form: Form) -> Option<String> {
    if may_hold(text.as_bytes(), rules, form) {
        walk(text, rules, form)
    } else {
        None
    }
}

fn walk(text: &str, rules: &Rules, form: Form) -> Option<String> {
    let mut walk = Walk {
        text,
        bytes: text.as_bytes(),
        rules,
        form,
        json: form == Form::Prose,
        edits: Edits::of(text),
        name: 0,
        opener: None,
        slashes: 0,
        colon: false,
        no_user: Reach::default(),
        last_parameter: memchr::memrchr(b'&', text.as_bytes()),
    };
    walk.run();
    walk.edits.finish()
}

/// Whether there is anything that a secret needs: most texts have nothing of it.
#[inline]
fn may_hold(bytes: &[u8], rules: &Rules, form: Form) -> bool {
    // The shortest is `key=` with a value.
    if bytes.len() < 4 {
        return false;
    }
    let first = memchr::memchr3(b'=', b'%', b'@', bytes);
    first.is_some_and(|at| is_suspicious(bytes, at, rules, form))
        || (form == Form::Prose && has_escaped(bytes))
        || may_end_in_user(bytes, first.is_none())
}

/// Whether the text may end within the user of a URL. `is_plain` says that it has no `%`.
fn may_end_in_user(bytes: &[u8], is_plain: bool) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(bytes, part).is_some();
    let is_scheme = |at: usize| matches!(bytes.get(at + 1..at + 3), Some(b"//" | b"\\/"));
    let has_url = bytes.starts_with(b"//")
        || memchr::memchr_iter(b':', bytes).any(is_scheme)
        || (!is_plain && (has(b"%3A%2F%2F") || has(b"%3a%2f%2f")));
    let ends = |byte: &u8| *byte != b'\\' && ends_url(*byte);
    has_url && {
        let begin = bytes.iter().rposition(ends).map_or(0, |at| at + 1);
        let last = bytes.get(begin..).unwrap_or_default();
        last.iter().any(|byte| matches!(byte, b'/' | b'%'))
    }
}

/// As [`may_hold`], of a text with `=`, `%` or `@` from this place on.
fn is_suspicious(bytes: &[u8], first: usize, rules: &Rules, form: Form) -> bool {
    let rest = bytes.get(first..).unwrap_or_default();
    // The same for each `@`, of which there may be many.
    let user = std::cell::OnceCell::new();
    let mut signs = memchr::memchr3_iter(b'=', b'%', b'@', rest);
    signs.any(|at| {
        let at = first + at;
        match bytes.get(at) {
            Some(b'=') => {
                let before = bytes.get(..at).unwrap_or_default();
                let begin = before.iter().rposition(|byte| ends_name(*byte));
                let name = bytes.get(begin.map_or(0, |at| at + 1)..at);
                let name = name.unwrap_or_default();
                // A name may begin behind an encoded character too.
                name.contains(&b'%')
                    || begin.is_some_and(|at| bytes.get(at) == Some(&b'\\'))
                    || rules.is_secret_parameter(name, false)
            }
            Some(b'@') => *user.get_or_init(|| may_hold_user(bytes, form)),
            _ => unit(bytes, at, false).is_some_and(|unit| matches!(unit.byte, b'=' | b'@')),
        }
    })
}

/// Whether there is anything before which a user stands, in a text with `@`.
fn may_hold_user(bytes: &[u8], form: Form) -> bool {
    let begins = form == (Form::Url { authority: true }) && bytes.first() != Some(&b'/');
    let has = |part: &[u8]| memchr::memmem::find(bytes, part).is_some();
    begins || has(b"//") || has(b"%2") || (form == Form::Prose && has(b"\\/"))
}

/// Whether JSON escapes a `=` or `@`.
fn has_escaped(bytes: &[u8]) -> bool {
    let mut escapes = memchr::memmem::find_iter(bytes, b"\\u00");
    escapes.any(|at| unit(bytes, at, true).is_some_and(|unit| matches!(unit.byte, b'=' | b'@')))
}

struct Walk<'t, 'r> {
    text: &'t str,
    bytes: &'t [u8],
    rules: &'r Rules,
    form: Form,
    json: bool,
    edits: Edits<'t>,
    /// Where the name begins that is being read.
    name: usize,
    /// What stands before it.
    opener: Option<Opener>,
    /// Slashes directly before this place, and whether a colon or nothing stands before these.
    slashes: usize,
    colon: bool,
    /// As far as this there is no `@` of a user with slashes in the password.
    no_user: Reach,
    /// The last `&`.
    last_parameter: Option<usize>,
}

/// How far a search went, which only what is encoded no more often than this could end.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    end: usize,
    level: usize,
}

impl Reach {
    /// Whether one that begins here would go no further.
    fn covers(self, begin: usize, level: usize) -> bool {
        begin < self.end && level >= self.level
    }
}

#[derive(Clone, Copy, Debug)]
struct Opener {
    byte: u8,
    at: usize,
}

impl Walk<'_, '_> {
    fn unit(&self, at: usize) -> Option<Unit> {
        unit(self.bytes, at, self.json)
    }

    fn run(&mut self) {
        let mut at = 0;
        if self.form == (Form::Url { authority: true }) && !self.text.starts_with('/') {
            at = self.authority(0, 0);
        }
        self.colon = at == 0;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let dull = rest.iter().take_while(|byte| is_dull(**byte)).count();
            if dull > 0 {
                at += dull;
                self.slashes = 0;
                self.colon = false;
            }
            let Some(unit) = self.unit(at) else { break };
            at = self.step(at, unit);
        }
    }

    /// Takes one character; answers where to go on.
    fn step(&mut self, at: usize, unit: Unit) -> usize {
        let behind = at + unit.len;
        let slashes = std::mem::take(&mut self.slashes);
        match unit.byte {
            b'=' if self.is_secret(at) => return self.value(behind, unit.level),
            b'/' => {
                self.slashes = slashes + 1;
                self.open(unit.byte, at, behind);
                if self.slashes == 2 && self.colon {
                    return self.authority(behind, unit.level);
                }
                return behind;
            }
            byte if ends_name(byte) => self.open(byte, at, behind),
            _ => {}
        }
        self.colon = unit.byte == b':';
        behind
    }

    fn open(&mut self, byte: u8, at: usize, behind: usize) {
        self.opener = Some(Opener { byte, at });
        self.name = behind;
    }

    /// Whether the name before this place is a secret's.
    fn is_secret(&self, end: usize) -> bool {
        let stands_well = self.form != Form::Prose
            || self.opener.is_none_or(|opener| {
                matches!(opener.byte, b'?' | b'&' | b';' | b'#' | b'"' | b'\'')
            });
        let name = self.bytes.get(self.name..end).unwrap_or_default();
        stands_well && self.rules.is_secret_parameter(name, self.json)
    }

    /// Redacts the value that begins here, behind a `=` that is encoded so often.
    fn value(&mut self, begin: usize, level: usize) -> usize {
        let end = self.value_end(begin, level);
        let value = self.bytes.get(begin..end).unwrap_or_default();
        if let Some(by) = self.rules.how.of(&decoded(value, self.json)) {
            self.edits.replace(begin..end, &by);
            self.name = end;
        } else {
            let part = self.parameter(end);
            self.name = part.end;
            self.edits.replace(part, "");
        }
        self.name
    }

    /// The parameter that ends here, with the separator that goes with it.
    fn parameter(&self, end: usize) -> Range<usize> {
        match self.opener {
            Some(opener) if matches!(opener.byte, b'&' | b';') => opener.at..end,
            _ => {
                let separator = self
                    .unit(end)
                    .filter(|unit| matches!(unit.byte, b'&' | b';'));
                self.name..end + separator.map_or(0, |unit| unit.len)
            }
        }
    }

    fn value_end(&self, begin: usize, level: usize) -> usize {
        let mut at = begin;
        while let Some(unit) = self.unit(at) {
            let ends = unit.level <= level
                && match unit.byte {
                    b'&' => true,
                    b';' => self.name_follows(at + unit.len, level),
                    byte => self.form == Form::Prose && ends_url(byte),
                };
            if ends {
                return at;
            }
            at += unit.len;
        }
        self.bytes.len()
    }

    /// Whether a name, `=` and a value stand here. `=` and nothing, or `==`, may be the end of a text in
    /// base 64.
    fn name_follows(&self, begin: usize, level: usize) -> bool {
        let (mut at, mut is_blank) = (begin, true);
        while let Some(unit) = self.unit(at) {
            if unit.byte == b'=' && unit.level <= level {
                let next = self.unit(at + unit.len);
                return at > begin && next.is_some_and(|next| !matches!(next.byte, b'=' | b'&'));
            }
            is_blank &= self.bytes.get(at) == Some(&b' ');
            at += unit.len;
            if is_blank {
                continue;
            }
            if ends_name(unit.byte) {
                return false;
            }
        }
        false
    }

    /// Redacts what stands before `@` in the authority that begins here. Answers where to go on.
    fn authority(&mut self, begin: usize, level: usize) -> usize {
        let (at, end) = self.user_end(begin, level, false);
        let torn = at.is_none() && self.is_no_host(begin..end);
        let at = if torn {
            self.torn_user_end(begin, level)
        } else {
            at
        };
        let Some((at, length)) = at else {
            // No port is written so: it may be a password, the rest of which a limit has cut off.
            let is_last = begin > 0 && self.last_parameter.is_none_or(|at| at < begin);
            // Not where a parameter ends it that has been masked: that was no part of a user.
            let is_masked = matches!(self.bytes.strip_suffix(MASK.as_bytes()), Some([.., b'=']));
            // Half an escape may be left of what was cut.
            let behind = self.bytes.get(self.no_user.end..).unwrap_or_default();
            if torn && is_last && !is_masked && behind.iter().all(|byte| *byte == b'\\') {
                let by = self.rules.how.of(b"half a user").map_or("", |_| MASK);
                self.edits.replace(begin..self.bytes.len(), by);
                return self.bytes.len();
            }
            return begin;
        };
        if let Some(end) = self.parameter_over(begin, at) {
            self.edits.replace(begin..end, MASK);
            self.open(b'&', end, end);
            return end;
        }
        let user = self.bytes.get(begin..at).unwrap_or_default();
        match self.rules.how.of(&decoded(user, self.json)) {
            Some(by) => self.edits.replace(begin..at, &by),
            None => self.edits.replace(begin..at + length, ""),
        }
        self.open(b'@', at, at + length);
        at + length
    }

    /// Where the value of a parameter ends that begins in this part and goes on behind it: then `@` is
    /// one of its characters.
    fn parameter_over(&self, begin: usize, end: usize) -> Option<usize> {
        let (mut at, mut name) = (begin, begin);
        let mut last = Reach::default();
        while let Some(unit) = self.unit(at).filter(|_| at < end) {
            let behind = at + unit.len;
            let written = self.bytes.get(name..at).unwrap_or_default();
            // A value that begins within another one ends no later.
            if unit.byte == b'='
                && !last.covers(behind, unit.level)
                && self.rules.is_secret_parameter(written, self.json)
            {
                let value_end = self.value_end(behind, unit.level);
                if value_end > end {
                    return Some(value_end);
                }
                last = Reach {
                    end: value_end,
                    level: unit.level,
                };
            }
            if ends_name(unit.byte) {
                name = behind;
            }
            at = behind;
        }
        None
    }

    /// Whether what stands behind a colon here is no port: then it is a password, as far as a slash in
    /// it or the end of the text.
    fn is_no_host(&self, authority: Range<usize>) -> bool {
        let authority = self.bytes.get(authority).unwrap_or_default();
        if !authority.iter().any(|byte| matches!(byte, b':' | b'%')) {
            return false;
        }
        let authority = decoded(authority, self.json);
        let mut parts = authority.splitn(2, |byte| *byte == b':');
        let is_address = parts.next().is_some_and(|host| host.starts_with(b"["));
        let port = parts.next().unwrap_or_default();
        !is_address && !port.iter().all(u8::is_ascii_digit)
    }

    /// The `@` of a user with slashes in the password, with its length. Where there was none once, there
    /// is none for an authority that begins later: each part of the text is searched once.
    fn torn_user_end(&mut self, begin: usize, level: usize) -> Option<(usize, usize)> {
        if self.no_user.covers(begin, level) {
            return None;
        }
        let (at, end) = self.user_end(begin, level, true);
        if at.is_none() {
            self.no_user = Reach { end, level };
        }
        at
    }

    /// The last `@` before the authority ends, with its length, and where it ends.
    fn user_end(
        &self,
        begin: usize,
        level: usize,
        over_slashes: bool,
    ) -> (Option<(usize, usize)>, usize) {
        let (mut at, mut found) = (begin, None);
        while let Some(unit) = self.unit(at) {
            let ends = match unit.byte {
                b'/' => !over_slashes,
                b'?' | b'#' => true,
                byte => self.form == Form::Prose && ends_url(byte),
            };
            if ends && unit.level <= level {
                break;
            }
            if unit.byte == b'@' {
                found = Some((at, unit.len));
            }
            at += unit.len;
        }
        (found, at)
    }
}

/// What means nothing but itself.
fn is_dull(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// What does not stand in a name.
pub(crate) fn ends_name(byte: u8) -> bool {
    matches!(
        byte,
        b'?' | b'&'
            | b';'
            | b'#'
            | b'/'
            | b'='
            | b','
            | b':'
            | b'"'
            | b'\''
            | b'<'
            | b'>'
            | b'('
            | b')'
            | b'{'
            | b'}'
            | b'|'
            | b'\\'
            | b' '
            | b'\t'
            | b'\n'
            | b'\r'
    )
}

/// Where a URL in a text ends at the latest.
fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>' | b'\\')
}
