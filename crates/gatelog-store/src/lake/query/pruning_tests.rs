//! What is passed over without being read, by the numbers that the scan itself keeps.

use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect};
use gatelog_record::{Field, RecordId, Timestamp, standard};

use super::super::columns::Columns;
use super::super::file::{self, StoredFile};
use super::super::partition;
use super::*;
use crate::{Condition, Sort};

const DAY_MILLIS: i64 = 86_400_000;
const FILES: u64 = 8;
const ROWS: u64 = 50;

/// A file of [`ROWS`] rows for each of [`FILES`] days.
fn lake(root: &Path) -> (Planner, Snapshot) {
    let mut files = Vec::new();
    for day in 0..FILES {
        let mut columns = Columns::new();
        for row in 0..ROWS {
            let number = day * ROWS + row;
            let millis = day.cast_signed() * DAY_MILLIS + row.cast_signed();
            columns.append(&AccessRecord {
                record_id: Some(RecordId::from_bits(number.into())),
                ..standard::record(number, Timestamp::from_millis(millis))
            });
        }
        let batches = [columns.finish().unwrap()];
        for part in partition::split(&batches) {
            let id = day.cast_signed() + 1;
            files.push(Arc::new(file::write(root, id, &batches, &part).unwrap()));
        }
    }
    let snapshot = Snapshot {
        files: Arc::new(files),
        batches: Vec::new(),
    };
    (Planner::new(root, &Config::default()).unwrap(), snapshot)
}

/// The sum of a metric over the plan; of one that tells what was passed over, that.
fn metric(plan: &dyn ExecutionPlan, name: &str) -> usize {
    let own = plan.metrics().map_or(0, |metrics| {
        let of_name = metrics
            .iter()
            .filter(|metric| metric.value().name() == name);
        of_name
            .map(|metric| match metric.value() {
                MetricValue::PruningMetrics {
                    pruning_metrics, ..
                } => pruning_metrics.pruned(),
                value => value.as_usize(),
            })
            .sum()
    });
    let children = plan.children().into_iter();
    own + children
        .map(|child| metric(child.as_ref(), name))
        .sum::<usize>()
}

async fn run(frame: DataFrame) -> (usize, Arc<dyn ExecutionPlan>) {
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), context).await.unwrap();
    (batches.iter().map(RecordBatch::num_rows).sum(), plan)
}

fn scan(files: &[Arc<StoredFile>]) -> Scan {
    Scan {
        files: files.to_vec(),
        batches: Vec::new(),
        latest_first: true,
    }
}

#[tokio::test]
async fn bloom_filters_pass_over_the_files_without_a_trace_or_request_id() {
    let root = tempfile::tempdir().unwrap();
    let (planner, snapshot) = lake(root.path());
    let wanted = standard::record(123, Timestamp::EPOCH);
    let trace = Condition::TextIs(Field::TraceId, wanted.trace_id.unwrap().into_owned());
    let request = Condition::TextIs(Field::RequestId, wanted.request_id.unwrap().into_owned());
    for condition in [trace, request] {
        let frame = planner.read(scan(&snapshot.files), condition::all(&[condition]));
        let (rows, plan) = run(frame.unwrap()).await;
        assert_eq!(rows, 1);
        let by_statistics = metric(plan.as_ref(), "row_groups_pruned_statistics");
        let by_bloom_filter = metric(plan.as_ref(), "row_groups_pruned_bloom_filter");
        assert_eq!(by_statistics + by_bloom_filter, 7, "{plan:?}");
        assert!(by_bloom_filter > 0);
    }
}

#[tokio::test]
async fn the_newest_rows_are_found_without_opening_the_older_files() {
    let root = tempfile::tempdir().unwrap();
    let (planner, snapshot) = lake(root.path());
    let sort = Sort {
        field: Field::StartTime,
        descending: true,
    };
    let frame = planner
        .read(scan(&snapshot.files), Vec::new())
        .and_then(
            |all| Ok(all.select(order::columns(sort.field).map(|field| ident(field.name())))?),
        )
        .and_then(|keys| Ok(keys.sort(order::sorting(sort))?.limit(0, Some(11))?));
    let (rows, plan) = run(frame.unwrap()).await;
    assert_eq!(rows, 11);
    let passed_over = metric(plan.as_ref(), "files_ranges_pruned_statistics");
    assert!(passed_over >= 5, "{passed_over} of {FILES} files");
}

#[tokio::test]
async fn the_rows_of_a_page_are_looked_for_in_their_files_only() {
    let root = tempfile::tempdir().unwrap();
    let (planner, snapshot) = lake(root.path());
    let query = Query {
        sort: Sort {
            field: Field::Duration,
            descending: false,
        },
        page_size: 1,
        ..Query::default()
    };
    let mut keys = planner.keys(&snapshot, &query).await.unwrap();
    keys.truncate(1);
    let may_have = |file: &&Arc<StoredFile>| keys[0].may_be_in(file);
    assert_eq!(snapshot.files.iter().filter(may_have).count(), 1);
    // No file of the others is needed.
    for file in snapshot.files.iter().filter(|file| !may_have(file)) {
        std::fs::remove_file(file.path(root.path())).unwrap();
    }
    assert_eq!(
        planner
            .records(&snapshot, &keys, usize::MAX)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn files_outside_the_asked_time_are_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let (planner, snapshot) = lake(root.path());
    let day = |day: i64| Timestamp::from_millis(day * DAY_MILLIS);
    for file in snapshot.files.iter() {
        if ["1970-01-03", "1970-01-04"]
            .iter()
            .all(|day| file.partition != *day)
        {
            std::fs::remove_file(file.path(root.path())).unwrap();
        }
    }
    let mut query = Query {
        conditions: vec![Condition::From(day(2)), Condition::To(day(3))],
        ..Query::default()
    };
    let page = planner.answer(&snapshot, &query).await.unwrap();
    assert_eq!(page.total, Some(ROWS + 1));
    // The same bound by a cursor alone.
    query.conditions = vec![Condition::From(day(2))];
    query.count = false;
    query.paging = Paging::After(Key::of_start(day(3)).cursor(query.sort));
    let page = planner.answer(&snapshot, &query).await.unwrap();
    assert_eq!(page.records.len(), 10);
    assert!(page.next.is_some());
}

#[tokio::test]
async fn whole_files_are_counted_by_the_catalogue() {
    let root = tempfile::tempdir().unwrap();
    let (planner, snapshot) = lake(root.path());
    for file in snapshot.files.iter() {
        std::fs::remove_file(file.path(root.path())).unwrap();
    }
    let count = planner.count(&snapshot, &[]).await.unwrap();
    assert_eq!(count.rows, FILES * ROWS);
    let second_day_on = Condition::From(Timestamp::from_millis(DAY_MILLIS));
    let count = planner.count(&snapshot, &[second_day_on]).await.unwrap();
    assert_eq!((count.rows, count.estimate()), ((FILES - 1) * ROWS, None));
}
