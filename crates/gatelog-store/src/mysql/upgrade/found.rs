//! The table as the server describes it.
//!
//! **Shape.** `information_schema` tells what can be reckoned with; the definition of a column, to be
//! written back with another type, is taken from `SHOW CREATE TABLE`, as only that has all of it.
//!
//! **Source.** Both of MySQL 8.0 and MariaDB 10.11, which print columns alike: one on a line, two
//! spaces, the name in backticks, the definition with its type first.

/// Bytes of a key in the newer row formats of `InnoDB`, of one column and of all together.
pub(super) const KEY_BYTES: u64 = 3072;

/// Bytes of one column in a key in its older row formats.
const OLD_KEY_BYTES: u64 = 767;

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) row_format: String,
    pub(super) collation: String,
    pub(super) columns: Vec<FoundColumn>,
    pub(super) indexes: Vec<Index>,
}

/// A column of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundColumn {
    /// As the server spells it.
    pub(super) name: String,
    /// `varchar`.
    pub(super) data_type: String,
    /// `varchar(64)`.
    pub(super) column_type: String,
    /// Of texts; bytes for the `TEXT` types.
    pub(super) max_chars: u64,
    pub(super) bytes_per_char: u64,
    /// Of a second's fraction.
    pub(super) digits: u64,
    pub(super) charset: Option<String>,
    /// Another one than NULL.
    pub(super) has_default: bool,
    pub(super) is_generated: bool,
    /// From the type to the end of the line, if the server's text is understood.
    pub(super) definition: Option<String>,
}

/// An index of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: String,
    /// Whether it can find the rows of a range, as the usual ones do.
    pub(super) is_tree: bool,
    pub(super) parts: Vec<Part>,
}

/// What an index looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// None: an expression.
    pub(super) column: Option<String>,
    /// None: all of it.
    pub(super) prefix_chars: Option<u64>,
}

impl Found {
    pub(super) fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn is_innodb(&self) -> bool {
        self.engine.eq_ignore_ascii_case("InnoDB")
    }

    /// The indexes that look at all of a column.
    pub(super) fn whole_in(&self, name: &str) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(move |index| {
            index
                .parts
                .iter()
                .any(|part| part.is(name) && part.prefix_chars.is_none())
        })
    }

    /// Whether rows can be found by this column.
    pub(super) fn is_led_by(&self, name: &str) -> bool {
        self.indexes.iter().any(|index| {
            let first = index.parts.first();
            index.is_tree && first.is_some_and(|part| part.is(name))
        })
    }

    /// Bytes that a column may have in a key.
    pub(super) fn column_key_bytes(&self) -> u64 {
        let has_new_format = ["dynamic", "compressed"]
            .iter()
            .any(|format| self.row_format.eq_ignore_ascii_case(format));
        if has_new_format {
            KEY_BYTES
        } else {
            OLD_KEY_BYTES
        }
    }

    /// Bytes that a column has in a key at most.
    pub(super) fn key_bytes(&self, name: &str, prefix_chars: Option<u64>) -> u64 {
        let Some(column) = self.column(name) else {
            return 0;
        };
        match (prefix_chars, column.data_type.as_str()) {
            (Some(chars), _) => chars.saturating_mul(column.bytes_per_char),
            (None, "varchar" | "char") => column.max_chars.saturating_mul(column.bytes_per_char),
            // A number or a moment.
            (None, _) => 8,
        }
    }
}

impl Part {
    fn is(&self, name: &str) -> bool {
        let column = self.column.as_deref();
        column.is_some_and(|column| column.eq_ignore_ascii_case(name))
    }
}

/// The width of an integer type.
pub(super) fn integer_bits(data_type: &str) -> Option<u32> {
    match data_type {
        "tinyint" => Some(8),
        "smallint" => Some(16),
        "mediumint" => Some(24),
        "int" => Some(32),
        "bigint" => Some(64),
        _ => None,
    }
}

/// Name and definition of each column in the text of `SHOW CREATE TABLE`.
pub(super) fn definitions(create: &str) -> impl Iterator<Item = (String, &str)> {
    create.lines().filter_map(|line| {
        let (name, rest) = name(line.strip_prefix("  `")?)?;
        let definition = rest.strip_prefix(' ')?;
        Some((name, definition.strip_suffix(',').unwrap_or(definition)))
    })
}

/// The name up to its closing backtick, two of which are one; and the rest.
fn name(quoted: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, behind) = rest.split_once('`')?;
        name.push_str(part);
        match behind.strip_prefix('`') {
            Some(behind) => {
                name.push('`');
                rest = behind;
            }
            None => return Some((name, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn definitions_are_read_as_the_server_prints_them() {
        let create = "CREATE TABLE `access_logs` (\n  \
            `id` bigint(20) NOT NULL AUTO_INCREMENT,\n  \
            `a``b` varchar(8) DEFAULT 'x,' COMMENT 'it''s `,',\n  \
            `c` int CHECK (`c` > 0)\n  \
            PRIMARY KEY (`id`),\n  \
            KEY `idx_c` (`c`)\n) ENGINE=InnoDB";
        let found: Vec<_> = definitions(create).collect();
        assert_eq!(
            found,
            [
                ("id".to_owned(), "bigint(20) NOT NULL AUTO_INCREMENT"),
                (
                    "a`b".to_owned(),
                    "varchar(8) DEFAULT 'x,' COMMENT 'it''s `,'"
                ),
                ("c".to_owned(), "int CHECK (`c` > 0)"),
            ]
        );
    }

    proptest! {
        #[test]
        fn a_name_reads_back(expected in ".*", rest in " .*") {
            let text = format!("{}`{rest}", expected.replace('`', "``"));
            prop_assert_eq!(name(&text), Some((expected, rest.as_str())));
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _found = definitions(&text).count();
        }
    }
}
