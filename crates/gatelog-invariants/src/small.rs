//! The small readers of `gatelog_record`: moments, flags, ids.

use std::borrow::Cow;

use gatelog_record::{RecordId, Timestamp, response_flag};

/// 9999-12-31T23:59:59.999999Z.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// - A moment lies in its range and is read again from each form that it is written in, as far as
///   that form goes.
/// - Flags that are in order stay as they are; order neither adds nor loses one.
/// - An id is read again from its text.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    moment(&text);
    flags(&text);
    if let Some(id) = RecordId::parse(&text) {
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
    }
    if let Some((number, _)) = bytes.split_first_chunk::<8>() {
        let bits = u64::from_le_bytes(*number);
        let named = response_flag::from_bits(bits);
        assert_eq!(named.is_none(), bits == 0);
        let count = named.as_ref().map_or(0, |names| names.split(',').count());
        assert_eq!(count, bits.count_ones() as usize, "{named:?}");
        let moment = Timestamp::from_micros(i64::from_le_bytes(*number));
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
    }
}

fn moment(text: &str) {
    let Some(moment) = Timestamp::parse(text) else {
        return;
    };
    let micros = moment.micros();
    assert!((0..=MAX_MICROS).contains(&micros), "{micros}");
    let again = |text: &str| Timestamp::parse(text).map(Timestamp::micros);
    assert_eq!(again(&moment.to_string()), Some(micros));
    for (digits, unit) in [(0, 1_000_000), (3, 1000), (6, 1)] {
        assert_eq!(again(&moment.to_sql(digits)), Some(micros - micros % unit));
    }
    assert!(moment.to_sql(0).starts_with(&moment.day()));
    assert_eq!(
        again(&moment.to_rfc3339_millis()),
        Some(micros - micros % 1000)
    );
}

fn flags(text: &str) {
    let Some(flags) = response_flag::normalize(Cow::Borrowed(text)) else {
        return;
    };
    let again = response_flag::normalize(flags.clone());
    assert_eq!(again.as_ref(), Some(&flags), "of {text:?}");
    if text.contains(',') {
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            let words = text.split(',').map(str::trim);
            let kept = words.filter(|word| !word.is_empty() && *word != "-");
            kept.map(str::to_owned).collect()
        };
        assert_eq!(words(&flags), words(text));
        assert_eq!(flags.split(',').count(), words(&flags).len(), "{flags}");
    }
}
