//! Finding frames in a segment file that may be damaged.

use std::path::Path;

use crate::filesystem::Handle;
use crate::frame::{self, Header, Seal};
use crate::segment::Segment;
use crate::{Error, Position, Result};

/// Bytes read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// What is lost at the least with one place that cannot be read.
const PIECE_BYTES: usize = 4096;

/// A segment file, looked at from any position.
#[derive(Debug)]
pub(crate) struct Scan<'f> {
    file: &'f dyn Handle,
    path: &'f Path,
    base: Position,
    /// Behind the last byte that is looked at.
    limit: Position,
    seal: Seal,
    /// Bytes that were read, and where they stand.
    window: Vec<u8>,
    window_at: Position,
    /// Whether what cannot be read is taken for zeros.
    over_errors: bool,
}

impl<'f> Scan<'f> {
    /// Looks at the bytes of `segment` that lie before `limit` and that its file has.
    pub(crate) fn new(
        segment: &'f Segment,
        file: &'f dyn Handle,
        limit: Position,
        seal: Seal,
    ) -> Result<Self> {
        let length = file.length().map_err(Error::io("look at", &segment.path))?;
        let file_end = segment
            .base
            .plus(length.saturating_sub(segment.offset(segment.base)));
        Ok(Self {
            file,
            path: &segment.path,
            base: segment.base,
            limit: limit.min(file_end),
            seal,
            window: Vec::new(),
            window_at: segment.base,
            over_errors: false,
        })
    }

    /// From here on what the disk cannot read counts as zeros, which are no frame.
    pub(crate) fn over_errors(mut self) -> Self {
        self.over_errors = true;
        self
    }

    /// Behind the last byte that there is to look at.
    pub(crate) fn limit(&self) -> Position {
        self.limit
    }

    /// The bytes from `at` on: `wanted` of them or more, fewer only where the file ends.
    pub(crate) fn bytes(&mut self, at: Position, wanted: usize) -> Result<&[u8]> {
        let wanted = usize::try_from(self.limit.since(at)).map_or(wanted, |rest| rest.min(wanted));
        let window_end = self.window_at.plus(self.window.len() as u64);
        if at < self.window_at || at.plus(wanted as u64) > window_end {
            let rest = usize::try_from(self.limit.since(at)).unwrap_or(usize::MAX);
            self.window.resize(rest.min(wanted.max(WINDOW_BYTES)), 0);
            self.window_at = at;
            let offset = crate::segment::HEADER_BYTES + at.since(self.base);
            if let Err(error) = self.file.read_at(&mut self.window, offset) {
                if !self.over_errors {
                    self.window.clear();
                    return Err(Error::io("read", self.path)(error));
                }
                for (piece, at) in self.window.chunks_mut(PIECE_BYTES).zip(0..) {
                    let offset = offset + at * PIECE_BYTES as u64;
                    if self.file.read_at(piece, offset).is_err() {
                        piece.fill(0);
                    }
                }
            }
        }
        let skipped = usize::try_from(at.since(self.window_at)).unwrap_or(usize::MAX);
        Ok(self.window.get(skipped..).unwrap_or_default())
    }

    /// The header that stands at `at`, if one does.
    pub(crate) fn header_at(&mut self, at: Position) -> Result<Option<Header>> {
        let seal = self.seal;
        let bytes = self.bytes(at, frame::HEADER_BYTES)?;
        Ok(bytes
            .first_chunk()
            .and_then(|header| Header::read(header, at, seal)))
    }

    /// The first header at `from` or behind it. There may be a segment of other bytes before it.
    pub(crate) fn next_header(&mut self, from: Position) -> Result<Option<(Position, Header)>> {
        let (base, seal) = (self.base, self.seal);
        let mut at = from;
        while self.limit.since(at) >= frame::HEADER_BYTES as u64 {
            let bytes = self.bytes(at, WINDOW_BYTES)?;
            let found = frame::find(bytes, at, base, seal);
            if found.is_some() {
                return Ok(found);
            }
            // The last of them can be the beginning of a header.
            at = at.plus((bytes.len() + 1).saturating_sub(frame::HEADER_BYTES) as u64);
        }
        Ok(None)
    }

    /// Whether the payload behind the header at `at` is there and what was appended.
    pub(crate) fn is_whole(&mut self, at: Position, header: &Header) -> Result<bool> {
        let end = header.end(at);
        if end > self.limit {
            return Ok(false);
        }
        let mut from = at.plus(frame::HEADER_BYTES as u64);
        let mut checksum = 0;
        while from < end {
            let rest = usize::try_from(end.since(from)).unwrap_or(usize::MAX);
            let bytes = self.bytes(from, rest.min(WINDOW_BYTES))?;
            let part = bytes.get(..rest).unwrap_or(bytes);
            checksum = crc32c::crc32c_append(checksum, part);
            from = from.plus(part.len() as u64);
        }
        Ok(header.fits(checksum))
    }

    /// The records of the frames from `from` up to `to`, as far as their headers can be read.
    pub(crate) fn records(&mut self, from: Position, to: Position) -> Result<u64> {
        let mut records = 0;
        let mut at = from;
        while let Some((begin, header)) = self.header_from(at)? {
            if begin >= to {
                break;
            }
            records += u64::from(header.records);
            at = header.end(begin);
        }
        Ok(records)
    }

    /// The header at `at`, else the first one behind it.
    pub(crate) fn header_from(&mut self, at: Position) -> Result<Option<(Position, Header)>> {
        if at >= self.limit {
            return Ok(None);
        }
        match self.header_at(at)? {
            Some(header) => Ok(Some((at, header))),
            None => self.next_header(at.plus(1)),
        }
    }
}
