//! Where the records of a batch come from, in the batch itself.
//!
//! **Shape.** A sender that numbers its items can tell a receiver which of them it repeats. Their
//! numbers travel in the same batch as the records, so that records and the fact that they were
//! taken are durable together:
//!
//! ```text
//! batch   = version(1) origin? (record | refused | dropped)*
//! origin  = key(2, bytes) length stream key(5, varint) first key(6, fixed32) items
//!           (key(7, fixed64) checksum)?
//! stream  = key(1, bytes) length sender key(2, bytes) length boot key(3, bytes) length worker
//!         | key(4, bytes) length idempotency key
//! refused = key(3, varint) how many items stood here that were no records
//! dropped = key(8, varint) how many records stood here that were not to be kept
//! ```
//!
//! **Invariants.** The origin stands before the records or not at all. The batch holds the items
//! with the numbers from `first` to `first + items`, refused and dropped ones included, and no others.
//! Readers of records pass over origin, refused and dropped items.
//!
//! **Limits.** Texts are as long as the caller lets them be; at most 2^32 - 1 items.

use super::{BYTES, FIXED32, FIXED64, Reader, VARINT, VERSION, Wire, write_bytes, write_varint};
use crate::WireError;

/// Tags of a batch's fields beside its records.
const ORIGIN: u64 = 2;
const REFUSED: u64 = 3;
const DROPPED: u64 = 8;

/// Tags of an origin's fields.
const SENDER: u64 = 1;
const BOOT: u64 = 2;
const WORKER: u64 = 3;
const KEY: u64 = 4;
const FIRST: u64 = 5;
const ITEMS: u64 = 6;
const CHECKSUM: u64 = 7;

/// What numbers its items without gaps, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream<'a> {
    /// A worker of a gateway, from one start of the gateway to its end.
    Worker {
        /// The gateway.
        sender: &'a str,
        /// The gateway's start.
        boot: &'a str,
        /// Which of its workers.
        worker: &'a str,
    },
    /// The one body of an `Idempotency-Key`: the items are numbered by their places in it.
    Key {
        /// The key.
        key: &'a str,
    },
}

impl<'a> Stream<'a> {
    /// Its fields by their tags.
    fn texts(self) -> impl Iterator<Item = (u64, &'a str)> {
        let texts = match self {
            Self::Worker {
                sender,
                boot,
                worker,
            } => [
                Some((SENDER, sender)),
                Some((BOOT, boot)),
                Some((WORKER, worker)),
            ],
            Self::Key { key } => [Some((KEY, key)), None, None],
        };
        texts.into_iter().flatten()
    }
}

/// Which items of a stream a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Who numbered them.
    pub stream: Stream<'a>,
    /// Number of the first.
    pub first: u64,
    /// How many there are, those included that were refused or dropped.
    pub items: u32,
    /// Of the body that they came in, if it was the one of a key: to tell it from another one.
    pub checksum: Option<u64>,
}

/// Where in a batch the number of its items stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemsPlace(usize);

/// Appends the head of a batch with an origin. Where the number of items is not known yet, it can
/// be [set](set_items) later at the place that this returns, of this `out`.
pub fn begin_batch_from(origin: &Origin<'_>, out: &mut Vec<u8>) -> ItemsPlace {
    out.push(VERSION);
    let of_texts: usize = origin
        .stream
        .texts()
        .map(|(_, text)| 1 + varint_bytes(text.len() as u64) + text.len())
        .sum();
    let of_checksum = origin.checksum.map_or(0, |_| 1 + size_of::<u64>());
    let length = of_texts + 1 + varint_bytes(origin.first) + 1 + size_of::<u32>() + of_checksum;
    write_varint(ORIGIN << 3 | BYTES, out);
    write_varint(length as u64, out);
    for (tag, text) in origin.stream.texts() {
        write_bytes(tag, text.as_bytes(), out);
    }
    write_varint(FIRST << 3 | VARINT, out);
    write_varint(origin.first, out);
    write_varint(ITEMS << 3 | FIXED32, out);
    let place = ItemsPlace(out.len());
    out.extend_from_slice(&origin.items.to_le_bytes());
    if let Some(checksum) = origin.checksum {
        write_varint(CHECKSUM << 3 | FIXED64, out);
        out.extend_from_slice(&checksum.to_le_bytes());
    }
    place
}

/// Sets the number of a batch's items.
pub fn set_items(place: ItemsPlace, items: u32, batch: &mut [u8]) {
    let bytes = batch.get_mut(place.0..place.0 + size_of::<u32>());
    if let Some(bytes) = bytes {
        bytes.copy_from_slice(&items.to_le_bytes());
    }
}

/// Says in a batch with an origin that the next so many items were refused.
pub fn write_refused(items: u32, out: &mut Vec<u8>) {
    write_varint(REFUSED << 3 | VARINT, out);
    write_varint(items.into(), out);
}

/// Says in a batch with an origin that the next so many items were records that were not to be kept.
pub fn write_dropped(items: u32, out: &mut Vec<u8>) {
    write_varint(DROPPED << 3 | VARINT, out);
    write_varint(items.into(), out);
}

fn varint_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The origin of a batch, if it has one.
///
/// # Errors
/// [`WireError`] when the batch is damaged or of another version.
pub fn read_origin(batch: &[u8]) -> Result<Option<Origin<'_>>, WireError> {
    let mut reader = Reader::of_batch(batch)?;
    if reader.rest.is_empty() {
        return Ok(None);
    }
    match reader.field()? {
        (ORIGIN, Wire::Bytes(bytes)) => read_message(bytes).map(Some),
        _ => Ok(None),
    }
}

fn read_message(bytes: &[u8]) -> Result<Origin<'_>, WireError> {
    let mut reader = Reader {
        rest: bytes,
        length: bytes.len(),
    };
    let mut texts = [None; 4];
    let (mut first, mut items, mut checksum) = (None, None, None);
    while !reader.rest.is_empty() {
        let at = reader.at();
        let (tag, wire) = reader.field()?;
        match (tag, wire) {
            (SENDER..=KEY, Wire::Bytes(bytes)) => {
                let text =
                    std::str::from_utf8(bytes).map_err(|_| WireError::Malformed { tag, at })?;
                let index = usize::try_from(tag - SENDER).unwrap_or_default();
                if let Some(slot) = texts.get_mut(index) {
                    *slot = Some(text);
                }
            }
            (FIRST, Wire::Varint(number)) => first = Some(number),
            (ITEMS, Wire::Fixed32(bytes)) => items = Some(u32::from_le_bytes(bytes)),
            (CHECKSUM, Wire::Fixed64(bytes)) => checksum = Some(u64::from_le_bytes(bytes)),
            _ => {}
        }
    }
    let stream = match texts {
        [Some(sender), Some(boot), Some(worker), None] => Some(Stream::Worker {
            sender,
            boot,
            worker,
        }),
        [None, None, None, Some(key)] => Some(Stream::Key { key }),
        _ => None,
    };
    match (stream, first, items) {
        (Some(stream), Some(first), Some(items)) => Ok(Origin {
            stream,
            first,
            items,
            checksum,
        }),
        _ => Err(WireError::Malformed { tag: ORIGIN, at: 0 }),
    }
}

/// The items of a batch in their order, borrowed from its bytes.
///
/// # Errors
/// [`WireError`] when the batch is of another version.
pub fn items(batch: &[u8]) -> Result<Items<'_>, WireError> {
    Reader::of_batch(batch).map(|reader| Items { reader })
}

/// An item of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record, as it stands in the batch: it can be appended to another one.
    Record(&'a [u8]),
    /// So many items that were refused.
    Refused(u64),
    /// So many records that were not to be kept.
    Dropped(u64),
}

/// Iterator over the items of a batch. Damage is an error, and the last item.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.reader.rest.is_empty() {
            let before = self.reader.rest;
            match self.reader.field() {
                Ok((1, Wire::Bytes(_))) => {
                    let length = before.len() - self.reader.rest.len();
                    return before.get(..length).map(|bytes| Ok(Item::Record(bytes)));
                }
                Ok((REFUSED, Wire::Varint(items))) => return Some(Ok(Item::Refused(items))),
                Ok((DROPPED, Wire::Varint(items))) => return Some(Ok(Item::Dropped(items))),
                Ok(_) => {}
                Err(error) => {
                    self.reader.rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{begin_batch, read_batch, write_record};
    use crate::{AccessRecord, standard};

    fn record(number: u64) -> AccessRecord<'static> {
        standard::record(number, crate::Timestamp::EPOCH)
    }

    #[test]
    fn a_batch_tells_its_origin_and_readers_of_records_pass_over_it() {
        let origin = Origin {
            stream: Stream::Worker {
                sender: "gw",
                boot: "17",
                worker: "3",
            },
            first: 1 << 40,
            items: 0,
            checksum: None,
        };
        let mut batch = Vec::new();
        let place = begin_batch_from(&origin, &mut batch);
        write_record(&record(1), &mut batch);
        write_refused(300, &mut batch);
        write_dropped(40, &mut batch);
        write_record(&record(2), &mut batch);
        set_items(place, 342, &mut batch);
        let with_items = Origin {
            items: 342,
            ..origin
        };
        assert_eq!(read_origin(&batch), Ok(Some(with_items)));
        let records: Vec<_> = read_batch(&batch).unwrap().map(Result::unwrap).collect();
        assert_eq!(records, [record(1), record(2)]);
        let items: Vec<_> = items(&batch).unwrap().map(Result::unwrap).collect();
        assert!(
            matches!(
                items[..],
                [
                    Item::Record(_),
                    Item::Refused(300),
                    Item::Dropped(40),
                    Item::Record(_)
                ]
            ),
            "{items:?}"
        );
        // A record can be taken out as it is.
        let mut other = Vec::new();
        begin_batch(&mut other);
        if let Item::Record(bytes) = items[3] {
            other.extend_from_slice(bytes);
        }
        assert_eq!(read_batch(&other).unwrap().next(), Some(Ok(record(2))));
        assert_eq!(read_origin(&other), Ok(None));
    }

    proptest! {
        #[test]
        fn an_origin_reads_back(
            texts in prop::array::uniform3(".{0,200}"),
            is_key in any::<bool>(),
            first in any::<u64>(),
            count in any::<u32>(),
            checksum in any::<Option<u64>>(),
        ) {
            let [sender, boot, worker] = &texts;
            let stream = if is_key {
                Stream::Key { key: sender }
            } else {
                Stream::Worker { sender, boot, worker }
            };
            let origin = Origin { stream, first, items: count, checksum };
            let mut batch = Vec::new();
            begin_batch_from(&origin, &mut batch);
            prop_assert_eq!(read_origin(&batch), Ok(Some(origin)));
            for cut in 1..batch.len() {
                prop_assert!(!matches!(read_origin(&batch[..cut]), Ok(Some(_))), "{}", cut);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut batch = vec![VERSION, 0x12];
            batch.extend(&bytes);
            let _any = read_origin(&batch).is_ok();
            let _all = items(&batch).unwrap().count();
        }
    }
}
