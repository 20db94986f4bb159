//! A column as the server describes it, and what it can hold.
//!
//! **Source.** `information_schema.columns` of MySQL 8 and MariaDB 10.11, which differ: MariaDB's
//! JSON is `longtext`; a `TEXT`'s `character_maximum_length` is its bytes in both.

use gatelog_record::{Field, Kind};

use super::charset::Charset;

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// As the server spells it.
    pub(super) name: String,
    /// The record's field of that name, if there is one and the column can hold it.
    pub(super) field: Option<Field>,
    pub(super) class: Class,
    pub(super) nullable: bool,
    pub(super) demand: Demand,
    /// The expression that it is computed by, if it is.
    pub(super) computed: Option<String>,
}

/// What a column wants of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// No value: the server computes it.
    Nothing,
    /// A value or none.
    Optional,
    /// A value.
    Value,
    /// A value that no other row has.
    UniqueValue,
}

/// What a column can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Text, up to so many characters and so many bytes.
    Text {
        max_chars: usize,
        max_bytes: usize,
        charset: Charset,
    },
    /// MySQL's own JSON type.
    Json,
    /// Whole numbers between these two.
    Integer { min: i64, max: i64 },
    /// Any other number.
    Float,
    /// `DATETIME` with so many digits of the second's fraction.
    DateTime { digits: usize },
    /// `TIMESTAMP` with so many digits.
    Timestamp { digits: usize },
    /// What no field of a record goes into.
    Other,
}

impl Class {
    /// Moments are compared and ordered in the database, so a text is not enough for the start time.
    fn can_hold(&self, field: Field) -> bool {
        match self {
            Self::Integer { .. } => true,
            Self::DateTime { .. } | Self::Timestamp { .. } => field.kind() == Kind::Time,
            Self::Text { .. } | Self::Json | Self::Float => field != Field::StartTime,
            Self::Other => false,
        }
    }
}

impl Column {
    /// Whether the server may look into what the column gets. MariaDB's JSON is a text with a check,
    /// so the field tells.
    pub(super) fn takes_json(&self) -> bool {
        let kind = self.field.map(Field::kind);
        self.class == Class::Json || matches!(kind, Some(Kind::Json | Kind::Headers))
    }
}

/// One row of `information_schema.columns`, in the order of [`DESCRIPTION`].
pub(super) type Description = (
    String,
    String,
    String,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// What is asked for [`Column::new`].
pub(super) const DESCRIPTION: &str = "column_name, data_type, column_type, \
    character_maximum_length, character_octet_length, datetime_precision, is_nullable, \
    column_default, extra, character_set_name, generation_expression, column_key";

impl Column {
    pub(super) fn new(description: Description) -> Self {
        let (
            name,
            data_type,
            column_type,
            max_chars,
            max_bytes,
            digits,
            nullable,
            default,
            extra,
            charset,
            generated,
            key,
        ) = description;
        let size = |size: Option<u64>| {
            size.and_then(|size| usize::try_from(size).ok())
                .unwrap_or(usize::MAX)
        };
        let digits = digits
            .and_then(|digits| usize::try_from(digits).ok())
            .unwrap_or(0);
        let unsigned = column_type.to_ascii_lowercase().contains("unsigned");
        let class = match data_type.to_ascii_lowercase().as_str() {
            "char" | "varchar" => Class::Text {
                max_chars: size(max_chars),
                // The characters are the limit, whatever they take.
                max_bytes: usize::MAX,
                charset: Charset::named(charset.as_deref().unwrap_or_default()),
            },
            "tinytext" | "text" | "mediumtext" | "longtext" => Class::Text {
                max_chars: usize::MAX,
                max_bytes: size(max_bytes),
                charset: Charset::named(charset.as_deref().unwrap_or_default()),
            },
            "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Class::Text {
                max_chars: usize::MAX,
                max_bytes: size(max_bytes),
                charset: Charset::named(""),
            },
            "json" => Class::Json,
            "tinyint" => integer(8, unsigned),
            "smallint" => integer(16, unsigned),
            "mediumint" => integer(24, unsigned),
            "int" => integer(32, unsigned),
            "bigint" => integer(64, unsigned),
            "decimal" | "float" | "double" => Class::Float,
            "datetime" => Class::DateTime { digits },
            "timestamp" => Class::Timestamp { digits },
            _ => Class::Other,
        };
        let nullable = nullable == "YES";
        let numbered =
            extra.is_some_and(|extra| extra.to_ascii_lowercase().contains("auto_increment"));
        let computed = generated.filter(|expression| !expression.is_empty());
        let demand = if computed.is_some() {
            Demand::Nothing
        } else if nullable || default.is_some() || numbered {
            Demand::Optional
        } else if matches!(key.as_deref(), Some("PRI" | "UNI")) {
            Demand::UniqueValue
        } else {
            Demand::Value
        };
        Self {
            field: Field::ALL
                .iter()
                .copied()
                .find(|field| field.name().eq_ignore_ascii_case(&name))
                .filter(|field| class.can_hold(*field)),
            name,
            class,
            nullable,
            demand,
            computed,
        }
    }

    /// The name as it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }
}

/// A name as it stands in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// No field of a record is greater than `i64::MAX`, so neither is the limit of an unsigned 64-bit
/// column.
const fn integer(bits: u32, unsigned: bool) -> Class {
    let greatest = i64::MAX >> (64 - bits);
    match (unsigned, bits) {
        (true, 64) => Class::Integer {
            min: 0,
            max: i64::MAX,
        },
        (true, _) => Class::Integer {
            min: 0,
            max: greatest * 2 + 1,
        },
        (false, _) => Class::Integer {
            min: -greatest - 1,
            max: greatest,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_ranges_of_their_types() {
        assert_eq!(
            integer(8, false),
            Class::Integer {
                min: -128,
                max: 127
            }
        );
        assert_eq!(integer(8, true), Class::Integer { min: 0, max: 255 });
        assert_eq!(
            integer(24, false),
            Class::Integer {
                min: -8_388_608,
                max: 8_388_607
            }
        );
        assert_eq!(
            integer(32, false),
            Class::Integer {
                min: i32::MIN.into(),
                max: i32::MAX.into()
            }
        );
        assert_eq!(
            integer(32, true),
            Class::Integer {
                min: 0,
                max: u32::MAX.into()
            }
        );
        assert_eq!(
            integer(64, false),
            Class::Integer {
                min: i64::MIN,
                max: i64::MAX
            }
        );
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
