//! One Parquet file of the lake.
//!
//! **Shape.** Rows sorted by start time, then record id. Zstandard; dictionaries for all columns
//! but those whose values hardly repeat; statistics per page, and Bloom filters for `trace_id` and
//! `request_id`, by which single requests are looked up.
//!
//! **Invariants.** A file is written under a temporary name, synced, renamed, and its directory
//! synced: under its final name it is whole, also after a power cut. It is never changed.
//!
//! **Source.** <https://parquet.apache.org/docs/file-format/>

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::interleave_record_batch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;
use gatelog_record::{Field, RecordId, Timestamp};

use super::failure::Failure;
use super::partition::Partition;
use super::schema::{index_of, schema};

/// What a file's name ends with.
pub(super) const SUFFIX: &str = ".parquet";

/// What the name of a file ends with while it is written.
pub(super) const TEMPORARY_SUFFIX: &str = ".parquet.tmp";

/// Rows that are gathered at once.
const GATHERED_ROWS: usize = 4096;

/// Rows of a row group. A flush has fewer, unless one write was larger.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// Columns by which single rows are looked up.
const BLOOM_FILTERED: [Field; 2] = [Field::TraceId, Field::RequestId];

/// Share of files in which such a look-up reads in vain.
const FALSE_POSITIVES: f64 = 0.01;

/// Columns whose values hardly repeat within a file: a dictionary would be built for nothing.
const WITHOUT_DICTIONARY: [Field; 11] = [
    Field::StartTime,
    Field::ReceiveTime,
    Field::RecordId,
    Field::TraceId,
    Field::RequestId,
    Field::AiLog,
    Field::AiChatId,
    Field::RequestBody,
    Field::ResponseBody,
    Field::RequestHeaders,
    Field::ResponseHeaders,
];

/// Columns whose least and greatest value help no query.
const WITHOUT_STATISTICS: [Field; 6] = [
    Field::AiLog,
    Field::Tries,
    Field::RequestBody,
    Field::ResponseBody,
    Field::RequestHeaders,
    Field::ResponseHeaders,
];

/// A file, as the catalogue knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredFile {
    /// Its number, never given twice.
    pub(super) id: i64,
    /// Its directory: a day, or `mixed`.
    pub(super) partition: String,
    /// How many rows it has.
    pub(super) rows: u64,
    /// How many bytes it has.
    pub(super) bytes: u64,
    /// Least and greatest start time, if any row has one.
    pub(super) start: Option<(Timestamp, Timestamp)>,
    /// How many rows have none.
    pub(super) without_start: u64,
    /// Least and greatest receive time, if any row has one.
    pub(super) receive: Option<(Timestamp, Timestamp)>,
    /// Least and greatest record id.
    pub(super) ids: Option<(RecordId, RecordId)>,
    /// How many rows carry a sample weight.
    pub(super) weighted_rows: u64,
    /// The sum of those weights.
    pub(super) weight: f64,
}

impl StoredFile {
    /// Where it is, below the lake's directory.
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        path(root, &self.partition, self.id, SUFFIX)
    }
}

fn path(root: &Path, partition: &str, id: i64, suffix: &str) -> PathBuf {
    root.join(partition).join(format!("{id}{suffix}"))
}

/// Writes the rows of one partition to a file with this number, for good.
///
/// The caller enters it in the catalogue; until then it is a leftover.
pub(super) fn write(
    root: &Path,
    id: i64,
    batches: &[RecordBatch],
    partition: &Partition,
) -> Result<StoredFile, Failure> {
    let directory = root.join(&partition.name);
    create_directory(root, &directory)?;
    let temporary = path(root, &partition.name, id, TEMPORARY_SUFFIX);
    let bytes = encode(&temporary, batches, &partition.order)?;
    let path = path(root, &partition.name, id, SUFFIX);
    fs::rename(&temporary, &path).map_err(|error| Failure::io("naming", &path, &error))?;
    sync_directory(&directory)?;
    Ok(StoredFile {
        id,
        partition: partition.name.clone(),
        rows: partition.order.len() as u64,
        bytes,
        start: partition.start,
        without_start: partition.without_start,
        receive: partition.receive,
        ids: partition.ids,
        weighted_rows: partition.weighted_rows,
        weight: partition.weight,
    })
}

/// Creates the directory if it is missing, in a way that lasts.
fn create_directory(root: &Path, directory: &Path) -> Result<(), Failure> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir(directory)
        .map_err(|error| Failure::io("creating the directory", directory, &error))?;
    sync_directory(root)
}

/// Makes the names in a directory last.
pub(super) fn sync_directory(directory: &Path) -> Result<(), Failure> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Failure::io("syncing the directory", directory, &error))
}

/// Writes and syncs the file; answers its size in bytes.
fn encode(path: &Path, batches: &[RecordBatch], order: &[(usize, usize)]) -> Result<u64, Failure> {
    let file = File::create(path).map_err(|error| Failure::io("creating", path, &error))?;
    let mut writer = ArrowWriter::try_new(file, schema(), Some(properties(order.len())))?;
    let batches: Vec<&RecordBatch> = batches.iter().collect();
    for rows in order.chunks(GATHERED_ROWS) {
        writer.write(&interleave_record_batch(&batches, rows)?)?;
    }
    let file = writer.into_inner()?;
    file.sync_all()
        .and_then(|()| file.metadata())
        .map(|metadata| metadata.len())
        .map_err(|error| Failure::io("syncing", path, &error))
}

fn properties(rows: usize) -> WriterProperties {
    let column = |field: &Field| ColumnPath::from(field.name());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("gatelog ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(sorting());
    for field in &WITHOUT_DICTIONARY {
        properties = properties.set_column_dictionary_enabled(column(field), false);
    }
    for field in &WITHOUT_STATISTICS {
        properties =
            properties.set_column_statistics_enabled(column(field), EnabledStatistics::None);
    }
    for field in &BLOOM_FILTERED {
        properties = properties
            .set_column_bloom_filter_enabled(column(field), true)
            .set_column_bloom_filter_fpp(column(field), FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(column(field), rows.min(ROW_GROUP_ROWS) as u64);
    }
    properties.build()
}

fn sorting() -> Option<Vec<SortingColumn>> {
    [Field::StartTime, Field::RecordId]
        .into_iter()
        .map(|field| {
            Some(SortingColumn {
                column_idx: index_of(field)?.try_into().ok()?,
                descending: false,
                nulls_first: false,
            })
        })
        .collect()
}
