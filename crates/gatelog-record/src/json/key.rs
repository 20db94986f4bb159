//! Which key means which field.

use std::sync::OnceLock;

use crate::Field;

/// What a key of an object stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The field itself. The last of several such keys wins.
    Field(Field),
    /// Another gateway's word for the field: it counts only where the field's own key has no
    /// value, and of several the first with a value.
    Otherwise(Field),
}

/// Other names than the field's own.
///
/// The short `req_…` and `resp_…` are the Higress plugin's; camel case is Hango's access log. Of
/// Hango's two hosts, `originHost` (before any rewriting) comes first in its lines, and wins.
const OTHER_NAMES: &[(&str, Field)] = &[
    ("req_headers", Field::RequestHeaders),
    ("resp_headers", Field::ResponseHeaders),
    ("req_body", Field::RequestBody),
    ("resp_body", Field::ResponseBody),
    ("uri", Field::Path),
    ("respCode", Field::ResponseCode),
    ("userIp", Field::DownstreamRemoteAddress),
    ("xffIp", Field::XForwardedFor),
    ("requestId", Field::RequestId),
    ("time", Field::StartTime),
    ("upstreamHost", Field::UpstreamHost),
    ("upstreamServiceTime", Field::UpstreamServiceTime),
    ("userAgent", Field::UserAgent),
    ("bodyBytesSent", Field::BytesSent),
    ("requestAuthority", Field::Authority),
    ("originHost", Field::Authority),
    ("responseFlags", Field::ResponseFlags),
    ("apiName", Field::Api),
    ("apiId", Field::RouteName),
    ("clusterName", Field::InstanceId),
    ("serviceName", Field::Service),
];

/// Keys by a number made of their length and three of their bytes: a look-up compares with one or
/// two names.
type Table = Vec<Vec<(&'static str, Key)>>;

/// How many numbers there are.
const BUCKETS: usize = 512;

fn bucket(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().map_or(0, usize::from);
    let (first, middle, last) = (
        byte(0),
        byte(bytes.len() / 2),
        byte(bytes.len().wrapping_sub(1)),
    );
    (bytes.len() * 37 + first * 5 + middle * 11 + last * 23) % BUCKETS
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let own = Field::ALL
            .iter()
            .map(|&field| (field.name(), Key::Field(field)));
        let other = OTHER_NAMES
            .iter()
            .map(|&(name, field)| (name, Key::Otherwise(field)));
        let mut table = vec![Vec::new(); BUCKETS];
        for (name, key) in own.chain(other) {
            if let Some(names) = table.get_mut(bucket(name)) {
                names.push((name, key));
            }
        }
        table
    })
}

/// What this key stands for; `None` for a key that no record has.
pub(super) fn find(name: &str) -> Option<(&'static str, Key)> {
    table()
        .get(bucket(name))?
        .iter()
        .find(|(known, _)| *known == name)
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_among_few() {
        for names in table() {
            assert!(names.len() <= 3, "{names:?}");
            for (name, key) in names {
                assert_eq!(find(name), Some((*name, *key)));
            }
        }
        let names: usize = table().iter().map(Vec::len).sum();
        assert_eq!(names, Field::ALL.len() + OTHER_NAMES.len());
        assert_eq!(find("nothing"), None);
        assert_eq!(find(""), None);
    }
}
