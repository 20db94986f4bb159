//! `gatelog::decode::inflate`: a body that says how it was compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use gatelog::decode::{InflateError, inflate};

/// The first byte chooses encoding and limit, the rest is the body.
///
/// - Never more than the limit comes out, nor is more than about twice that set aside.
/// - What was compressed is given back if it is within the limit, and refused as too large if not.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let encodings = ["gzip", "deflate", "zstd", "GZIP", "identity", "br"];
    let encoding = encodings.get(usize::from(choice % 6)).copied();
    let limit = 1 << (choice / 6 % 16);
    if let Ok(Some(inflated)) = inflate(encoding, body, limit) {
        assert!(inflated.len() <= limit, "{} > {limit}", inflated.len());
        assert!(
            inflated.capacity() <= 2 * limit + 1024,
            "{} set aside",
            inflated.capacity()
        );
    }
    for (encoding, compressed) in compressed(body) {
        match inflate(Some(encoding), &compressed, limit) {
            Ok(inflated) => assert_eq!(inflated.as_deref(), Some(body), "{encoding}"),
            Err(error) => {
                assert_eq!(error, InflateError::TooLarge { limit }, "{encoding}");
                assert!(body.len() > limit, "{encoding}: {} bytes", body.len());
            }
        }
    }
}

fn compressed(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let gzip = gzip.write_all(body).and_then(|()| gzip.finish());
    let zlib = zlib.write_all(body).and_then(|()| zlib.finish());
    let zstd = zstd::encode_all(body, 1);
    let all = [("gzip", gzip), ("deflate", zlib), ("zstd", zstd)];
    all.into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes.ok()?)))
        .collect()
}
