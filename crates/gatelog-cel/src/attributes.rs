//! What a request answers.

use crate::Value;

/// The attributes of one request, asked for as an expression needs them.
///
/// The names are Envoy's: `request.path`, `request.headers["x"]`, `response.code`,
/// `connection.mtls`, `source.address`, `upstream.address`, `xds.route_name`,
/// `metadata.filter_metadata["ns"].key`, `filter_state["key"]`, … Header names are to be compared
/// without regard to case, as Envoy does.
pub trait Attributes {
    /// The value at this path, which has at least one segment; `None` when it is absent.
    ///
    /// A map or list may be answered as a whole for the path of it: what is below a path that is
    /// absent is looked for in what is above. It has to be answered so where `size()` or a list's
    /// elements are to work.
    fn get(&self, path: &[&str]) -> Option<Value<'_>>;
}

/// Names that stand for a group of attributes in Envoy. A group is there even where none of its
/// attributes is: `has(response.code)` is false and no error.
const GROUPS: [&str; 9] = [
    "request",
    "response",
    "connection",
    "upstream",
    "source",
    "destination",
    "xds",
    "filter_state",
    "upstream_filter_state",
];

/// Whether the path is that of a group, or of the headers, which are a map however few there are.
pub(crate) fn is_group(path: &[&str]) -> bool {
    match path {
        [name] => GROUPS.contains(name),
        ["request" | "response", "headers"]
        | ["response", "trailers"]
        | ["metadata", "filter_metadata"] => true,
        _ => false,
    }
}
