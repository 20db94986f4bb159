//! Amazon's binary event streams, as Bedrock's `ConverseStream` sends them.
//!
//! **Limits.** Nothing is kept but the twelve bytes that a frame begins with. Checksums are not checked
//! and headers are passed over: a payload is JSON or it is not.
//!
//! **Source.** AWS, "Event stream encoding" (`application/vnd.amazon.eventstream`).

use crate::event_lines::Part;

/// Bytes of a frame before its headers: two lengths and a checksum.
const PRELUDE: usize = 12;

/// Bytes of the checksum that ends a frame.
const CHECKSUM: usize = 4;

/// The longest frame: AWS allows 24 MiB of payload and 128 KiB of headers.
const MAX_FRAME: usize = 25 << 20;

/// Where in a stream of frames we are.
#[derive(Clone, Debug)]
pub(crate) struct EventFrames {
    prelude: [u8; PRELUDE],
    filled: usize,
    /// What is left of the frame's parts.
    headers: usize,
    payload: usize,
    checksum: usize,
    broken: bool,
}

impl EventFrames {
    pub(crate) fn new() -> Self {
        Self {
            prelude: [0; PRELUDE],
            filled: 0,
            headers: 0,
            payload: 0,
            checksum: 0,
            broken: false,
        }
    }

    /// The next piece of the stream. Behind a frame that is none, nothing is found.
    pub(crate) fn feed(&mut self, piece: &[u8], part: &mut dyn FnMut(Part<'_>)) {
        let mut rest = piece;
        while !self.broken && !rest.is_empty() {
            if self.filled < PRELUDE {
                rest = self.begin(rest);
                continue;
            }
            take(&mut self.headers, &mut rest);
            let payload = take(&mut self.payload, &mut rest);
            if !payload.is_empty() {
                part(Part::Data(payload));
            }
            take(&mut self.checksum, &mut rest);
            if self.checksum == 0 {
                part(Part::End);
                self.filled = 0;
            }
        }
    }

    fn begin<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let mut rest = rest;
        while let Some(place) = self.prelude.get_mut(self.filled) {
            let Some((&byte, behind)) = rest.split_first() else {
                return rest;
            };
            *place = byte;
            self.filled += 1;
            rest = behind;
        }
        let [t0, t1, t2, t3, h0, h1, h2, h3, ..] = self.prelude;
        let length = |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
        let total = length([t0, t1, t2, t3]);
        self.headers = length([h0, h1, h2, h3]);
        let payload = total
            .checked_sub(PRELUDE + CHECKSUM)
            .and_then(|inner| inner.checked_sub(self.headers));
        self.broken = payload.is_none() || total > MAX_FRAME;
        self.payload = payload.unwrap_or(0);
        self.checksum = CHECKSUM;
        rest
    }
}

/// As much of `rest` as is left of a part.
fn take<'a>(left: &mut usize, rest: &mut &'a [u8]) -> &'a [u8] {
    let (taken, behind) = rest.split_at((*left).min(rest.len()));
    *left -= taken.len();
    *rest = behind;
    taken
}
