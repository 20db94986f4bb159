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

/// Keys by length: a look-up compares with the few names that are as long.
type ByLength = Vec<Vec<(&'static str, Key)>>;

fn by_length() -> &'static ByLength {
    static TABLE: OnceLock<ByLength> = OnceLock::new();
    TABLE.get_or_init(|| {
        let own = Field::ALL
            .iter()
            .map(|&field| (field.name(), Key::Field(field)));
        let other = OTHER_NAMES
            .iter()
            .map(|&(name, field)| (name, Key::Otherwise(field)));
        let mut table = ByLength::new();
        for (name, key) in own.chain(other) {
            if table.len() <= name.len() {
                table.resize(name.len() + 1, Vec::new());
            }
            if let Some(names) = table.get_mut(name.len()) {
                names.push((name, key));
            }
        }
        table
    })
}

/// What this key stands for; `None` for a key that no record has.
pub(super) fn find(name: &str) -> Option<(&'static str, Key)> {
    by_length()
        .get(name.len())?
        .iter()
        .find(|(known, _)| *known == name)
        .copied()
}
