//! Compressed bodies.

use std::io::Write as _;

use gatelog_usage::{Budget, Response, Unread};

use crate::fixture::{CODINGS, body, brotli, content_type, encoded, read};
use crate::formats::{expected_of, names};

/// Events with texts that do not repeat, and at the end their usage.
fn long(bytes: usize) -> Vec<u8> {
    let mut body = b"data: {\"model\":\"m\"}\n\n".to_vec();
    let mut state = 1u64;
    while body.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        write!(body, "data: {{\"t\":\"{state:x}\"}}\n\n").unwrap();
    }
    body.extend(
        b"data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n",
    );
    body
}

#[test]
fn every_format_gives_its_numbers_in_every_coding() {
    for name in names() {
        for coding in &CODINGS[1..] {
            let body = encoded(&body(name), coding);
            let expected = expected_of(name);
            let (usage, _) = read(content_type(name), coding, &[&body]);
            assert_eq!(usage, expected, "{name} {coding}");
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            let (usage, _) = read(content_type(name), coding, &bytes);
            assert_eq!(usage, expected, "{name} {coding} in bytes");
            for at in (0..body.len()).step_by(if name == "openai/chat.sse" { 1 } else { 31 }) {
                let (head, tail) = body.split_at(at);
                let (usage, _) = read(content_type(name), coding, &[head, tail]);
                assert_eq!(usage, expected, "{name} {coding} at {at}");
            }
        }
    }
}

#[test]
fn events_come_out_when_they_are_flushed() {
    let body = body("anthropic/message.sse");
    let middle = body.windows(5).position(|text| text == b"_stop").unwrap();
    let (head, tail) = body.split_at(middle);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(head).unwrap();
    gzip.flush().unwrap();
    let cut = gzip.get_ref().len();
    gzip.write_all(tail).unwrap();
    let gzip = gzip.finish().unwrap();
    let (usage, seen) = read("text/event-stream", "gzip", &[&gzip[..cut], &gzip[cut..]]);
    assert!(seen[0].data && seen[0].token);
    assert_eq!(usage, expected_of("anthropic/message.sse"));

    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    brotli.write_all(head).unwrap();
    brotli.flush().unwrap();
    let (usage, seen) = read("text/event-stream", "br", &[brotli.get_ref()]);
    assert!(seen[0].data && seen[0].token);
    assert_eq!(usage.input, Some(10));

    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.write_all(head).unwrap();
    zstd.flush().unwrap();
    let (usage, seen) = read("text/event-stream", "zstd", &[zstd.get_ref()]);
    // What zstd holds back is read when the body ends, or breaks off.
    assert!(seen[0].data);
    assert_eq!(usage.input, Some(10));
    assert_eq!(usage.unread, None);
}

#[test]
fn larger_windows_than_ours_are_read_as_far_as_ours_reach() {
    for bytes in [900 << 10, 3 << 20] {
        let body = long(bytes);
        let gzip = read("text/event-stream", "gzip", &[&encoded(&body, "gzip")]).0;
        assert_eq!((gzip.total, gzip.unread), (Some(3), None));
        // Level 19 asks for 8 MiB, and this text never needs what is far back.
        let zstd = read(
            "text/event-stream",
            "zstd",
            &[&zstd::encode_all(&body[..], 19).unwrap()],
        )
        .0;
        assert_eq!(zstd.model.as_deref(), Some("m"));
        assert!(zstd.total == Some(3) || zstd.unread == Some(Unread::Window));
        let small = brotli(&body, 18);
        let small = read("text/event-stream", "br", &[&small]).0;
        assert_eq!((small.total, small.unread), (Some(3), None));
    }
    let fits = read("text/event-stream", "br", &[&brotli(&long(900 << 10), 24)]).0;
    assert_eq!((fits.total, fits.unread), (Some(3), None));
    let far = read("text/event-stream", "br", &[&brotli(&long(3 << 20), 24)]).0;
    assert_eq!((far.total, far.unread), (None, Some(Unread::Window)));
    assert_eq!(far.model.as_deref(), Some("m"));
}

#[test]
fn a_reference_to_what_we_have_not_kept_is_told() {
    // The same text at both ends of 3 MiB, which only a large window bridges.
    let noise = long(3 << 20);
    let mut body = noise[..64 << 10].to_vec();
    body.extend(&noise);
    body.extend(&noise[..64 << 10]);
    let mut encoder = zstd::Encoder::new(Vec::new(), 19).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(23).unwrap();
    encoder.write_all(&body).unwrap();
    let encoded = encoder.finish().unwrap();
    let usage = read("text/event-stream", "zstd", &[&encoded]).0;
    assert_eq!(usage.unread, Some(Unread::Window));
}

#[test]
fn bombs_are_left_alone() {
    let zeros = vec![b' '; 8 << 20];
    for coding in &CODINGS[1..] {
        let bomb = encoded(&zeros, coding);
        let usage = read("application/json", coding, &[&bomb]).0;
        let expected = [Unread::TooMuch, Unread::Window].map(Some);
        assert!(
            expected.contains(&usage.unread),
            "{coding}: {:?}",
            usage.unread
        );
    }
}

#[test]
fn a_budget_bounds_what_is_decompressed_at_a_time() {
    let budget = Budget::new(2);
    let body = encoded(&body("openai/chat.json"), "gzip");
    let open = || Response::new("application/json", "gzip", &budget);
    let mut responses = [open(), open(), open()];
    // One that nothing has come of takes no place.
    assert_eq!(budget.free(), 2);
    for response in &mut responses {
        response.feed(&body);
    }
    assert_eq!(budget.free(), 0);
    assert!(!responses[2].is_reading());
    let [first, second, third] = responses.map(Response::finish);
    assert_eq!((first.input, first.unread), (Some(1117), None));
    assert_eq!((second.input, second.unread), (Some(1117), None));
    assert_eq!((third.input, third.unread), (None, Some(Unread::Busy)));
    assert_eq!(budget.free(), 2);

    let mut broken = open();
    broken.feed(b"no gzip");
    assert_eq!(
        budget.free(),
        2,
        "a place is free when its body cannot be read"
    );
    assert_eq!(broken.finish().unread, Some(Unread::Broken));
    let mut dropped = open();
    dropped.feed(&body);
    drop(dropped);
    assert_eq!(budget.free(), 2);
}

#[test]
fn unknown_codings_are_told() {
    for coding in ["compress", "gzip, br", "aes128gcm"] {
        let usage = read("application/json", coding, &[b"{}"]).0;
        assert_eq!(usage.unread, Some(Unread::Coding), "{coding}");
    }
    for coding in ["identity", " IDENTITY ", ""] {
        let usage = read("application/json", coding, &[&body("openai/chat.json")]).0;
        assert_eq!(usage.input, Some(1117), "{coding}");
    }
}

#[test]
fn headers_and_members_of_gzip_are_passed_over() {
    let text = body("openai/chat.json");
    let (head, tail) = text.split_at(100);
    let mut body = flate2::GzBuilder::new()
        .extra(vec![7; 300])
        .filename("name")
        .comment("comment")
        .write(Vec::new(), flate2::Compression::new(9));
    body.write_all(head).unwrap();
    let mut body = body.finish().unwrap();
    // A checksum of the header, which the builder cannot write: the flag, and two bytes behind the rest.
    let header = 10 + 2 + 300 + 5 + 8;
    body[3] |= 2;
    body.splice(header..header, [1, 2]);
    body.extend(encoded(tail, "gzip"));
    body.extend([0; 20]);
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    for pieces in [vec![&body[..]], bytes] {
        let usage = read("application/json", "x-gzip", &pieces).0;
        assert_eq!((usage.input, usage.unread), (Some(1117), None));
    }
}

#[test]
fn deflate_is_read_with_and_without_zlib() {
    let text = body("openai/chat.json");
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    raw.write_all(&text).unwrap();
    let usage = read("application/json", "deflate", &[&raw.finish().unwrap()]).0;
    assert_eq!((usage.input, usage.unread), (Some(1117), None));
}

#[test]
fn frames_of_zstd_follow_each_other() {
    let text = body("openai/chat.json");
    let (head, tail) = text.split_at(400);
    let mut body = b"\x53\x2a\x4d\x18\x03\0\0\0abc\x50\x2a\x4d\x18\0\0\0\0".to_vec();
    let mut first = zstd::Encoder::new(Vec::new(), 1).unwrap();
    first.include_checksum(true).unwrap();
    first.write_all(head).unwrap();
    body.extend(first.finish().unwrap());
    body.extend(zstd::bulk::compress(tail, 19).unwrap());
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    for pieces in [vec![&body[..]], bytes] {
        let usage = read("application/json", "zstd", &pieces).0;
        assert_eq!((usage.input, usage.unread), (Some(1117), None));
    }
}
