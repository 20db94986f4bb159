//! Numbers as text, appended without a detour.

/// Appends a number.
pub(crate) fn push_number(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    push_unsigned(number.unsigned_abs(), out);
}

/// Appends a number.
pub(crate) fn push_unsigned(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = low_digit(rest);
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Appends a number with at least `width` digits, `pad` in front of it.
pub(crate) fn push_padded(number: i64, width: usize, pad: u8, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    let number = number.unsigned_abs();
    let mut digits = 1;
    let mut rest = number / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    out.extend(std::iter::repeat_n(pad, width.saturating_sub(digits)));
    push_unsigned(number, out);
}

/// The last digit of a number, as a character.
fn low_digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_does(number: i64, width in 0usize..25) {
            let mut out = Vec::new();
            push_number(number, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
            let mut out = Vec::new();
            push_padded(number.saturating_abs(), width, b'0', &mut out);
            prop_assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{:0width$}", number.saturating_abs())
            );
        }
    }
}
