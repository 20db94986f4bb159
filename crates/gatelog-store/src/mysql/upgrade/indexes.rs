//! Indexes that are missing.

use super::found::{Found, FoundColumn};
use super::wanted::{self, Type, Wanted};
use crate::mysql::column::quoted;

/// Characters of a text that an index looks at, where it cannot look at all: 764 bytes of utf8mb4.
const PREFIX_CHARS: u64 = 191;

/// Bytes of a character of a column that gatelog adds.
const OWN_BYTES_PER_CHAR: u64 = 4;

/// The columns that no index begins with though one should, each with the clause that makes it.
pub(super) fn missing(found: &Found) -> Vec<(&'static str, String)> {
    let wanted = wanted::columns();
    wanted::indexes()
        .filter(|(_, column)| !found.is_led_by(column))
        .filter_map(|(name, column)| {
            let wanted = wanted.iter().find(|wanted| wanted.name == column)?;
            Some((column, clause(found, name, wanted)?))
        })
        .collect()
}

/// The clause that makes an index, unless the column cannot have one.
fn clause(found: &Found, name: &str, wanted: &Wanted) -> Option<String> {
    let wanted_chars = match wanted.kind {
        Type::Chars(chars) => chars,
        _ => 0,
    };
    // A column that is missing, and room that is, is there before the index is made.
    let (column, needs_prefix) = match found.column(wanted.name) {
        None => {
            let bytes = wanted_chars * OWN_BYTES_PER_CHAR;
            (wanted.name, bytes > found.column_key_bytes())
        }
        Some(there) if !can_be_indexed(there) => return None,
        Some(there) if there.data_type == "varchar" => {
            let chars = wanted_chars.max(there.max_chars);
            let bytes = chars.saturating_mul(there.bytes_per_char);
            (there.name.as_str(), bytes > found.column_key_bytes())
        }
        Some(there) => (there.name.as_str(), there.data_type.ends_with("text")),
    };
    let prefix = if needs_prefix {
        format!("({PREFIX_CHARS})")
    } else {
        String::new()
    };
    Some(format!(
        "ADD INDEX {} ({}{prefix})",
        quoted(&free_name(found, name)),
        quoted(column)
    ))
}

fn can_be_indexed(column: &FoundColumn) -> bool {
    column.data_type != "json" && !column.data_type.ends_with("blob")
}

/// The name, or one like it that no index has.
fn free_name(found: &Found, name: &str) -> String {
    let is_taken = |name: &str| {
        found
            .indexes
            .iter()
            .any(|index| index.name.eq_ignore_ascii_case(name))
    };
    let mut free = name.to_owned();
    let mut number = 1u64;
    while is_taken(&free) {
        number += 1;
        free = format!("{name}_{number}");
    }
    free
}
