//! The files are plain Parquet.

use std::fs::File;

use datafusion::parquet::file::reader::{FileReader as _, SerializedFileReader};
use datafusion::parquet::record::RowAccessor as _;
use gatelog_store::lake::Config;

use super::{DAY, Fixture, records};

#[test]
fn a_plain_reader_reads_the_rows_and_finds_two_bloom_filters() {
    let fixture = Fixture::new(Config::default());
    let mut batch = records(0..100);
    batch.reverse();
    fixture.write(&batch, 1).unwrap();
    fixture.flush().unwrap();
    let files = fixture.files();
    assert_eq!(files, [fixture.root().join(DAY).join("1.parquet")]);
    let reader = SerializedFileReader::new(File::open(&files[0]).unwrap()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().num_rows(), 100);
    let mut filtered = Vec::new();
    for column in metadata.row_group(0).columns() {
        if column.bloom_filter_offset().is_some() {
            filtered.push(column.column_path().string());
        }
    }
    assert_eq!(filtered, ["trace_id", "request_id"]);
    let start = metadata.row_group(0).column(0);
    assert_eq!(start.column_path().string(), "start_time");
    assert!(start.statistics().is_some() && start.column_index_offset().is_some());
    // Sorted by start time.
    let times: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().get_timestamp_micros(0).unwrap())
        .collect();
    assert!(times.is_sorted() && times.len() == 100);
}
