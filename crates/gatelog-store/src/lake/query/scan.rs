//! Files and rows in memory as one table for DataFusion.

use std::collections::VecDeque;
use std::fmt;
use std::future::ready;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::{ParquetOptions, TableParquetOptions};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::object_store;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use gatelog_record::{Field, Timestamp};

use super::super::file::StoredFile;
use super::super::schema::{TIME_ZONE, schema};

/// How files are read.
#[derive(Clone)]
pub(super) struct Files {
    /// The lake's directory.
    pub(super) root: Arc<Path>,
    pub(super) options: ParquetOptions,
    pub(super) readers: Arc<dyn ParquetFileReaderFactory>,
}

/// What is read.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) files: Vec<Arc<StoredFile>>,
    pub(super) batches: Vec<RecordBatch>,
    /// Which files are read first: the sooner the wanted rows are found, the more of the other
    /// files can be passed over.
    pub(super) latest_first: bool,
}

impl Files {
    /// The rows of `scan` as a table.
    pub(super) fn table(&self, scan: Scan) -> Table {
        Table {
            reading: self.clone(),
            scan,
        }
    }
}

/// The rows of a [`Scan`]. Conditions reach the files by way of DataFusion's physical optimizer,
/// which pushes them into each source.
pub(super) struct Table {
    reading: Files,
    scan: Scan,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl Table {
    fn plan(
        &self,
        partitions: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut sources: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.scan.files.is_empty() {
            sources.push(self.files(partitions, projection)?);
        }
        if !self.scan.batches.is_empty() || sources.is_empty() {
            let batches = [self.scan.batches.clone()];
            sources.push(MemorySourceConfig::try_new_exec(
                &batches,
                schema(),
                projection.cloned(),
            )?);
        }
        UnionExec::try_new(sources)
    }

    /// The files, as a source that knows only the columns that are read: what is said about each
    /// file then has their number of entries, not that of all columns.
    fn files(
        &self,
        partitions: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(projection) => Arc::new(schema().project(projection)?),
            None => schema(),
        };
        let mut files: Vec<&Arc<StoredFile>> = self.scan.files.iter().collect();
        files.sort_by_key(|file| file.start);
        if self.scan.latest_first {
            files.reverse();
        }
        // Dealt out in turn, so every thread begins with the files that matter most.
        let mut groups = VecDeque::from(vec![Vec::new(); partitions.min(files.len()).max(1)]);
        for file in files {
            if let Some(mut group) = groups.pop_front() {
                group.push(self.partitioned(file, &columns)?);
                groups.push_back(group);
            }
        }
        let options = TableParquetOptions {
            global: self.reading.options.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(columns)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::clone(&self.reading.readers));
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn partitioned(&self, file: &StoredFile, columns: &Schema) -> Result<PartitionedFile> {
        let path = file.path(&self.reading.root);
        let location = object_store::path::Path::from_absolute_path(path)
            .map_err(object_store::Error::from)?;
        let mut partitioned = PartitionedFile::new("", file.bytes)
            .with_statistics(Arc::new(statistics(file, columns)));
        partitioned.object_meta.location = location;
        Ok(partitioned)
    }
}

/// What the catalogue knows about a file, so that it can be passed over without being opened.
fn statistics(file: &StoredFile, columns: &Schema) -> Statistics {
    let exact = |time: Timestamp| {
        Precision::Exact(ScalarValue::TimestampMicrosecond(
            Some(time.micros()),
            Some(TIME_ZONE.into()),
        ))
    };
    let mut statistics = Statistics::new_unknown(columns);
    statistics.num_rows = Precision::Exact(usize::try_from(file.rows).unwrap_or(usize::MAX));
    if let Ok(place) = columns.index_of(Field::StartTime.name())
        && let Some(column) = statistics.column_statistics.get_mut(place)
        && let Some((least, greatest)) = file.start
    {
        column.min_value = exact(least);
        column.max_value = exact(greatest);
        column.null_count =
            Precision::Exact(usize::try_from(file.without_start).unwrap_or(usize::MAX));
    }
    statistics
}

impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'table, 'session, 'projection, 'filters, 'scan>(
        &'table self,
        session: &'session dyn Session,
        projection: Option<&'projection Vec<usize>>,
        _filters: &'filters [Expr],
        _limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'scan>>
    where
        'table: 'scan,
        'session: 'scan,
        'projection: 'scan,
        'filters: 'scan,
    {
        let partitions = session.config().target_partitions();
        Box::pin(ready(self.plan(partitions, projection)))
    }
}
