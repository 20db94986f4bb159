//! What stands in the place of a secret.

use std::borrow::Cow;

use crate::How;

/// Stands for a masked value, and for what cannot be read.
pub const MASK: &str = "***";

/// Before the digits of a hash.
const HASH_PREFIX: &str = "hash:";

/// Hexadecimal digits of a hash, 4 bits each.
const HASH_DIGITS: usize = 16;

/// Bytes that a key must have at least.
pub(crate) const LEAST_KEY_BYTES: usize = 16;

/// What becomes of a secret.
#[derive(Clone)]
pub(crate) enum Replacement {
    Mask,
    Drop,
    #[cfg(feature = "hash")]
    Hash(hmac::Hmac<sha2::Sha256>),
}

impl std::fmt::Debug for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mask => "Mask",
            Self::Drop => "Drop",
            #[cfg(feature = "hash")]
            Self::Hash(_) => "Hash(***)",
        })
    }
}

impl Replacement {
    /// # Errors
    /// What is missing.
    pub(crate) fn new(how: How, key: Option<&[u8]>) -> Result<Self, String> {
        match how {
            How::Mask => Ok(Self::Mask),
            How::Drop => Ok(Self::Drop),
            How::Hash => Self::hash(key),
        }
    }

    #[cfg(feature = "hash")]
    fn hash(key: Option<&[u8]>) -> Result<Self, String> {
        use hmac::Mac as _;
        let key = key.ok_or("`hash` needs a key")?;
        if key.len() < LEAST_KEY_BYTES {
            return Err(format!(
                "the key has {} bytes, at least {LEAST_KEY_BYTES} are needed",
                key.len()
            ));
        }
        let mac = hmac::Hmac::new_from_slice(key).map_err(|error| error.to_string())?;
        Ok(Self::Hash(mac))
    }

    #[cfg(not(feature = "hash"))]
    fn hash(_: Option<&[u8]>) -> Result<Self, String> {
        let _ = LEAST_KEY_BYTES;
        Err("`hash` is not built in here; `mask` and `drop` are".to_owned())
    }

    /// What stands in the place of this value; `None` when it is to be left out.
    ///
    /// The same value gives the same text wherever it stands. An empty one stays empty, and what is a
    /// hash already is not hashed again: a record can pass several times.
    pub(crate) fn of(&self, value: &[u8]) -> Option<Cow<'static, str>> {
        match self {
            Self::Drop => None,
            _ if value.is_empty() => Some(Cow::Borrowed("")),
            Self::Mask => Some(Cow::Borrowed(MASK)),
            #[cfg(feature = "hash")]
            Self::Hash(mac) => Some(hashed(mac, value)),
        }
    }
}

#[cfg(feature = "hash")]
fn hashed(mac: &hmac::Hmac<sha2::Sha256>, value: &[u8]) -> Cow<'static, str> {
    use hmac::Mac as _;
    use std::fmt::Write as _;
    if value == MASK.as_bytes() {
        return Cow::Borrowed(MASK);
    }
    if let Ok(text) = std::str::from_utf8(value)
        && let Some(digits) = text.strip_prefix(HASH_PREFIX)
        && digits.len() == HASH_DIGITS
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Cow::Owned(text.to_owned());
    }
    let mut mac = mac.clone();
    mac.update(value);
    let mut out = HASH_PREFIX.to_owned();
    for byte in mac.finalize().into_bytes().iter().take(HASH_DIGITS / 2) {
        // Writing to a text does not fail.
        let _written = write!(out, "{byte:02x}").is_ok();
    }
    Cow::Owned(out)
}

#[cfg(not(feature = "hash"))]
const _: (&str, usize) = (HASH_PREFIX, HASH_DIGITS);

#[cfg(all(test, feature = "hash"))]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_beginning_of_hmac_sha_256() {
        // RFC 4231, test case 6: a key longer than a block.
        let key = [0xaa; 131];
        let hash = Replacement::new(How::Hash, Some(&key)).unwrap();
        let value = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hash.of(value).unwrap(), "hash:60e431591ee0b67f");
        assert_eq!(
            hash.of(b"hash:60e431591ee0b67f").unwrap(),
            "hash:60e431591ee0b67f"
        );
        assert_ne!(
            hash.of(b"hash:60e431591ee0b67F").unwrap(),
            "hash:60e431591ee0b67F"
        );
        assert_eq!(hash.of(b"").unwrap(), "");
    }

    #[test]
    fn a_hash_needs_a_key_that_nobody_guesses() {
        assert!(Replacement::new(How::Hash, None).is_err());
        let error = Replacement::new(How::Hash, Some(b"short")).unwrap_err();
        assert_eq!(error, "the key has 5 bytes, at least 16 are needed");
        let hash = Replacement::new(How::Hash, Some(&[7; 16])).unwrap();
        assert_eq!(format!("{hash:?}"), "Hash(***)");
    }
}
