//! Undoing a request's `Content-Encoding`, without trusting its size.

use std::io::{self, BufReader, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The largest window that a zstd body may ask for: 2^23 bytes are 8 MiB, what RFC 9659 lets a
/// sender use.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes that are decompressed at once.
const PIECE_BYTES: usize = 32 << 10;

/// Why a body could not be decompressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// Answered with 415.
    #[error("Content-Encoding {0:?} is not known: gzip, deflate, zstd or none")]
    UnknownEncoding(String),
    /// Answered with 413.
    #[error("the body is larger than {limit} bytes when decompressed")]
    TooLarge {
        /// The configured limit.
        limit: usize,
    },
    /// Answered with 503.
    #[error("there is no memory to decompress the body")]
    NoMemory,
    /// Answered with 400.
    #[error("the body is not valid {encoding}: {reason}")]
    Damaged {
        /// What it was said to be.
        encoding: &'static str,
        /// What the decompressor says.
        reason: String,
    },
}

/// The body as it was before compression, at most `limit` bytes; `None` when it was not compressed.
///
/// Memory follows the bytes that come out, never a length that the body claims.
///
/// # Errors
/// [`InflateError`] says which; the sender mends the body.
pub fn inflate(
    encoding: Option<&str>,
    body: &[u8],
    limit: usize,
) -> Result<Option<Vec<u8>>, InflateError> {
    let encoding = encoding
        .map(str::trim)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (name, inflated) = match encoding.as_str() {
        "" | "identity" => return Ok(None),
        "gzip" | "x-gzip" => ("gzip", read_to_limit(MultiGzDecoder::new(body), limit)),
        // RFC 9110 §8.4.1.2 means the zlib format; some senders leave out its head.
        "deflate" if body.first().is_some_and(|head| head & 0x0f == 8) => {
            ("deflate", read_to_limit(ZlibDecoder::new(body), limit))
        }
        "deflate" => ("deflate", read_to_limit(DeflateDecoder::new(body), limit)),
        "zstd" => ("zstd", unzstd(body, limit)),
        _ => return Err(InflateError::UnknownEncoding(encoding)),
    };
    match inflated {
        Ok(bytes) if bytes.len() > limit => Err(InflateError::TooLarge { limit }),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(InflateError::NoMemory),
        Err(error) => Err(InflateError::Damaged {
            encoding: name,
            reason: error.to_string(),
        }),
    }
}

/// Reads one byte more than the limit at the most, which is how the caller tells.
fn read_to_limit(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let most = limit.saturating_add(1);
    let mut reader = reader.take(most as u64);
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match reader.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.capacity() - bytes.len() < read {
            // Twice as much, but no more than there can be.
            let wanted = bytes.len().max(read).min(most - bytes.len());
            let reserved = bytes.try_reserve_exact(wanted);
            reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        }
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
}

fn unzstd(body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::with_buffer(BufReader::new(body))?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    read_to_limit(decoder, limit)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = br#"{"method":"GET"}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_the_body_back() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        let two_members = [gzip(&TEXT[..5]), gzip(&TEXT[5..])].concat();
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("GZIP", two_members),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd::encode_all(TEXT, 1).unwrap()),
        ] {
            assert_eq!(
                inflate(Some(encoding), &body, 100),
                Ok(Some(TEXT.to_vec())),
                "{encoding}"
            );
        }
        assert_eq!(inflate(None, TEXT, 1), Ok(None));
        assert_eq!(inflate(Some("identity"), TEXT, 1), Ok(None));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 50 << 20];
        for (encoding, bomb) in [
            ("gzip", gzip(&zeros)),
            ("zstd", zstd::encode_all(&zeros[..], 1).unwrap()),
        ] {
            assert!(bomb.len() < 1 << 20);
            assert_eq!(
                inflate(Some(encoding), &bomb, 1 << 20),
                Err(InflateError::TooLarge { limit: 1 << 20 })
            );
        }
        assert!(
            inflate(Some("gzip"), &gzip(TEXT), TEXT.len()).is_ok(),
            "the limit itself is allowed"
        );
    }

    #[test]
    fn garbage_and_cut_bodies_are_refused() {
        for encoding in ["gzip", "deflate", "zstd"] {
            let error = inflate(Some(encoding), b"this is not compressed", 100).unwrap_err();
            assert!(error.to_string().contains(encoding), "{error}");
        }
        let whole = gzip(TEXT);
        assert!(inflate(Some("gzip"), &whole[..whole.len() - 3], 100).is_err());
        assert_eq!(
            inflate(Some("br"), TEXT, 100).unwrap_err().to_string(),
            "Content-Encoding \"br\" is not known: gzip, deflate, zstd or none"
        );
    }
}
