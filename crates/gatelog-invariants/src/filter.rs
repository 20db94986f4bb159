//! `gatelog_filter`: configurations of any JSON, and what they decide.

use gatelog_filter::config::from_pasted;
use gatelog_filter::{AccessLogFilter, Decision, Filter, Runtime, SampleConfig};
use gatelog_record::AccessRecord;

use crate::program::must;

/// The bytes are a document, that of a filter or of a sampling policy.
///
/// - The readers never panic.
/// - What was read is written so that it reads the same.
/// - A filter that can be compiled decides without a panic, and what it keeps weighs at least 1 and is
///   finite.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    if let Ok(policy) = serde_json::from_slice::<SampleConfig>(bytes) {
        let written = must(serde_json::to_vec(&policy), "a policy is written");
        let read: SampleConfig = must(serde_json::from_slice(&written), "a policy is read");
        assert_eq!(read, policy);
    }
    let Ok(document) = serde_json::from_slice(bytes) else {
        return;
    };
    let Ok(config) = from_pasted(&document) else {
        return;
    };
    let written = must(serde_json::to_value(&config), "a filter is written");
    assert_eq!(AccessLogFilter::from_json(&written).as_ref(), Ok(&config));
    let Ok(filter) = Filter::compile(&config, &Runtime::default()) else {
        return;
    };
    for request_id in [None, Some("00000031-0000-4000-8000-000000000abc")] {
        let record = AccessRecord {
            request_id: request_id.map(Into::into),
            response_code: Some(200),
            ..AccessRecord::default()
        };
        if let Decision::Keep { weight } = filter.decide(&record, &mut || 7) {
            assert!(weight >= 1.0 && weight.is_finite(), "{weight}");
        }
    }
}
