//! Envoy's response flags: names, bits, and one order for all of them.
//!
//! Envoy 1.40 prints flags in the order they were set, older versions in bit order, the reference
//! plugin in any order; a set that is written in two ways splits every `GROUP BY`. gatelog writes
//! them in bit order, unknown names behind, sorted.
//!
//! Source: `source/common/stream_info/utility.h` and
//! `envoy/stream_info/stream_info.h` of Envoy 1.40.0.

mod explanation;

use std::borrow::Cow;

pub use explanation::{Class, EXPLANATIONS, Explanation};

/// The short names; a flag's place is its bit in Envoy's `response.flags` integer.
pub const NAMES: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC",
    "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
    "UDO",
];

/// The bit of a short name in Envoy's `response.flags` integer; `None` for an unknown name.
pub fn bit(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// The same set of flags in bit order, each once; unknown names follow, sorted.
///
/// `None` when there is none, which gateways write as `-` or as nothing.
pub fn normalize(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if text.is_empty() || text == "-" {
        return None;
    }
    if !text.contains(',') {
        return Some(text);
    }
    let mut flags: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|flag| !flag.is_empty() && *flag != "-")
        .collect();
    flags.sort_unstable_by_key(|flag| (bit(flag).unwrap_or(NAMES.len()), *flag));
    flags.dedup();
    if flags.is_empty() {
        None
    } else {
        Some(Cow::Owned(flags.join(",")))
    }
}

/// The flags of Envoy's `response.flags` integer, in bit order; a bit without a name is `bitN`.
///
/// `None` for 0.
pub fn from_bits(bits: u64) -> Option<Cow<'static, str>> {
    if bits == 0 {
        return None;
    }
    if bits.is_power_of_two()
        && let Some(name) = NAMES.get(bits.trailing_zeros() as usize)
    {
        return Some(Cow::Borrowed(name));
    }
    let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
    let names: Vec<Cow<'_, str>> = set
        .map(|bit| match NAMES.get(bit) {
            Some(name) => Cow::Borrowed(*name),
            None => Cow::Owned(format!("bit{bit}")),
        })
        .collect();
    Some(Cow::Owned(names.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_has_one_text() {
        let text = |flags: &str| normalize(Cow::Borrowed(flags)).map(Cow::into_owned);
        assert_eq!(text("URX,UF").as_deref(), Some("UF,URX"));
        assert_eq!(text("UF,URX").as_deref(), Some("UF,URX"));
        assert_eq!(text("NEW, UF ,UF,-").as_deref(), Some("UF,NEW"));
        assert_eq!(text("ANYTHING").as_deref(), Some("ANYTHING"));
        assert_eq!(text("-"), None);
        assert_eq!(text(",-,"), None);
    }

    /// The integers are those the real Envoy printed for `%CEL(response.flags)%`.
    #[test]
    fn bits_have_the_names_that_envoy_prints() {
        for (bits, names) in [
            (256, "NR"),
            (16_777_216, "NC"),
            (32_800, "UF,URX"),
            (16_384, "DC"),
            (268_435_456, "DR"),
            (32_772, "UT,URX"),
            (1536, "DI,FI"),
            (536_870_912, "UDO"),
        ] {
            assert_eq!(from_bits(bits).as_deref(), Some(names));
        }
        assert_eq!(from_bits(0), None);
        assert_eq!(from_bits(1 << 40 | 1).as_deref(), Some("LH,bit40"));
    }
}
