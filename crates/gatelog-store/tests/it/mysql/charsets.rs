//! Columns of other character sets than utf8mb4.

use gatelog_record::AccessRecord;
use gatelog_store::Store;

use super::{JOURNAL, START, all, runtime, server, store};
use crate::letters::Taking as _;

/// Makes a table in which `path` is of this type, and stores a record with each of these.
fn stored(
    database: &str,
    path: &str,
    texts: &[&str],
) -> (Vec<Option<String>>, Vec<(&'static str, u64)>) {
    let dsn = server().database(database).unwrap();
    server()
        .sql(&format!(
            "CREATE TABLE {database}.access_logs
               (id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME, path {path})"
        ))
        .unwrap();
    let store = store(&dsn);
    let records: Vec<_> = texts
        .iter()
        .map(|text| AccessRecord {
            start_time: Some(START),
            path: Some((*text).to_owned().into()),
            ..AccessRecord::default()
        })
        .collect();
    runtime().block_on(async {
        store.open(JOURNAL).await.unwrap();
        assert_eq!(store.take(&records, 1).await.unwrap(), [], "{path}");
    });
    let mut found: Vec<_> = all(&store);
    found.sort_by_key(|record| record.record_id);
    let found = found
        .into_iter()
        .map(|record| record.path.map(String::from))
        .collect();
    (found, store.truncated())
}

#[test]
fn characters_that_a_column_lacks_become_question_marks() {
    const TEXT: &str = "a?[好é€яｱ😀";
    for (charset, expected) in [
        ("latin1", "a?[?é€???"),
        ("gbk", "a?[好é?я??"),
        ("big5", "a?[好??я??"),
        ("sjis", "a?[好??яｱ?"),
        ("cp1251", "a?[??€я??"),
        ("ascii", "a?[??????"),
        ("swe7", "a???é????"),
        ("utf8mb3", "a?[好é€яｱ?"),
        ("ucs2", "a?[好é€яｱ?"),
        ("utf16", TEXT),
        ("utf32", TEXT),
    ] {
        let (found, truncated) = stored(
            &format!("charset_{charset}"),
            &format!("VARCHAR(99) CHARACTER SET {charset}"),
            &["plain", TEXT],
        );
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(found, [of("plain"), of(expected)], "{charset}");
        let counted = u64::from(expected != TEXT);
        assert_eq!(truncated.first().map_or(0, |(_, count)| *count), counted);
    }
}

/// Every character that the server has is either stored or `?`: none costs the row.
#[test]
fn no_character_costs_a_row() {
    let characters: String = ('\0'..=char::MAX)
        .filter(|character| {
            u32::from(*character) <= 0xffff || (*character as u32).is_multiple_of(977)
        })
        .collect();
    let mut charsets = server()
        .sql("SELECT character_set_name FROM information_schema.character_sets")
        .unwrap();
    charsets.retain(|row| row[0].as_deref() != Some("filename"));
    assert!(charsets.len() > 30);
    for row in charsets {
        let charset = row[0].as_deref().unwrap();
        let (found, _) = stored(
            &format!("all_{charset}"),
            &format!("LONGTEXT CHARACTER SET {charset}"),
            &[&characters],
        );
        let found = found[0].as_deref().unwrap();
        assert_eq!(
            found.chars().count(),
            characters.chars().count(),
            "{charset}"
        );
    }
}

#[test]
fn texts_are_cut_by_the_bytes_of_their_character_set() {
    for (charset, text, sent, stored_chars) in [
        ("utf8mb4", "日", 86, 85),
        ("utf16", "a", 128, 127),
        ("utf16", "日", 128, 127),
        ("utf16", "😀", 64, 63),
        ("utf32", "a", 64, 63),
        ("ucs2", "a", 128, 127),
        ("gbk", "好", 128, 127),
        ("latin1", "é", 256, 255),
        ("cp1251", "я", 256, 255),
    ] {
        let character = u32::from(text.chars().next().unwrap());
        let (found, truncated) = stored(
            &format!("bytes_{charset}_{character:x}"),
            &format!("TINYTEXT CHARACTER SET {charset}"),
            &[&text.repeat(sent), &text.repeat(stored_chars)],
        );
        let expected = Some(text.repeat(stored_chars));
        assert_eq!(found, [expected.clone(), expected], "{charset}");
        assert_eq!(truncated, [("path", 1)], "{charset}");
    }
}
