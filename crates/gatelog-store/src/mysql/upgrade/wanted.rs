//! The table as gatelog makes it, read from the statement that makes it: one place says what is
//! wanted.

use gatelog_record::Field;

/// As `table` uses it.
const CREATE: &str = include_str!("../access_logs.sql");

/// A column that a record has a field for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: &'static str,
    /// As it stands in the statement.
    pub(super) sql_type: &'static str,
    pub(super) kind: Type,
    /// With its quotes.
    pub(super) comment: Option<&'static str>,
}

/// What has to go into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A moment.
    Time,
    /// A text of up to so many characters.
    Chars(u64),
    /// A text of up to 64 KiB.
    Text,
    /// Signed, of so many bits.
    Integer(u32),
    /// What has no width.
    Other,
}

/// The columns that records have fields for.
pub(super) fn columns() -> Vec<Wanted> {
    lines().filter_map(column).collect()
}

/// Name and column of each index.
pub(super) fn indexes() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines().filter_map(|line| {
        let (name, column) = line.strip_prefix("INDEX ")?.split_once(" (")?;
        Some((name, column.strip_suffix(')')?))
    })
}

fn lines() -> impl Iterator<Item = &'static str> {
    CREATE.lines().map(|line| line.trim().trim_end_matches(','))
}

fn column(line: &'static str) -> Option<Wanted> {
    let mut words = line.split(' ');
    let (name, sql_type) = (words.next()?, words.next()?);
    if !Field::ALL.iter().any(|field| field.name() == name) {
        return None;
    }
    let chars = sql_type
        .strip_prefix("VARCHAR(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|chars| chars.parse().ok());
    let kind = match (sql_type, chars) {
        (_, Some(chars)) => Type::Chars(chars),
        ("TEXT", _) => Type::Text,
        ("INT", _) => Type::Integer(32),
        ("BIGINT", _) => Type::Integer(64),
        ("DATETIME(3)", _) => Type::Time,
        _ => Type::Other,
    };
    let comment = line.split_once(" COMMENT ").map(|(_, comment)| comment);
    Some(Wanted {
        name,
        sql_type,
        kind,
        comment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_and_index_of_the_statement_is_read() {
        let columns = columns();
        let names: Vec<_> = columns.iter().map(|column| column.name).collect();
        let mut expected: Vec<_> = Field::columns().iter().map(|field| field.name()).collect();
        expected.push("sample_weight");
        assert_eq!(names, expected);
        let kinds = |kind: Type| columns.iter().filter(|column| column.kind == kind).count();
        assert_eq!(
            [
                kinds(Type::Time),
                kinds(Type::Text),
                kinds(Type::Integer(32)),
                kinds(Type::Integer(64)),
                kinds(Type::Other)
            ],
            [1, 5, 1, 6, 2]
        );
        assert!(columns.iter().all(|column| column.comment.is_some()));
        assert_eq!(indexes().count(), 10);
        assert!(indexes().all(|(name, column)| name == format!("idx_{column}")));
    }
}
