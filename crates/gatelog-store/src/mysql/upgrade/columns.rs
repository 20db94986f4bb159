//! Columns: those that are missing, and those that hold less than they should.

use super::Parts;
use super::found::{self, Found, FoundColumn, KEY_BYTES};
use super::wanted::{self, Type, Wanted};
use crate::mysql::column::quoted;

/// Bytes of a `VARCHAR` up to which its length takes one byte in a row.
const SHORT_BYTES: u64 = 255;

/// What comes of comparing the columns.
pub(super) struct Columns<'a> {
    found: &'a Found,
    /// Those that are missing.
    pub(super) added: Parts,
    /// Those whose description alone has to change.
    pub(super) widened: Parts,
    /// Those whose rows have to be written anew.
    pub(super) copied: Parts,
    pub(super) remarks: Vec<String>,
}

impl<'a> Columns<'a> {
    pub(super) fn compared(found: &'a Found) -> Self {
        let mut columns = Self {
            found,
            added: Parts::default(),
            widened: Parts::default(),
            copied: Parts::default(),
            remarks: Vec::new(),
        };
        for wanted in &wanted::columns() {
            match found.column(wanted.name) {
                None => columns.add(wanted),
                Some(there) => columns.compare(wanted, there),
            }
        }
        columns.remark_on_the_whole();
        columns
    }

    fn add(&mut self, wanted: &Wanted) {
        let name = wanted.name;
        let charset = match wanted.kind {
            // The rest of the table may be in another one.
            Type::Chars(_) | Type::Text if !self.found.collation.starts_with("utf8mb4") => {
                " CHARACTER SET utf8mb4"
            }
            _ => "",
        };
        let comment = wanted
            .comment
            .map(|comment| format!(" COMMENT {comment}"))
            .unwrap_or_default();
        let clause = format!(
            "ADD COLUMN {} {}{charset} NULL{comment}",
            quoted(name),
            wanted.sql_type
        );
        self.added.push(clause, name.to_owned());
    }

    fn compare(&mut self, wanted: &Wanted, there: &FoundColumn) {
        if there.is_generated {
            return;
        }
        match (&wanted.kind, there.data_type.as_str()) {
            (Type::Time, "datetime" | "timestamp") if there.digits < 3 => self.sharpen(there),
            (Type::Time, "bigint" | "int") => self.remarks.push(format!(
                "{} counts seconds since 1970 and goes on doing so: its readers depend on it",
                there.name
            )),
            (&Type::Chars(wanted_chars), "varchar") if there.max_chars < wanted_chars => {
                self.lengthen(there, wanted_chars);
            }
            (Type::Text, "varchar" | "tinytext") => self.make_text(there),
            (&Type::Integer(wanted_bits), data_type)
                if found::integer_bits(data_type).is_some_and(|bits| bits < wanted_bits) =>
            {
                let reason = format!("{} is {}", there.name, there.column_type);
                self.copy(there, wanted.sql_type, reason);
            }
            _ => {}
        }
    }

    /// Milliseconds for the start time.
    fn sharpen(&mut self, there: &FoundColumn) {
        let name = &there.name;
        let definition = there.definition.as_deref().unwrap_or_default();
        if definition
            .to_ascii_lowercase()
            .contains("current_timestamp")
        {
            self.remarks.push(format!(
                "{name} has no milliseconds; as its default is the current time it stays so"
            ));
            return;
        }
        let sql_type = format!("{}(3)", there.data_type);
        self.copy(there, &sql_type, format!("{name} has no milliseconds"));
    }

    fn lengthen(&mut self, there: &FoundColumn, wanted_chars: u64) {
        let (name, chars) = (&there.name, there.max_chars);
        let is_too_long = self
            .found
            .whole_in(name)
            .any(|index| !self.fits(index, there, wanted_chars));
        if is_too_long {
            self.remarks.push(format!(
                "{name} holds {chars} characters; with {wanted_chars} an index would have no room for it"
            ));
            return;
        }
        let sql_type = format!("varchar({wanted_chars})");
        let reason = format!("{name} holds {chars} characters, not {wanted_chars}");
        let bytes = |chars: u64| chars.saturating_mul(there.bytes_per_char);
        if bytes(chars) <= SHORT_BYTES && bytes(wanted_chars) > SHORT_BYTES {
            self.copy(there, &sql_type, reason);
        } else if let Some(clause) = self.retyped(there, &sql_type) {
            self.widened.push(clause, reason);
        }
    }

    fn make_text(&mut self, there: &FoundColumn) {
        let (name, chars) = (&there.name, there.max_chars);
        let why = if self.found.whole_in(name).next().is_some() {
            "as an index looks at all of it"
        } else if there.has_default {
            "as it has a default"
        } else {
            let reason = format!("{name} holds {chars} characters, not 64 KiB");
            self.copy(there, "text", reason);
            return;
        };
        self.remarks.push(format!(
            "{name} holds {chars} characters and cannot be TEXT {why}"
        ));
    }

    fn copy(&mut self, there: &FoundColumn, sql_type: &str, reason: String) {
        if let Some(clause) = self.retyped(there, sql_type) {
            self.copied.push(clause, reason);
        }
    }

    /// The column as it is defined, with another type.
    fn retyped(&mut self, there: &FoundColumn, sql_type: &str) -> Option<String> {
        let behind = there
            .definition
            .as_deref()
            .and_then(|definition| definition.strip_prefix(there.column_type.as_str()));
        let Some(behind) = behind else {
            self.remarks.push(format!(
                "{} stays {}: its definition is not understood",
                there.name, there.column_type
            ));
            return None;
        };
        Some(format!(
            "MODIFY COLUMN {} {sql_type}{behind}",
            quoted(&there.name)
        ))
    }

    /// Whether the index still has room when the column has so many characters.
    fn fits(&self, index: &found::Index, there: &FoundColumn, chars: u64) -> bool {
        let mut sum = 0u64;
        for part in &index.parts {
            let bytes = match (&part.column, part.prefix_chars) {
                (Some(name), None) if name.eq_ignore_ascii_case(&there.name) => {
                    chars.saturating_mul(there.bytes_per_char)
                }
                (Some(name), prefix) => self.found.key_bytes(name, prefix),
                (None, _) => 0,
            };
            if bytes > self.found.column_key_bytes() {
                return false;
            }
            sum = sum.saturating_add(bytes);
        }
        sum <= KEY_BYTES
    }

    fn remark_on_the_whole(&mut self) {
        let Found { name, engine, .. } = self.found;
        if !self.found.is_innodb() {
            self.remarks.push(format!(
                "{name} is in the engine {engine}: after a crash records may be stored twice; \
                 ENGINE=InnoDB would change that"
            ));
        }
        let narrow: Vec<&str> = self
            .found
            .columns
            .iter()
            .filter(|column| {
                let charset = column.charset.as_deref();
                let is_wanted = wanted::columns()
                    .iter()
                    .any(|wanted| wanted.name.eq_ignore_ascii_case(&column.name));
                is_wanted && charset.is_some_and(|charset| !charset.starts_with("utf8mb4"))
            })
            .map(|column| column.name.as_str())
            .collect();
        if !narrow.is_empty() {
            self.remarks.push(format!(
                "not every character can be stored in {}; CHARACTER SET utf8mb4 would change that",
                narrow.join(", ")
            ));
        }
    }
}
