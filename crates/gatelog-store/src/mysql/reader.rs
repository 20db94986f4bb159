//! Answers queries, on connections of its own.
//!
//! **Shape.** A small pool, made where the first query comes from: a pool belongs to one runtime,
//! so another runtime gets another one.
//!
//! **Limits.** A page holds [`page_bytes`](Query::page_bytes) and one row; rows behind them are not
//! held. [`QUERY_TIMEOUT`] for a query, the wait for a connection included; the server ends a
//! statement after the same time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use gatelog_record::{AccessRecord, Field};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Pool, Row, Value};
use tokio::runtime;

use super::NAME;
use super::connection::{Door, within};
use super::error::{Failure, unusable};
use super::query::{Plan, Statement};
use super::row;
use super::table::Table;
use crate::query::json_bytes;
use crate::{Condition, Error, Page, Query, Result};

/// How long a query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The reading side of the store.
#[derive(Debug)]
pub(super) struct Reader {
    door: Arc<Door>,
    table_name: String,
    /// The table as it was when it was last looked at.
    table: Mutex<Option<Arc<Table>>>,
    pool: Mutex<Option<(runtime::Id, Pool)>>,
}

/// What came back for a plan.
#[derive(Default)]
struct Answer {
    count: Option<Row>,
    records: Vec<AccessRecord<'static>>,
    /// The first two values of the last of them.
    last: Option<(Value, Value)>,
    /// Whether rows follow.
    more: bool,
    /// Whether that is for the page's bytes.
    is_cut: bool,
}

impl Reader {
    pub(super) fn new(door: Arc<Door>, table_name: &str) -> Self {
        Self {
            door,
            table_name: table_name.to_owned(),
            table: Mutex::new(None),
            pool: Mutex::new(None),
        }
    }

    /// The table is (now) this one.
    pub(super) fn set_table(&self, table: Arc<Table>) {
        *lock(&self.table) = Some(table);
    }

    pub(super) async fn answer(&self, query: &Query) -> Result<Page> {
        if let Some(reason) = query.flaw() {
            return Err(Error::Unanswerable {
                store: NAME,
                reason,
            });
        }
        match self.attempt(query).await {
            // The table was changed meanwhile, or the server has no TLS: with what was learnt
            // the second attempt is another one.
            Err(failure) if failure.is_about_columns() => *lock(&self.table) = None,
            Err(failure) if self.door.learns_from(&failure) => *lock(&self.pool) = None,
            Err(failure) if failure.is_about_characters() => return Ok(nothing(query)),
            answer => return answer.map_err(Self::error)?,
        }
        self.attempt(query).await.map_err(Self::error)?
    }

    fn error(failure: Failure) -> Error {
        failure.into_error("answering a query")
    }

    async fn attempt(&self, query: &Query) -> std::result::Result<Result<Page>, Failure> {
        let known = lock(&self.table).clone();
        let pool = self.pool();
        let work = async {
            let mut conn = pool.get_conn().await?;
            let table = match known {
                Some(table) if missing(query, &table).is_none() => Some(table),
                // It may have come since.
                _ => Table::read(&mut conn, &self.table_name)
                    .await?
                    .map(Arc::new),
            };
            let Some(table) = table else {
                return Ok(None);
            };
            if let Some(field) = missing(query, &table) {
                return Ok(Some(Err(field)));
            }
            let plan = Plan::new(query, &table);
            let answer = match &plan {
                Some(plan) => Some(fetch(&mut conn, plan, query, &table).await?),
                None => None,
            };
            Ok(Some(Ok((table, plan, answer))))
        };
        let (table, plan, answer) = match within(QUERY_TIMEOUT, work).await? {
            Some(Ok(answered)) => answered,
            Some(Err(field)) => {
                return Ok(Err(Error::Unanswerable {
                    store: NAME,
                    reason: format!(
                        "the table {} has no column {} to filter by",
                        self.table_name,
                        field.name()
                    ),
                }));
            }
            None => {
                let reason = format!("there is no table {}", self.table_name);
                return Ok(Err(unusable(reason)));
            }
        };
        let page = match (plan, answer) {
            (Some(plan), Some(answer)) => match page(query, &plan, answer) {
                Some(page) => page,
                None => return Ok(Err(too_large(query))),
            },
            _ => nothing(query),
        };
        *lock(&self.table) = Some(table);
        Ok(Ok(page))
    }

    /// The pool of this runtime.
    fn pool(&self) -> Pool {
        let here = runtime::Handle::current().id();
        let mut pool = lock(&self.pool);
        match &*pool {
            Some((home, pool)) if *home == here => pool.clone(),
            _ => {
                let new = Pool::new(self.door.pool_opts());
                *pool = Some((here, new.clone()));
                new
            }
        }
    }
}

/// The first field that the query filters by and the table has no column for.
fn missing(query: &Query, table: &Table) -> Option<Field> {
    let mut fields = query.conditions.iter().map(Condition::field);
    fields.find(|field| table.column(*field).is_none())
}

/// The answer when no row can fit.
fn nothing(query: &Query) -> Page {
    Page {
        total: query.count.then_some(0),
        estimated_total: None,
        records: Vec::new(),
        next: None,
    }
}

/// Where a page has to end early and nothing tells where the next one begins.
fn too_large(query: &Query) -> crate::Error {
    let reason = format!(
        "the page has more than {} bytes, and without a numbered column `id` in the table none can \
         begin where it would end: ask for fewer than {} rows, or narrow the time",
        query.page_bytes, query.page_size
    );
    crate::Error::Unanswerable {
        store: NAME,
        reason,
    }
}

async fn fetch(
    conn: &mut Conn,
    plan: &Plan,
    query: &Query,
    table: &Table,
) -> mysql_async::Result<Answer> {
    let count = match &plan.count {
        Some(statement) => {
            conn.exec_first(statement.text.as_str(), values(statement))
                .await?
        }
        None => None,
    };
    let size = usize::try_from(query.page_size).unwrap_or(usize::MAX);
    let mut answer = Answer {
        count,
        ..Answer::default()
    };
    let mut bytes = 0;
    let mut rows = conn
        .exec_stream::<Row, _, _>(plan.page.text.as_str(), values(&plan.page))
        .await?;
    while let Some(row) = rows.next().await {
        let row = row?;
        if answer.records.len() == size {
            answer.more = true;
            continue;
        }
        let mut values = row.unwrap().into_iter();
        let place = values.next().zip(values.next());
        let fields = table.read_back().map(|(field, _)| field);
        let record = row::record(fields.zip(values));
        bytes += json_bytes(&record);
        if bytes > query.page_bytes && !answer.records.is_empty() {
            // What is still to come is read by the pool, which holds none of it.
            (answer.more, answer.is_cut) = (true, true);
            break;
        }
        answer.records.push(record);
        answer.last = place;
    }
    Ok(answer)
}

fn values(statement: &Statement) -> Params {
    if statement.values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(statement.values.clone())
    }
}

/// The page; `None` where it ends early and nothing tells where the next one begins.
fn page(query: &Query, plan: &Plan, answer: Answer) -> Option<Page> {
    let counts: Vec<Value> = answer.count.map(Row::unwrap).unwrap_or_default();
    let number = |index: usize| counts.get(index).and_then(row::float).unwrap_or(0.0);
    let next = answer
        .last
        .filter(|_| answer.more && plan.numbered)
        .and_then(|(number, value)| plan.cursor(query, &number, &value));
    if answer.is_cut && next.is_none() {
        return None;
    }
    Some(Page {
        total: counts.first().and_then(|total| match total {
            Value::Int(total) => u64::try_from(*total).ok(),
            Value::UInt(total) => Some(*total),
            _ => None,
        }),
        estimated_total: (plan.weighted && number(2) > 0.0)
            .then(|| number(1))
            .filter(|estimate| estimate.is_finite()),
        records: answer.records,
        next,
    })
}

/// A lock that a panic elsewhere does not spoil: what it guards is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
