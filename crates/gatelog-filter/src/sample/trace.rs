//! Chance that is the same wherever a trace is seen.

/// The number by which a trace is sampled: one that is even over all 64 bits.
///
/// It is the 64-bit FNV-1a hash of the id's last 16 characters in lower case, mixed by the finaliser of
/// `MurmurHash3` (`fmix64`). The last 16 of a trace id of 128 bits are what systems with ids of 64 bits
/// hand on, so a trace has one number in both. A record is kept where the number is below p·2⁶⁴.
pub fn number_of_trace(id: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = id.as_bytes();
    let last = bytes.len().saturating_sub(16);
    let hash = bytes.iter().skip(last).fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME)
    });
    mixed(hash)
}

fn mixed(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ bits >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_one_number() {
        let long = number_of_trace("4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(long, number_of_trace("a3ce929d0e0e4736"));
        assert_eq!(long, number_of_trace("4BF92F3577B34DA6A3CE929D0E0E4736"));
        assert_ne!(long, number_of_trace("4bf92f3577b34da6a3ce929d0e0e4737"));
        // Fixed for ever: gateways and collectors of different versions decide alike.
        assert_eq!(long, 0x2d09_876f_6246_6a95);
    }

    #[test]
    fn numbers_are_even() {
        let mut counts = [0u32; 16];
        for id in 0..160_000u64 {
            let number = number_of_trace(&format!("{id:016x}"));
            counts[usize::try_from(number >> 60).unwrap()] += 1;
        }
        // Four deviations of a share of 10,000.
        assert!(
            counts.iter().all(|count| count.abs_diff(10_000) < 400),
            "{counts:?}"
        );
    }
}
