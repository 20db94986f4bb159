//! Why bytes could not be read as a record.

/// Why a JSON item is not a record. The sender mends the item; its neighbours are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is not JSON. The reason names line and column within the item.
    #[error("malformed JSON: {0}")]
    Syntax(String),
    /// The item is JSON, but not an object.
    #[error("expected an object, found {found}")]
    NotAnObject {
        /// What stands there instead.
        found: &'static str,
    },
    /// None of the object's keys is a record's.
    #[error("no known key: this is not an access record")]
    NoKnownKey,
    /// An integer field holds something else.
    #[error("{key}: expected an integer (or one in a string, \"-\" or \"\"), found {found}")]
    NotAnInteger {
        /// The key as it was sent.
        key: &'static str,
        /// What stands there instead, shortened.
        found: String,
    },
    /// Arrays and objects are nested deeper than [`MAX_NESTING`](crate::json::MAX_NESTING).
    #[error("{key}: nested more than {limit} deep")]
    TooDeep {
        /// The key as it was sent.
        key: String,
        /// The limit.
        limit: usize,
    },
    /// The item is longer than a record may be.
    #[error("the item has {bytes} bytes, a record may have {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The items before this one were broken in so many ways that looking for where the next ones
    /// begin was given up.
    #[error(
        "the body has too many broken items to tell them apart: the rest, from byte {byte}, was \
         not read"
    )]
    TooManyBroken {
        /// Where the rest begins in the body's text.
        byte: usize,
    },
}

/// Why wire bytes are not a record. They were damaged, or written by a program other than gatelog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the record ends inside a field, at byte {at}")]
    Truncated {
        /// Offset of the field in the record.
        at: usize,
    },
    /// A field does not have the form its kind asks for.
    #[error("field {tag} has a form that does not fit its kind, at byte {at}")]
    Malformed {
        /// The field's tag.
        tag: u64,
        /// Offset of the field in the record.
        at: usize,
    },
    /// The batch is of a version that this program does not know.
    #[error("unknown batch version {0}: written by a newer gatelog")]
    UnknownVersion(u8),
}
