//! What of a log object no field holds, gathered.

use gatelog_record::json::write_text;

use crate::kong::Json;

/// The beginning of an object that is written.
#[derive(Debug)]
pub(super) struct Rest<'o> {
    out: &'o mut String,
    is_empty: bool,
    /// Members of this object that are not kept when they are `null`.
    seed: &'static [&'static str],
}

impl<'o> Rest<'o> {
    /// Writes an object with what `members` keeps.
    pub(super) fn write(
        seed: &'static [&'static str],
        out: &'o mut String,
        members: impl FnOnce(&mut Rest<'_>),
    ) -> bool {
        out.push('{');
        let mut rest = Rest {
            out,
            is_empty: true,
            seed,
        };
        members(&mut rest);
        let is_empty = rest.is_empty;
        out.push('}');
        is_empty
    }

    /// Keeps a member as it stands.
    pub(super) fn keep(&mut self, name: &str, value: Json<'_>) {
        if !(value.is_null() && self.seed.contains(&name)) {
            self.key(name);
            self.out.push_str(value.raw());
        }
    }

    /// Keeps a text.
    pub(super) fn keep_text(&mut self, name: &str, text: &str) {
        self.key(name);
        write_text(text, self.out);
    }

    /// Keeps JSON of ours.
    pub(super) fn keep_written(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        self.key(name);
        write(self.out);
    }

    /// Keeps an object of what `members` keeps, if that is anything; says whether it is.
    pub(super) fn object(
        &mut self,
        name: &str,
        seed: &'static [&'static str],
        members: impl FnOnce(&mut Rest<'_>),
    ) -> bool {
        let before = (self.out.len(), self.is_empty);
        self.key(name);
        let is_empty = Rest::write(seed, self.out, members);
        if is_empty {
            self.out.truncate(before.0);
            self.is_empty = before.1;
        }
        !is_empty
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(',');
        }
        write_text(name, self.out);
        self.out.push(':');
    }
}
