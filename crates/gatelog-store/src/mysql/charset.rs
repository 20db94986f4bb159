//! The character set of a text column: which characters it has, and how many bytes each takes.
//!
//! **Shape.** Of the Unicode sets both are known. What any other set has is asked of the server
//! ([`Charset::learn`]), which converts all characters up to U+FFFF there and back.
//!
//! **Invariants.** Two sets of one name are equal, whether the server was asked or not.
//!
//! **Limits.** Until the server was asked, a set is taken to have every character. `gb18030`, `ujis`
//! and `eucjpms` are measured by what their characters take at the most.
//!
//! **Source.** MySQL 8.0, "Supported Character Sets and Collations"; MariaDB 10.11 measured.

use std::sync::Arc;

use mysql_async::Conn;

use super::connection::rows;
use super::form::Out;

/// Characters in one question, if the server takes so long a statement.
const MOST_CHARS: usize = 16_384;

/// The greatest character that sets other than the Unicode ones are asked for.
const LAST: u32 = 0xffff;

/// A character set.
#[derive(Clone, Debug)]
pub(super) struct Charset {
    name: String,
    has: Has,
    width: Width,
}

/// Which characters a set has.
#[derive(Clone, Debug)]
enum Has {
    All,
    /// Those up to U+FFFF.
    Basic,
    /// Whatever the server takes.
    NotAsked,
    /// For each character up to U+FFFF, whether it has it.
    These(Arc<[bool]>),
}

/// How many bytes a character takes.
#[derive(Clone, Copy, Debug)]
enum Width {
    Utf8,
    /// Always so many.
    Fixed(usize),
    Utf16,
    /// One in ASCII, so many otherwise.
    AsciiOr(usize),
    Gb18030,
}

impl PartialEq for Charset {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Charset {}

impl Charset {
    /// The set of this name; bytes, which have none, hold any UTF-8.
    pub(super) fn named(name: &str) -> Self {
        let (has, width) = match name {
            "" | "binary" | "utf8mb4" => (Has::All, Width::Utf8),
            "utf8" | "utf8mb3" => (Has::Basic, Width::Utf8),
            "ucs2" => (Has::Basic, Width::Fixed(2)),
            "utf16" | "utf16le" => (Has::All, Width::Utf16),
            "utf32" => (Has::All, Width::Fixed(4)),
            "gb18030" => (Has::All, Width::Gb18030),
            "big5" | "cp932" | "euckr" | "gb2312" | "gbk" | "sjis" => {
                (Has::NotAsked, Width::AsciiOr(2))
            }
            "eucjpms" | "ujis" => (Has::NotAsked, Width::AsciiOr(3)),
            _ => (Has::NotAsked, Width::Fixed(1)),
        };
        Self {
            name: name.to_owned(),
            has,
            width,
        }
    }

    /// Whether the set has the character.
    pub(super) fn has(&self, character: char) -> bool {
        let code = u32::from(character);
        match &self.has {
            Has::All | Has::NotAsked => true,
            Has::Basic => code <= LAST,
            Has::These(these) => usize::try_from(code)
                .ok()
                .and_then(|code| these.get(code).copied())
                .unwrap_or(false),
        }
    }

    /// Whether the set has all characters of a text.
    pub(super) fn has_all(&self, text: &str) -> bool {
        matches!(self.has, Has::All | Has::NotAsked)
            || text.chars().all(|character| self.has(character))
    }

    /// How many bytes the character takes.
    pub(super) fn bytes(&self, character: char) -> usize {
        match self.width {
            Width::Utf8 => character.len_utf8(),
            Width::Utf16 => character.len_utf16() * 2,
            Width::AsciiOr(_) | Width::Gb18030 if character.is_ascii() => 1,
            Width::Fixed(bytes) | Width::AsciiOr(bytes) => bytes,
            // The characters of its predecessor take two.
            Width::Gb18030 if ('\u{4e00}'..='\u{9fa5}').contains(&character) => 2,
            Width::Gb18030 => 4,
        }
    }

    /// How many bytes a text takes at the most, without a look at its characters.
    pub(super) fn most_bytes(&self, text: &str) -> usize {
        let each = match self.width {
            Width::Utf8 => 1,
            Width::Fixed(bytes) => bytes,
            Width::Utf16 | Width::AsciiOr(_) | Width::Gb18030 => 2,
        };
        text.len().saturating_mul(each)
    }

    /// Asks the server which characters the set has, where that is not known.
    ///
    /// What the server has against the question is no error: the set is then taken to have every
    /// character, and rows with others are refused.
    pub(super) async fn learn(
        &mut self,
        conn: &mut Conn,
        max_packet_bytes: usize,
    ) -> mysql_async::Result<()> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !matches!(self.has, Has::NotAsked) || !self.name.bytes().all(is_plain) {
            return Ok(());
        }
        let all: Vec<char> = (0..=LAST).filter_map(char::from_u32).collect();
        // A character and what escapes it take three bytes at the most, the way there and back.
        let chunk = (max_packet_bytes / 8).clamp(1, MOST_CHARS);
        let mut these = vec![false; LAST as usize + 1];
        for asked in all.chunks(chunk) {
            let text: String = asked.iter().collect();
            let mut statement = b"SELECT CONVERT(CONVERT(".to_vec();
            Out::literals(&mut statement).text(&text);
            statement.extend_from_slice(b" USING ");
            statement.extend_from_slice(self.name.as_bytes());
            statement.extend_from_slice(b") USING utf8mb4)");
            let statement = String::from_utf8_lossy(&statement);
            let answer: Vec<(Option<String>,)> = match rows(conn, &statement, ()).await {
                Err(mysql_async::Error::Server(error)) => {
                    tracing::debug!(charset = self.name, code = error.code, "cannot be asked");
                    return Ok(());
                }
                answer => answer?,
            };
            let answer = answer.into_iter().next().and_then(|(text,)| text);
            let answer: Vec<char> = answer.unwrap_or_default().chars().collect();
            if answer.len() != asked.len() {
                tracing::debug!(charset = self.name, "the answer is of another length");
                return Ok(());
            }
            for (asked, answered) in asked.iter().zip(answer) {
                let place = usize::try_from(u32::from(*asked)).ok();
                if let Some(has) = place.and_then(|place| these.get_mut(place)) {
                    *has = answered != '?' || *asked == '?';
                }
            }
        }
        self.has = Has::These(these.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_take_what_their_set_gives_them() {
        for (name, expected) in [
            ("utf8mb4", [1, 2, 3, 4]),
            ("utf16", [2, 2, 2, 4]),
            ("utf32", [4, 4, 4, 4]),
            ("ucs2", [2, 2, 2, 2]),
            ("latin1", [1, 1, 1, 1]),
            ("gbk", [1, 2, 2, 2]),
            ("gb18030", [1, 4, 2, 4]),
        ] {
            let charset = Charset::named(name);
            let bytes = ['a', 'é', '日', '😀'].map(|character| charset.bytes(character));
            assert_eq!(bytes, expected, "{name}");
            for text in ["a", "é", "日", "😀", "ß"] {
                let bytes: usize = text.chars().map(|it| charset.bytes(it)).sum();
                assert!(bytes <= charset.most_bytes(text), "{name} {text}");
            }
        }
    }
}
