//! The compact form in which the journal keeps records.
//!
//! **Shape.** A batch is a version byte and then a protobuf message; a record is a protobuf
//! message whose field numbers are the tags of [`Field`], so any protobuf tool can read it:
//!
//! ```text
//! batch   = version(1) origin? (record | refused | dropped)*
//! record  = key(1, bytes) length(4 bytes) field*
//! field   = key(tag, varint) zigzag           Integer, Time (microseconds)
//!         | key(tag, fixed64) 8 bytes         Float (IEEE 754, little endian)
//!         | key(tag, bytes) length bytes      Text, Json, Id (16 bytes, big endian), Headers
//! headers = (key(1, bytes) length name key(2, bytes) length value)*
//! ```
//!
//! Varints and keys are protobuf's; a record's length is a varint padded to four bytes, so that it
//! can be filled in after the fields. Where a batch comes from, and which of its items were refused or
//! dropped, stands beside the records and is passed over by those who read only them: `origin`.
//!
//! **Invariants.** A field that this version does not know is passed over by its wire type; a tag
//! is never used again for another meaning. A change that readers of version 1 would misread needs
//! another version byte.
//!
//! **Limits.** A record has at most 2^28 - 1 bytes.
//!
//! **Source.** <https://protobuf.dev/programming-guides/encoding/>

mod origin;

use std::borrow::Cow;

pub use self::origin::{
    Item, Items, ItemsPlace, Origin, Stream, begin_batch_from, items, read_origin, set_items,
    write_dropped, write_refused,
};
use crate::field::{Field, Kind, Slot, Value};
use crate::{AccessRecord, Headers, RecordId, Timestamp, WireError};

/// The version byte that this program writes, and the only one it reads.
pub const VERSION: u8 = 1;

/// Protobuf's wire types, as far as they occur here.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// The key of a batch's records: field 1, [`BYTES`].
const RECORD_KEY: u8 = 1 << 3 | 2;

/// Bytes of a record's padded length.
const LENGTH_BYTES: usize = 4;

/// Appends the head of a batch.
pub fn begin_batch(out: &mut Vec<u8>) {
    out.push(VERSION);
}

/// Appends a record to a batch.
pub fn write_record(record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    out.push(RECORD_KEY);
    let length_at = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    for &field in Field::ALL {
        if let Some(value) = record.get(field) {
            write_field(field, value, out);
        }
    }
    let mut length = out.len() - length_at - LENGTH_BYTES;
    if let Some(place) = out.get_mut(length_at..length_at + LENGTH_BYTES) {
        for (index, byte) in place.iter_mut().enumerate() {
            *byte = low_seven_bits(length) | if index + 1 < LENGTH_BYTES { 0x80 } else { 0 };
            length >>= 7;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
fn low_seven_bits(number: usize) -> u8 {
    (number & 0x7f) as u8
}

#[inline]
fn write_field(field: Field, value: Value<'_>, out: &mut Vec<u8>) {
    let tag = field as u64;
    match value {
        Value::Text(text) | Value::Json(text) => write_bytes(tag, text.as_bytes(), out),
        Value::Integer(number) => {
            write_varint(tag << 3 | VARINT, out);
            write_varint(zigzag(number), out);
        }
        Value::Time(time) => {
            write_varint(tag << 3 | VARINT, out);
            write_varint(zigzag(time.micros()), out);
        }
        Value::Float(number) => {
            write_varint(tag << 3 | FIXED64, out);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Id(id) => write_bytes(tag, &id.bits().to_be_bytes(), out),
        Value::Headers(headers) => {
            let length = headers
                .iter()
                .map(|(name, value)| sized(name) + sized(value))
                .sum();
            write_varint(tag << 3 | BYTES, out);
            write_varint(length, out);
            for (name, value) in headers.iter() {
                write_bytes(1, name.as_bytes(), out);
                write_bytes(2, value.as_bytes(), out);
            }
        }
    }
}

/// Bytes that a text takes behind a one-byte key.
fn sized(text: &str) -> u64 {
    let length = text.len() as u64;
    let varint = u64::from(64 - (length | 1).leading_zeros()).div_ceil(7);
    1 + varint + length
}

fn write_bytes(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(tag << 3 | BYTES, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low byte is what is wanted"
)]
fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// The records of a batch, borrowed from its bytes.
///
/// # Errors
/// [`WireError::UnknownVersion`] for a batch of a newer gatelog: use that, or a newer one.
pub fn read_batch(batch: &[u8]) -> Result<Records<'_>, WireError> {
    Reader::of_batch(batch).map(|reader| Records { reader })
}

/// Iterator over the records of a batch. A damaged record is an error, and the last item.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<AccessRecord<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.reader.rest.is_empty() {
            let record = match self.reader.field() {
                Ok((1, Wire::Bytes(bytes))) => read_record(bytes),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            if record.is_err() {
                self.reader.rest = &[];
            }
            return Some(record);
        }
        None
    }
}

/// Reads one record's fields.
fn read_record(bytes: &[u8]) -> Result<AccessRecord<'_>, WireError> {
    let mut record = AccessRecord::default();
    let mut reader = Reader {
        rest: bytes,
        length: bytes.len(),
    };
    while !reader.rest.is_empty() {
        let at = reader.at();
        let (tag, wire) = reader.field()?;
        let Some(field) = Field::from_tag(tag) else {
            continue;
        };
        let malformed = WireError::Malformed { tag, at };
        match (record.slot(field), wire) {
            (Slot::Text(slot) | Slot::Json(slot), Wire::Bytes(bytes)) => {
                *slot = Some(Cow::Borrowed(
                    std::str::from_utf8(bytes).map_err(|_| malformed)?,
                ));
            }
            (Slot::Integer(slot), Wire::Varint(number)) => *slot = Some(unzigzag(number)),
            (Slot::Time(slot), Wire::Varint(number)) => {
                *slot = Some(Timestamp::from_micros(unzigzag(number)));
            }
            (Slot::Float(slot), Wire::Fixed64(bytes)) => *slot = Some(f64::from_le_bytes(bytes)),
            (Slot::Id(slot), Wire::Bytes(bytes)) => {
                let bits = bytes.try_into().map_err(|_| malformed)?;
                *slot = Some(RecordId::from_bits(u128::from_be_bytes(bits)));
            }
            (Slot::Headers(slot), Wire::Bytes(bytes)) => {
                *slot = read_headers(bytes).ok_or(malformed)?;
            }
            _ => return Err(malformed),
        }
    }
    Ok(record)
}

fn read_headers(bytes: &[u8]) -> Option<Headers<'_>> {
    let mut headers = Headers::new();
    let mut reader = Reader {
        rest: bytes,
        length: bytes.len(),
    };
    while !reader.rest.is_empty() {
        let (Ok((1, Wire::Bytes(name))), Ok((2, Wire::Bytes(value)))) =
            (reader.field(), reader.field())
        else {
            return None;
        };
        headers.push(
            std::str::from_utf8(name).ok()?,
            std::str::from_utf8(value).ok()?,
        );
    }
    Some(headers)
}

/// A field's value as it stands in the bytes.
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

#[derive(Clone, Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    /// Of the whole, to tell where the rest begins.
    length: usize,
}

impl<'a> Reader<'a> {
    /// Behind the version of a batch.
    fn of_batch(batch: &'a [u8]) -> Result<Self, WireError> {
        match batch.split_first() {
            Some((&VERSION, rest)) => Ok(Self {
                rest,
                length: batch.len(),
            }),
            Some((&version, _)) => Err(WireError::UnknownVersion(version)),
            None => Err(WireError::Truncated { at: 0 }),
        }
    }

    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    fn field(&mut self) -> Result<(u64, Wire<'a>), WireError> {
        let at = self.at();
        let truncated = || WireError::Truncated { at };
        let key = self.varint().ok_or_else(truncated)?;
        let value = match key & 7 {
            VARINT => self.varint().map(Wire::Varint),
            FIXED64 => self.rest.split_first_chunk().map(|(&bytes, rest)| {
                self.rest = rest;
                Wire::Fixed64(bytes)
            }),
            FIXED32 => self.rest.split_first_chunk().map(|(&bytes, rest)| {
                self.rest = rest;
                Wire::Fixed32(bytes)
            }),
            BYTES => self.bytes().map(Wire::Bytes),
            _ => return Err(WireError::Malformed { tag: key >> 3, at }),
        };
        Ok((key >> 3, value.ok_or_else(truncated)?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

/// Checks at compile time that a kind that this module writes is one that it reads.
const _: fn(Kind) -> u64 = |kind| match kind {
    Kind::Integer | Kind::Time => VARINT,
    Kind::Float => FIXED64,
    Kind::Text | Kind::Json | Kind::Headers | Kind::Id => BYTES,
};
