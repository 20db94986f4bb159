//! Answers queries over the files and the rows in memory, in one DataFusion plan.
//!
//! **Shape.** A page is read in two steps: first the sort field and the record id of all rows that
//! fit, of which the page's rows are kept; then those rows, looked up by their ids in the few
//! files that can have them. So a page of ten rows decodes all columns of some pages, not of all
//! rows that fit. Of those, the page keeps as many as its bytes allow, while the files are still read.
//! The rows are counted in a plan of its own, if that is asked and the page does not
//! show them all; where a file lies wholly inside the asked time and nothing else is asked, the
//! catalogue knows its count.
//!
//! **Invariants.** All steps of an answer see the same [`Snapshot`].
//!
//! **Limits.** Queries run on threads of their own, some at a time, in bounded memory and time (see
//! [`Config`]). A query whose caller is gone, or whose time is up, is stopped at its next batch.

mod condition;
mod count;
mod json_test;
mod order;
mod page_rows;
mod scan;
mod text_test;

#[cfg(test)]
mod pruning_tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::config::ConfigOptions;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures_util::StreamExt;
use gatelog_record::AccessRecord;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Config;
use super::failure::Failure;
use super::state::{Shared, Snapshot};
use crate::{Page, Paging, Query};
use count::Count;
use order::Key;
use page_rows::PageRows;
use scan::Scan;

/// Bytes of file footers that are kept, so that a file is not read anew for each query.
const FOOTER_CACHE_BYTES: usize = 64 << 20;

/// What answers queries.
#[derive(Debug)]
pub(super) struct Engine {
    planner: Planner,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    permits: Arc<Semaphore>,
    limit: Duration,
}

/// What makes plans.
#[derive(Clone)]
struct Planner {
    session: SessionContext,
    files: scan::Files,
}

impl Engine {
    /// An engine for the files below `root`.
    pub(super) fn new(root: &Path, config: &Config) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.query_threads.max(1))
            .thread_name("lake-query")
            .enable_time()
            .build()
            .map_err(|error| Failure::unavailable(format!("starting threads: {error}")))?;
        Ok(Self {
            planner: Planner::new(root, config)?,
            runtime: Some(runtime),
            permits: Arc::new(Semaphore::new(config.concurrent_queries.max(1))),
            limit: config.query_timeout,
        })
    }

    /// Answers a query over the rows as they are now.
    pub(super) async fn answer(
        &self,
        shared: &Arc<Shared>,
        query: &Query,
    ) -> Result<Page, Failure> {
        if let Some(flaw) = query.flaw() {
            return Err(Failure::unanswerable(flaw));
        }
        let ended = || Failure::unavailable("queries have ended");
        let (permits, shared) = (Arc::clone(&self.permits), Arc::clone(shared));
        let (planner, query, limit) = (self.planner.clone(), query.clone(), self.limit);
        let work = async move {
            let _permit = permits.acquire().await.map_err(|_| ended())?;
            let snapshot = shared.lock().snapshot()?;
            planner.answer(&snapshot, &query).await
        };
        // All of it runs there: the caller's runtime may have no clock.
        let in_time = async move {
            timeout(limit, work).await.unwrap_or_else(|_| {
                Err(Failure::unavailable(format!(
                    "query: no answer within {limit:?}"
                )))
            })
        };
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        let mut task = Aborting(runtime.spawn(in_time));
        (&mut task.0)
            .await
            .map_err(|error| Failure::unavailable(format!("query: {error}")))?
    }
}

/// A task that ends when nobody waits for it.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Queries still running are stopped at their next batch; waiting for them here could stop the
/// thread of another runtime.
impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planner").finish_non_exhaustive()
    }
}

impl Planner {
    fn new(root: &Path, config: &Config) -> Result<Self, Failure> {
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(config.query_memory_bytes)))
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
            )
            .with_metadata_cache_limit(FOOTER_CACHE_BYTES)
            .build_arc()?;
        let store = environment.object_store(ObjectStoreUrl::local_filesystem())?;
        let footers = environment.cache_manager.get_file_metadata_cache();
        let mut options = ConfigOptions::default();
        options.execution.target_partitions = config.query_threads.max(1);
        // Texts are Utf8 in memory, and in files too.
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.pushdown_filters = true;
        options.optimizer.repartition_file_scans = false;
        let parquet = options.execution.parquet.clone();
        let session = SessionContext::new_with_config_rt(SessionConfig::from(options), environment);
        Ok(Self {
            session,
            files: scan::Files {
                root: root.into(),
                options: parquet,
                readers: Arc::new(CachedParquetFileReaderFactory::new(store, footers)),
            },
        })
    }

    async fn answer(&self, snapshot: &Snapshot, query: &Query) -> Result<Page, Failure> {
        let mut keys = self.keys(snapshot, query).await?;
        let found = keys.len();
        let size = query.page_size as usize;
        keys.truncate(size);
        let records = self.records(snapshot, &keys, query.page_bytes).await?;
        keys.truncate(records.len());
        let more = keys.len() < found;
        let next = if more {
            keys.last().map(|key| key.cursor(query.sort))
        } else {
            None
        };
        let all_shown = query.paging == Paging::Number(1) && !more && size > 0;
        let count = match query.count {
            false => None,
            true if all_shown => Some(Count::of(&records)),
            true => Some(self.count(snapshot, &query.conditions).await?),
        };
        Ok(Page {
            total: count.as_ref().map(|count| count.rows),
            estimated_total: count.and_then(|count| count.estimate()),
            records,
            next,
        })
    }

    /// The keys of the page's rows in their order, and of one row more if there is one.
    async fn keys(&self, snapshot: &Snapshot, query: &Query) -> Result<Vec<Key>, Failure> {
        let size = query.page_size as usize;
        let mut conditions = condition::all(&query.conditions);
        let times = condition::Times::of(&query.conditions);
        let (skipped, after) = match &query.paging {
            Paging::Number(number) => (number.saturating_sub(1) as usize * size, None),
            Paging::After(cursor) => (0, Some(cursor)),
        };
        conditions.extend(after.map(order::behind));
        if size == 0 || skipped as u64 >= snapshot.rows() {
            return Ok(Vec::new());
        }
        let scan = Scan {
            files: snapshot
                .files
                .iter()
                .filter(|file| {
                    times.may_hold_some(file)
                        && after.is_none_or(|cursor| order::may_hold_rows_behind(cursor, file))
                })
                .cloned()
                .collect(),
            batches: snapshot.batches.clone(),
            latest_first: query.sort.descending,
        };
        let batches = self
            .read(scan, conditions)?
            .select(order::columns(query.sort.field).map(|field| ident(field.name())))?
            .sort(order::sorting(query.sort))?
            .limit(skipped, Some(size + 1))?
            .collect()
            .await?;
        Ok(order::keys(&batches, query.sort.field))
    }

    /// The rows with these keys, in the order of the keys, as far as `bytes` go.
    async fn records(
        &self,
        snapshot: &Snapshot,
        keys: &[Key],
        bytes: usize,
    ) -> Result<Vec<AccessRecord<'static>>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let scan = Scan {
            files: snapshot
                .files
                .iter()
                .filter(|file| keys.iter().any(|key| key.may_be_in(file)))
                .cloned()
                .collect(),
            batches: snapshot.batches.clone(),
            latest_first: false,
        };
        let mut batches = self
            .read(scan, vec![order::is_one_of(keys)])?
            .execute_stream()
            .await?;
        let mut rows = PageRows::new(keys, bytes);
        while let Some(batch) = batches.next().await {
            rows.take(&batch?);
        }
        Ok(rows.in_order())
    }

    fn read(&self, scan: Scan, conditions: Vec<Expr>) -> Result<DataFrame, Failure> {
        let all = conditions.into_iter().reduce(Expr::and);
        let table = self.session.read_table(Arc::new(self.files.table(scan)))?;
        Ok(match all {
            Some(all) => table.filter(all)?,
            None => table,
        })
    }
}

/// A value that no row has.
fn never() -> Expr {
    lit(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn the_wait_for_other_queries_is_part_of_the_time() {
        let root = tempfile::tempdir().unwrap();
        let config = Config {
            concurrent_queries: 1,
            query_timeout: Duration::from_millis(10),
            ..Config::default()
        };
        let engine = Engine::new(root.path(), &config).unwrap();
        let shared = Arc::new(Shared::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = || runtime.block_on(engine.answer(&shared, &Query::default()));
        let other = engine.permits.try_acquire().unwrap();
        let error = Error::from(answer().unwrap_err());
        assert!(
            matches!(&error, Error::Unavailable { reason, .. } if reason.contains("within 10ms")),
            "{error}"
        );
        drop(other);
        assert_eq!(engine.permits.available_permits(), 1);
    }
}
