//! What a field can hold, for code that treats all fields alike.

use std::borrow::Cow;

pub use crate::record::Field;
use crate::{Headers, RecordId, Timestamp};

/// The kind of value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text, never empty.
    Text,
    /// A 64-bit integer; the field says the unit.
    Integer,
    /// A 64-bit float.
    Float,
    /// A moment.
    Time,
    /// JSON text, kept as it came.
    Json,
    /// Header names with their values.
    Headers,
    /// A record id.
    Id,
}

/// The value of a field that is present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// See [`Kind::Text`].
    Text(&'v str),
    /// See [`Kind::Integer`].
    Integer(i64),
    /// See [`Kind::Float`].
    Float(f64),
    /// See [`Kind::Time`].
    Time(Timestamp),
    /// See [`Kind::Json`].
    Json(&'v str),
    /// See [`Kind::Headers`].
    Headers(&'v Headers<'v>),
    /// See [`Kind::Id`].
    Id(RecordId),
}

/// The place of a field in a record, to be written.
#[derive(Debug)]
pub enum Slot<'r, 'a> {
    /// See [`Kind::Text`].
    Text(&'r mut Option<Cow<'a, str>>),
    /// See [`Kind::Integer`].
    Integer(&'r mut Option<i64>),
    /// See [`Kind::Float`].
    Float(&'r mut Option<f64>),
    /// See [`Kind::Time`].
    Time(&'r mut Option<Timestamp>),
    /// See [`Kind::Json`].
    Json(&'r mut Option<Cow<'a, str>>),
    /// See [`Kind::Headers`].
    Headers(&'r mut Headers<'a>),
    /// See [`Kind::Id`].
    Id(&'r mut Option<RecordId>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_37_fields_are_the_columns_of_the_seed_in_its_order() {
        let names: Vec<_> = Field::columns().iter().map(|field| field.name()).collect();
        let seed = "start_time trace_id authority method path protocol request_id user_agent \
            x_forwarded_for response_code response_flags response_code_details bytes_received \
            bytes_sent duration upstream_cluster upstream_host upstream_service_time \
            upstream_transport_failure_reason upstream_local_address downstream_local_address \
            downstream_remote_address route_name requested_server_name istio_policy_status ai_log \
            instance_id api model consumer route service mcp_server mcp_tool input_tokens \
            output_tokens total_tokens";
        assert_eq!(names.join(" "), seed);
    }

    #[test]
    fn every_field_is_found_by_its_tag() {
        for &field in Field::ALL {
            assert_eq!(
                Field::from_tag(field as u64),
                Some(field),
                "{}",
                field.name()
            );
        }
        assert_eq!(Field::from_tag(0), None);
    }
}
