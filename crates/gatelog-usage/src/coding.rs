//! Compressed bodies, decompressed as they come.
//!
//! **Shape.** A [`Decode`] is given the compressed pieces and hands on what they expand to, in pieces of
//! its own: [`gzip`], [`deflate`], [`brotli`], [`zstd`].
//!
//! **Limits.** Windows are at most [`WINDOW`]. A body that declares a larger one, as encoders often do
//! by default, is read with one of that size: it is given up ([`Unread::Window`]) only when it really
//! needs more. What may come out is bounded in all and by what went in ([`Output`]), so the work for a
//! piece is, too.

mod brotli;
mod deflate;
mod gzip;
mod inflate;
mod zstd;

use crate::usage::Unread;

/// The largest window, in bytes.
pub(crate) const WINDOW: usize = 1 << 20;

/// The most that a compressed body is expanded to, in bytes; the rest is not read.
pub const MAX_BYTES: u64 = 64 << 20;

/// What may come out whatever went in, and how many times as much beyond that.
const FREE_BYTES: u64 = 512 << 10;
const MAX_RATIO: u64 = 256;

/// A decompressor.
pub(crate) trait Decode: Send {
    /// The next piece.
    fn feed(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread>;

    /// The body has ended, or was broken off: hands on what was held back.
    fn end(&mut self, _output: &mut Output<'_>) -> Result<(), Unread> {
        Ok(())
    }

    /// Whether something may have come out that was held back.
    fn holds_back(&self) -> bool {
        false
    }
}

/// Where a decompressor's output goes.
pub(crate) struct Output<'a> {
    pub(crate) sink: &'a mut dyn FnMut(&[u8]),
    pub(crate) counts: &'a mut Counts,
}

/// Bytes of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) compressed: u64,
    pub(crate) expanded: u64,
}

impl Output<'_> {
    /// Hands on a piece, unless it is too much by now.
    fn give(&mut self, piece: &[u8]) -> Result<(), Unread> {
        let counts = &mut *self.counts;
        counts.expanded = counts.expanded.saturating_add(piece.len() as u64);
        let allowed = FREE_BYTES.saturating_add(counts.compressed.saturating_mul(MAX_RATIO));
        if counts.expanded > allowed.min(MAX_BYTES) {
            return Err(Unread::TooMuch);
        }
        (self.sink)(piece);
        Ok(())
    }
}

/// The decompressor for a `content-encoding`; `None` for bodies that are as they are.
pub(crate) fn decoder(encoding: &str) -> Result<Option<Box<dyn Decode>>, Unread> {
    let encoding = encoding.trim();
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    Ok(Some(if encoding.is_empty() || is("identity") {
        return Ok(None);
    } else if is("gzip") || is("x-gzip") {
        Box::new(gzip::Gzip::new())
    } else if is("deflate") {
        Box::new(deflate::Deflate::new())
    } else if is("br") {
        Box::new(brotli::Brotli::new())
    } else if is("zstd") {
        Box::new(zstd::Zstd::new())
    } else {
        return Err(Unread::Coding);
    }))
}
