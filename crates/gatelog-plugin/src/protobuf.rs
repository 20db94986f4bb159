//! Reading protobuf messages that the proxy hands over whole.
//!
//! **Failure.** What is malformed ends the message there: nothing of it is guessed.
//!
//! **Source.** <https://protobuf.dev/programming-guides/encoding/>.

/// The value of a field, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire<'m> {
    /// An integer or a boolean.
    Varint(u64),
    /// Eight bytes, little endian.
    Fixed64(u64),
    /// Four bytes, little endian.
    Fixed32(u32),
    /// A text, bytes or a message.
    Bytes(&'m [u8]),
}

/// The fields of a message, numbers and values in their order.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (u64, Wire<'_>)> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let tag = varint(&mut rest)?;
        let value = match tag & 7 {
            0 => Wire::Varint(varint(&mut rest)?),
            1 => Wire::Fixed64(u64::from_le_bytes(chunk(&mut rest)?)),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Wire::Bytes(bytes)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(chunk(&mut rest)?)),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

/// The last value of a field that has bytes, as protobuf has it.
pub fn bytes(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    for field in fields(message) {
        if let (found_number, Wire::Bytes(bytes)) = field
            && found_number == number
        {
            found = Some(bytes);
        }
    }
    found
}

/// The value of a key in a `map<string, …>` of messages, which is field `number`.
pub fn entry<'m>(message: &'m [u8], number: u64, key: &str) -> Option<&'m [u8]> {
    entries(message, number)
        .filter(|(name, _)| *name == key.as_bytes())
        .map(|(_, value)| value)
        .last()
}

/// The entries of a `map<string, …>` of messages, which is field `number`.
pub fn entries(message: &[u8], number: u64) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields(message).filter_map(move |field| match field {
        (found, Wire::Bytes(entry)) if found == number => Some((
            bytes(entry, 1).unwrap_or_default(),
            bytes(entry, 2).unwrap_or_default(),
        )),
        _ => None,
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn chunk<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*chunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let message = [
            0x08, 0x96, 0x01, // 1: 150
            0x12, 0x02, b'h', b'i', // 2: "hi"
            0x19, 1, 0, 0, 0, 0, 0, 0, 0, // 3: fixed64 1
            0x25, 2, 0, 0, 0, // 4: fixed32 2
        ];
        let found: Vec<_> = fields(&message).collect();
        let expected = [
            (1, Wire::Varint(150)),
            (2, Wire::Bytes(b"hi")),
            (3, Wire::Fixed64(1)),
            (4, Wire::Fixed32(2)),
        ];
        assert_eq!(found, expected);
        assert_eq!(bytes(&message, 2), Some(&b"hi"[..]));
        assert_eq!(bytes(&message, 1), None);
    }

    #[test]
    fn a_map_is_a_list_of_entries() {
        let message = [
            0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'x', // 1: {a: x}
            0x0a, 3, 0x0a, 1, b'b', // 1: {b: nothing}
            0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'y', // 1: {a: y}
        ];
        assert_eq!(entry(&message, 1, "a"), Some(&b"y"[..]));
        assert_eq!(entry(&message, 1, "b"), Some(&b""[..]));
        assert_eq!(entry(&message, 1, "c"), None);
        assert_eq!(entry(&message, 2, "a"), None);
    }

    #[test]
    fn what_is_cut_off_is_not_there() {
        for message in [
            &[0x12, 5, b'a'][..],
            &[0x12],
            &[0x80],
            &[0x19, 1],
            &[0x0b, 1],
            &[0xff; 20],
        ] {
            assert_eq!(fields(message).count(), 0, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(message in proptest::collection::vec(any::<u8>(), 0..64)) {
            for (_, value) in fields(&message) {
                if let Wire::Bytes(inner) = value {
                    let _ = fields(inner).count();
                }
            }
        }
    }
}
