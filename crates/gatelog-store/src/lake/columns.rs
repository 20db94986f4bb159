//! Records to columns: the builders that rows are appended to.
//!
//! **Shape.** [`Columns::append`] copies a borrowed record's fields to the ends of the builders'
//! buffers, with no allocation of its own; [`Columns::finish`] hands the buffers over as a
//! [`RecordBatch`].
//!
//! **Limits.** A batch's texts of one column are addressed with 31 bits; the caller finishes far
//! below (see [`memory`](super::memory)).

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, FixedSizeBinaryBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::error::ArrowError;
use gatelog_record::{AccessRecord, Field, Kind, Value, json};

use super::schema::{ID_BYTES, TIME_ZONE, schema};

/// What a row takes besides its texts: offsets and numbers of all columns.
pub(super) const ROW_BYTES: usize = 400;

/// Rows under construction.
#[derive(Debug)]
pub(super) struct Columns {
    all: Vec<Column>,
    rows: usize,
    /// Room for the text of one record's headers.
    text: String,
}

#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMicrosecondBuilder),
    Id(FixedSizeBinaryBuilder),
}

impl Columns {
    /// No rows.
    pub(super) fn new() -> Self {
        Self {
            all: Field::ALL
                .iter()
                .map(|field| Column::new(field.kind()))
                .collect(),
            rows: 0,
            text: String::new(),
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends one row; answers how many bytes it takes, about.
    pub(super) fn append(&mut self, record: &AccessRecord<'_>) -> usize {
        let mut bytes = ROW_BYTES;
        for (column, &field) in self.all.iter_mut().zip(Field::ALL) {
            bytes += column.append(record.get(field), &mut self.text);
        }
        self.rows += 1;
        bytes
    }

    /// The rows as a batch; the builders begin anew.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let columns = self.all.iter_mut().map(|column| {
            let mut column = column.finish();
            // Buffers grow by doubling; the rows stay for a while, the spare room need not.
            if let Some(column) = Arc::get_mut(&mut column) {
                column.shrink_to_fit();
            }
            column
        });
        RecordBatch::try_new(schema(), columns.collect())
    }
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Json | Kind::Headers => Column::Text(StringBuilder::new()),
            Kind::Integer => Column::Integer(Int64Builder::new()),
            Kind::Float => Column::Float(Float64Builder::new()),
            Kind::Time => Column::Time(TimestampMicrosecondBuilder::new().with_timezone(TIME_ZONE)),
            Kind::Id => Column::Id(FixedSizeBinaryBuilder::new(ID_BYTES)),
        }
    }

    /// Appends one value; answers how many bytes its text has.
    #[inline]
    fn append(&mut self, value: Option<Value<'_>>, text: &mut String) -> usize {
        match (self, value) {
            (Column::Text(column), Some(Value::Text(text) | Value::Json(text))) => {
                column.append_value(text);
                return text.len();
            }
            (Column::Text(column), Some(Value::Headers(value))) => {
                text.clear();
                json::write_headers(value, text);
                column.append_value(&text);
                return text.len();
            }
            (Column::Text(column), _) => column.append_null(),
            (Column::Integer(column), Some(Value::Integer(number))) => column.append_value(number),
            (Column::Integer(column), _) => column.append_null(),
            (Column::Float(column), Some(Value::Float(number))) => column.append_value(number),
            (Column::Float(column), _) => column.append_null(),
            (Column::Time(column), Some(Value::Time(time))) => column.append_value(time.micros()),
            (Column::Time(column), _) => column.append_null(),
            (Column::Id(column), Some(Value::Id(id))) => {
                if column.append_value(id.bits().to_be_bytes()).is_err() {
                    // Only for bytes of another length, which 128 bits never have.
                    column.append_null();
                }
            }
            (Column::Id(column), _) => column.append_null(),
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(column) => Arc::new(column.finish()),
            Column::Integer(column) => Arc::new(column.finish()),
            Column::Float(column) => Arc::new(column.finish()),
            Column::Time(column) => Arc::new(column.finish()),
            Column::Id(column) => Arc::new(column.finish()),
        }
    }
}
