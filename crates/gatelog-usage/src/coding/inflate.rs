//! DEFLATE, which gzip and zlib are made of.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::Output;
use crate::usage::Unread;

/// Bytes that are expanded at a time.
const PIECE: usize = 4096;

/// Expands `piece`; how much of it belongs to the stream, and whether the stream has ended.
pub(super) fn expand(
    state: &mut InflateState,
    piece: &[u8],
    output: &mut Output<'_>,
) -> Result<(usize, bool), Unread> {
    let mut buffer = [0; PIECE];
    let mut used = 0;
    loop {
        let rest = piece.get(used..).unwrap_or_default();
        let result = inflate(state, rest, &mut buffer, MZFlush::None);
        used += result.bytes_consumed;
        output.give(buffer.get(..result.bytes_written).unwrap_or_default())?;
        match result.status {
            Ok(MZStatus::StreamEnd) => return Ok((used, true)),
            Ok(_) if result.bytes_written == PIECE || used < piece.len() => {
                if result.bytes_consumed == 0 && result.bytes_written == 0 {
                    return Err(Unread::Broken);
                }
            }
            Ok(_) | Err(miniz_oxide::MZError::Buf) => return Ok((piece.len(), false)),
            Err(_) => return Err(Unread::Broken),
        }
    }
}

/// A decompressor without a wrapper of its own, 43 KiB of memory.
pub(super) fn raw() -> Box<InflateState> {
    InflateState::new_boxed(DataFormat::Raw)
}
