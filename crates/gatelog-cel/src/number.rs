//! Numbers: their order across types, and their text.

use std::cmp::Ordering;

use crate::Value;

/// 2⁶³, the least double above every `int`.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// 2⁶⁴, the least double above every `uint`.
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

/// The order of two numbers by their mathematical value; `None` for what is no number.
pub(crate) fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Double(left), _) => to_integer(right)
            .and_then(|right| order_with_double(right, *left))
            .map(Ordering::reverse),
        (_, Value::Double(right)) => {
            to_integer(left).and_then(|left| order_with_double(left, *right))
        }
        _ => Some(to_integer(left)?.cmp(&to_integer(right)?)),
    }
}

fn to_integer(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

fn order_with_double(integer: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= UINT_END {
        return Some(Ordering::Less);
    }
    if double < -INT_END {
        return Some(Ordering::Greater);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "its range was looked at above"
    )]
    let whole = double.trunc() as i128;
    let by_whole = integer.cmp(&whole);
    let by_fraction = 0.0_f64.partial_cmp(&double.fract());
    Some(by_whole.then(by_fraction.unwrap_or(Ordering::Equal)))
}

/// The integer part of a double that fits an `int`.
pub(crate) fn double_to_int(double: f64) -> Option<i64> {
    let fits = double > -INT_END && double < INT_END;
    #[expect(clippy::cast_possible_truncation, reason = "it fits")]
    fits.then_some(double as i64)
}

/// The integer part of a double that fits a `uint`.
pub(crate) fn double_to_uint(double: f64) -> Option<u64> {
    let fits = (0.0..UINT_END).contains(&double);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits"
    )]
    fits.then_some(double as u64)
}

/// The double next to an integer.
#[expect(
    clippy::cast_precision_loss,
    reason = "CEL's double() rounds to the nearest"
)]
pub(crate) fn to_double(integer: i128) -> f64 {
    integer as f64
}

/// As C's `%g`: six significant digits, no zeros behind them.
pub(crate) fn six_digits(double: f64) -> String {
    if double.is_nan() {
        return "nan".to_owned();
    }
    if double.is_infinite() {
        return if double > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{double:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or(0);
        return without_zeros(&format!("{double:.places$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let digits = without_zeros(digits);
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_order_across_types() {
        let less = |left: Value<'_>, right: Value<'_>| {
            assert_eq!(
                order(&left, &right),
                Some(Ordering::Less),
                "{left:?} {right:?}"
            );
            assert_eq!(order(&right, &left), Some(Ordering::Greater));
        };
        less(Value::Int(1), Value::Double(1.5));
        less(Value::Double(-1.5), Value::Int(-1));
        less(Value::Int(-1), Value::Uint(0));
        less(Value::Int(i64::MAX), Value::Double(INT_END));
        less(Value::Uint(u64::MAX), Value::Double(UINT_END));
        less(Value::Double(f64::NEG_INFINITY), Value::Int(i64::MIN));
        assert_eq!(
            order(&Value::Int(i64::MIN), &Value::Double(-INT_END)),
            Some(Ordering::Equal)
        );
        assert_eq!(order(&Value::Int(0), &Value::Double(f64::NAN)), None);
    }

    #[test]
    fn doubles_have_six_digits() {
        for (double, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1.25, "1.25"),
            (0.1, "0.1"),
            (100_000_000.0, "1e+08"),
            (999_999.5, "1e+06"),
            (123_456.7, "123457"),
            (0.000_1, "0.0001"),
            (0.000_01, "1e-05"),
            (-1e300, "-1e+300"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(six_digits(double), text);
        }
    }
}
