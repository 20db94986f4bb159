//! A body as text, also where bytes of it are not UTF-8.
//!
//! **Shape.** JSON can be told apart without its texts, so each byte that is not UTF-8 is written over
//! by one that means nothing to JSON, where it stands, and a bit beside the text marks it. Whoever
//! reads an item with marks in it [mends](Text::mend) that item alone: there each of these bytes
//! becomes U+FFFD, which has three bytes.
//!
//! **Limits.** A body of UTF-8 is not copied. Another one is changed in place if it is ours to change,
//! and copied otherwise; the marks take an eighth of it. What is mended is as long as the caller lets
//! it be.
//!
//! **Failure.** Memory that the system refuses is an error, and not the end of the process.

use std::borrow::Cow;
use std::collections::TryReserveError;
use std::ops::Range;

/// Stands for a byte that is not UTF-8 until the item is mended.
const STAND_IN: u8 = b'?';

/// Bytes of U+FFFD.
const REPLACEMENT_BYTES: usize = char::REPLACEMENT_CHARACTER.len_utf8();

/// A body as text.
#[derive(Debug)]
pub struct Text<'b> {
    content: Cow<'b, str>,
    /// Where the body begins, behind a byte order mark.
    begin: usize,
    marks: Marks,
}

/// A bit for each byte of a text that was not UTF-8; none when it was.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks(Vec<u8>);

impl<'b> Text<'b> {
    /// The body as text, without a byte order mark.
    ///
    /// # Errors
    /// When there is no memory for a copy or the marks.
    pub fn new(body: Cow<'b, [u8]>) -> Result<Self, TryReserveError> {
        let begin = if body.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let (content, marks) = match body {
            Cow::Borrowed(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    (Cow::Borrowed(text), Marks::default())
                } else {
                    let mut copy = Vec::new();
                    copy.try_reserve_exact(bytes.len())?;
                    copy.extend_from_slice(bytes);
                    mark(copy)?
                }
            }
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => (Cow::Owned(text), Marks::default()),
                Err(error) => mark(error.into_bytes())?,
            },
        };
        Ok(Self {
            content,
            begin,
            marks,
        })
    }

    /// The text, with a `?` for each byte that was not UTF-8.
    pub fn as_str(&self) -> &str {
        self.content.get(self.begin..).unwrap_or_default()
    }

    /// Whether some byte was not UTF-8.
    pub fn is_marked(&self) -> bool {
        !self.marks.0.is_empty()
    }

    /// How many bytes were not UTF-8 in this part of [`as_str`](Self::as_str).
    pub fn marked_in(&self, part: Range<usize>) -> usize {
        self.marks.count(self.in_all(part))
    }

    /// How long this part is when it is mended, with so many marks in it.
    pub fn mended_bytes(part: &Range<usize>, marked: usize) -> usize {
        part.len() + marked * (REPLACEMENT_BYTES - 1)
    }

    /// This part of [`as_str`](Self::as_str), with U+FFFD for each byte that was not UTF-8.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn mend(&self, part: Range<usize>) -> Result<String, TryReserveError> {
        let mut mended = String::new();
        let marked = self.marked_in(part.clone());
        mended.try_reserve_exact(Self::mended_bytes(&part, marked))?;
        let part = self.in_all(part);
        let mut whole = part.start;
        for at in part.clone() {
            if self.marks.has(at) {
                mended.push_str(self.content.get(whole..at).unwrap_or_default());
                mended.push(char::REPLACEMENT_CHARACTER);
                whole = at + 1;
            }
        }
        mended.push_str(self.content.get(whole..part.end).unwrap_or_default());
        Ok(mended)
    }

    /// The same part, in all of the text.
    fn in_all(&self, part: Range<usize>) -> Range<usize> {
        part.start + self.begin..part.end + self.begin
    }
}

impl Marks {
    /// No marks in a text of so many bytes.
    fn none_of(bytes: usize) -> Result<Self, TryReserveError> {
        let mut marks = Vec::new();
        marks.try_reserve_exact(bytes.div_ceil(8))?;
        marks.resize(bytes.div_ceil(8), 0);
        Ok(Self(marks))
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 8)
            .is_some_and(|bits| bits & 1 << (at % 8) != 0)
    }

    fn set(&mut self, run: Range<usize>) {
        for (index, mask) in masks(run) {
            if let Some(bits) = self.0.get_mut(index) {
                *bits |= mask;
            }
        }
    }

    fn count(&self, run: Range<usize>) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let bits = masks(run).filter_map(|(index, mask)| Some(self.0.get(index)? & mask));
        bits.map(|bits| bits.count_ones() as usize).sum()
    }
}

/// The places of these bits, eight at a time.
fn masks(run: Range<usize>) -> impl Iterator<Item = (usize, u8)> {
    let bytes = run.start / 8..run.end.div_ceil(8);
    bytes.map(move |index| {
        let first = run.start.saturating_sub(index * 8).min(8);
        let end = run.end.saturating_sub(index * 8).min(8);
        let below = |bit: usize| u8::try_from((1u16 << bit) - 1).unwrap_or(u8::MAX);
        (index, below(end) & !below(first))
    })
}

/// Marks what is not UTF-8 in these bytes and writes over it.
fn mark(mut bytes: Vec<u8>) -> Result<(Cow<'static, str>, Marks), TryReserveError> {
    let mut marks = Marks::none_of(bytes.len())?;
    let (mut at, mut bad) = (0, 0..0);
    for chunk in bytes.utf8_chunks() {
        let invalid = at + chunk.valid().len()..at + chunk.valid().len() + chunk.invalid().len();
        at = invalid.end;
        if bad.end == invalid.start {
            // Bad bytes mostly stand together.
            bad.end = invalid.end;
        } else {
            marks.set(std::mem::replace(&mut bad, invalid));
        }
    }
    marks.set(bad);
    for (eight, bits) in bytes.chunks_mut(8).zip(&marks.0) {
        if *bits == u8::MAX {
            eight.fill(STAND_IN);
        } else if *bits > 0 {
            for (bit, byte) in eight.iter_mut().enumerate() {
                if bits & 1 << bit != 0 {
                    *byte = STAND_IN;
                }
            }
        }
    }
    // Nothing is left that is not UTF-8.
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok((Cow::Owned(text), marks))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> Text<'_> {
        let borrowed = Text::new(Cow::Borrowed(bytes)).unwrap();
        let owned = Text::new(Cow::Owned(bytes.to_vec())).unwrap();
        assert_eq!(borrowed.as_str(), owned.as_str());
        assert_eq!(borrowed.marks, owned.marks);
        borrowed
    }

    #[test]
    fn utf_8_is_borrowed_and_a_byte_order_mark_left_out() {
        let plain = text("{\"a\":\"é\"}".as_bytes());
        assert!(matches!(plain.content, Cow::Borrowed(_)) && !plain.is_marked());
        let marked = text(b"\xef\xbb\xbf{\xff}\xff");
        assert_eq!(marked.as_str(), "{?}?");
        assert_eq!(marked.marked_in(0..3), 1);
        assert_eq!(marked.mend(0..3).unwrap(), "{\u{fffd}}");
        assert_eq!(marked.mend(2..4).unwrap(), "}\u{fffd}");
    }

    #[test]
    fn what_is_a_question_mark_stays_one() {
        let body = text(b"?\xe2\x82?\xed\xa0\x80?\xf0\x9f\x98\x80\xf0\x9f\x98");
        assert_eq!(body.as_str(), "?????\u{3f}??\u{1f600}???");
        let bad = "\u{fffd}";
        assert_eq!(
            body.mend(0..body.as_str().len()).unwrap(),
            format!("?{bad}{bad}?{bad}{bad}{bad}?\u{1f600}{bad}{bad}{bad}")
        );
    }

    proptest! {
        #[test]
        fn marks_are_where_bytes_are_not_utf_8(
            parts in prop::collection::vec(prop_oneof![
                "[a?é€😀]{0,3}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..4),
            ], 0..12),
        ) {
            let bytes = parts.concat();
            let body = text(&bytes);
            prop_assert_eq!(body.is_marked(), std::str::from_utf8(&bytes).is_err());
            let all = 0..body.as_str().len();
            let mended = body.mend(all.clone()).unwrap();
            prop_assert_eq!(mended.len(), Text::mended_bytes(&all, body.marked_in(all.clone())));
            // The standard library replaces up to three bad bytes by one character.
            let squeeze = |text: &str| text.split('\u{fffd}').filter(|part| !part.is_empty())
                .map(str::to_owned).collect::<Vec<_>>();
            let lossy = String::from_utf8_lossy(&bytes);
            let lossy = lossy.strip_prefix('\u{feff}').unwrap_or(&lossy);
            prop_assert_eq!(squeeze(&mended), squeeze(lossy));
        }
    }
}
