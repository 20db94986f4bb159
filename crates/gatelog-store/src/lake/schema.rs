//! The columns of the lake: one per field of the record, under the field's name.
//!
//! **Invariants.** Rows in memory and in files have the same Arrow types, so both are read in one
//! plan. Every column may be absent: a field that a later version adds is read as absent from the
//! files of this one.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{self, DataType, Schema, SchemaRef, TimeUnit};
use gatelog_record::{Field, Kind};

/// Bytes of a record id.
pub(super) const ID_BYTES: i32 = 16;

/// The name of the time zone in the columns of moments.
pub(super) const TIME_ZONE: &str = "UTC";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let columns = Field::ALL
        .iter()
        .map(|field| datatypes::Field::new(field.name(), data_type(field.kind()), true));
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
});

/// All columns, in the order of [`Field::ALL`].
pub(super) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// The place of a field's column in [`schema`].
pub(super) fn index_of(field: Field) -> Option<usize> {
    Field::ALL.iter().position(|&other| other == field)
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text | Kind::Json | Kind::Headers => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(TIME_ZONE.into())),
        // Big endian, so that the bytes sort as the ids do.
        Kind::Id => DataType::FixedSizeBinary(ID_BYTES),
    }
}
