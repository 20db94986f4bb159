//! Bodies of the providers, and ways to read them.

use std::io::Write as _;
use std::path::Path;

use gatelog_usage::{Budget, Response, Seen, Usage};

/// The codings of the tests.
pub(crate) const CODINGS: [&str; 5] = ["", "gzip", "deflate", "br", "zstd"];

/// A file of `fixtures/`, as it is on the wire.
pub(crate) fn body(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let bytes = std::fs::read(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if name.ends_with(".frames.ndjson") {
        let lines = std::str::from_utf8(&bytes).unwrap().lines();
        return lines.flat_map(|line| frame(line.as_bytes())).collect();
    }
    bytes
}

/// The content type that goes with a file's name.
pub(crate) fn content_type(name: &str) -> &'static str {
    let kinds = [
        (".frames.ndjson", "application/vnd.amazon.eventstream"),
        (".ndjson", "application/x-ndjson"),
        (".sse", "text/event-stream; charset=utf-8"),
        (".json", "application/json"),
    ];
    let kind = kinds.iter().find(|(end, _)| name.ends_with(end));
    kind.unwrap_or_else(|| panic!("{name}")).1
}

/// A frame of Amazon's event streams.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let headers = b"\x0d:content-type\x07\x00\x10application/json";
    let total = u32::try_from(12 + headers.len() + payload.len() + 4).unwrap();
    let mut frame = total.to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend([1, 2, 3, 4]);
    frame.extend(headers);
    frame.extend(payload);
    frame.extend([5, 6, 7, 8]);
    frame
}

/// The body in a coding.
pub(crate) fn encoded(body: &[u8], coding: &str) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "br" => brotli(body, 22),
        "zstd" => zstd::encode_all(body, 3).unwrap(),
        _ => body.to_vec(),
    }
}

/// The body in Brotli with a window of so many bits.
pub(crate) fn brotli(body: &[u8], window: i32) -> Vec<u8> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 5,
        lgwin: window,
        ..Default::default()
    };
    let mut encoded = Vec::new();
    brotli::BrotliCompress(&mut &body[..], &mut encoded, &params).unwrap();
    encoded
}

/// What is read from these pieces, and what had been seen after each of them.
pub(crate) fn read(content_type: &str, coding: &str, pieces: &[&[u8]]) -> (Usage, Vec<Seen>) {
    let mut response = Response::new(content_type, coding, &Budget::default());
    let seen = pieces.iter().map(|piece| response.feed(piece)).collect();
    (response.finish(), seen)
}
