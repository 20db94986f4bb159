//! Writing an object member by member, with the custom fields and what was kept of Kong's own object in
//! their places.
//!
//! **Invariants.** A member that was kept is written in place of what the record would give, and at the
//! object's end if the record gives nothing of its name. A member whose name a custom field has is not
//! written: the custom field is, behind all others. So no name comes twice, and the custom field wins.

use std::io::Write as _;

use gatelog_record::AccessRecord;

use super::LogFormat;
use super::custom::{Branch, Node};
use crate::kong::{Json, Members};

/// An object that is begun.
pub(super) struct Object<'o> {
    record: &'o AccessRecord<'o>,
    format: LogFormat,
    custom: Option<&'o Branch>,
    /// What was kept of Kong's and is not yet written.
    kept: Members<'o>,
    /// The custom branches that have gone into a member of Kong's, by their places.
    entered: u64,
    first: bool,
    out: &'o mut Vec<u8>,
}

impl<'o> Object<'o> {
    /// Begins the object of a record.
    pub(super) fn outermost(
        record: &'o AccessRecord<'_>,
        format: LogFormat,
        custom: Option<&'o Branch>,
        kept: Members<'o>,
        out: &'o mut Vec<u8>,
    ) -> Self {
        out.push(b'{');
        Self {
            record,
            format,
            custom,
            kept,
            entered: 0,
            first: true,
            out,
        }
    }

    pub(super) fn format(&self) -> LogFormat {
        self.format
    }

    /// What was kept of this name, to be written in another way.
    pub(super) fn take_kept(&mut self, name: &str) -> Option<Json<'o>> {
        self.kept.take(name)
    }

    /// Whether members of an object of this name were kept.
    pub(super) fn keeps_object(&self, name: &str) -> bool {
        let kept = self.kept.get(name).and_then(Json::members);
        kept.is_some_and(|members| !members.is_empty())
    }

    /// Writes a member that was kept.
    pub(super) fn kept(&mut self, name: &str, value: Json<'o>) {
        match self.custom.and_then(|custom| custom.find(name)) {
            None => {
                self.key(name);
                push_json(value.raw(), self.out);
            }
            Some((place, Node::Branch(branch))) => {
                if let Some(members) = value.members() {
                    self.entered |= 1 << place;
                    self.within(name, Some(branch), members, |_| {});
                }
            }
            Some(_) => {}
        }
    }

    /// A member that nothing of a record fills, or that this one does not.
    pub(super) fn unknown(&mut self, name: &str) {
        if let Some(value) = self.kept.take(name) {
            self.kept(name, value);
        } else if self.format == LogFormat::Seed && self.begin(name) {
            self.out.extend_from_slice(b"null");
        }
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        self.value(name, text, push_text);
    }

    /// A text in pieces.
    pub(super) fn texts<const N: usize>(&mut self, name: &str, texts: Option<[&str; N]>) {
        self.value(name, texts, |texts, out| {
            out.push(b'"');
            for text in texts {
                push_escaped(text, out);
            }
            out.push(b'"');
        });
    }

    pub(super) fn number(&mut self, name: &str, number: Option<i64>) {
        self.value(name, number, push_number);
    }

    /// A number of bytes, which the seed's form has as a string.
    pub(super) fn size(&mut self, name: &str, bytes: Option<i64>) {
        match self.format {
            LogFormat::Seed => self.value(name, bytes, push_quoted_number),
            LogFormat::Kong3 => self.number(name, bytes),
        }
    }

    /// A member whose value is written by `push`.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        push: impl FnOnce(T, &mut Vec<u8>),
    ) {
        if let Some(kept) = self.kept.take(name) {
            return self.kept(name, kept);
        }
        match value {
            None => self.unknown(name),
            Some(value) => {
                if self.begin(name) {
                    push(value, self.out);
                }
            }
        }
    }

    /// A member that is an object.
    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        let kept = match self.kept.take(name).map(|kept| (kept, kept.members())) {
            None => Members::default(),
            Some((_, Some(members))) => members,
            Some((kept, None)) => return self.kept(name, kept),
        };
        let custom = match self.custom.and_then(|custom| custom.find(name)) {
            None => None,
            Some((_, Node::Leaf(_) | Node::Removed)) => return,
            Some((place, Node::Branch(branch))) => {
                self.entered |= 1 << place;
                Some(branch)
            }
        };
        self.within(name, custom, kept, members);
    }

    fn within(
        &mut self,
        name: &str,
        custom: Option<&'o Branch>,
        kept: Members<'o>,
        members: impl FnOnce(&mut Object<'_>),
    ) {
        self.key(name);
        let mut inner = Object::outermost(self.record, self.format, custom, kept, self.out);
        members(&mut inner);
        inner.end();
    }

    /// Ends it, behind what was kept and the custom fields that are left.
    pub(super) fn end(mut self) {
        let kept = std::mem::take(&mut self.kept);
        for (name, value) in kept.iter() {
            self.kept(name, value);
        }
        let nodes = self.custom.into_iter().flat_map(Branch::nodes);
        for (place, (name, node)) in nodes.enumerate() {
            match node {
                Node::Removed => {}
                Node::Leaf(member) => {
                    let before = (self.out.len(), self.first);
                    self.key(name);
                    let is_there = member.render(self.record, self.out);
                    if !is_there && self.format == LogFormat::Seed {
                        self.out.extend_from_slice(b"null");
                    } else if !is_there {
                        self.out.truncate(before.0);
                        self.first = before.1;
                    }
                }
                Node::Branch(_) if self.entered >> place & 1 == 1 => {}
                Node::Branch(branch) => {
                    self.key(name);
                    let none = Members::default();
                    Object::outermost(self.record, self.format, Some(branch), none, self.out).end();
                }
            }
        }
        self.out.push(b'}');
    }

    /// Begins a member, unless it is a custom field's.
    fn begin(&mut self, name: &str) -> bool {
        let is_custom = self
            .custom
            .is_some_and(|custom| custom.find(name).is_some());
        if !is_custom {
            self.key(name);
        }
        !is_custom
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        push_text(name, self.out);
        self.out.push(b':');
    }
}

pub(super) fn push_number(number: i64, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _written = write!(out, "{number}").is_ok();
}

pub(super) fn push_quoted_number(number: i64, out: &mut Vec<u8>) {
    let _written = write!(out, "\"{number}\"").is_ok();
}

/// Appends JSON as it came, on one line: a line break in it lies between tokens.
pub(super) fn push_json(json: &str, out: &mut Vec<u8>) {
    let on_one_line = json.bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        byte => byte,
    });
    out.extend(on_one_line);
}

/// Appends a JSON string.
pub(super) fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

/// Appends the inside of a JSON string: `"`, `\` and control characters are escaped (RFC 8259 §7).
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(special) {
        let (plain, behind) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, behind)) = behind.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let _written = write!(out, "\\u{control:04x}").is_ok();
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
}
