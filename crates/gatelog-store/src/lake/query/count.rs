//! How many rows fit.

use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{ident, lit, when};
use gatelog_record::{AccessRecord, Field};

use super::super::failure::Failure;
use super::super::rows;
use super::super::state::Snapshot;
use super::condition::{self, Times};
use super::{Planner, Scan};
use crate::Condition;

/// Rows, and what they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) rows: u64,
    /// Rows that carry a usable weight.
    weighted_rows: u64,
    /// The sum of the weights.
    weight: f64,
}

impl Count {
    /// How many requests the rows stand for: those without a weight for one each. `None` where no
    /// row has a weight. Always finite.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate, and exact up to 2^53 rows"
    )]
    pub(super) fn estimate(&self) -> Option<f64> {
        let plain = (self.rows - self.weighted_rows.min(self.rows)) as f64;
        (self.weighted_rows > 0).then(|| (plain + self.weight).min(f64::MAX))
    }

    /// Counts rows that are at hand.
    pub(super) fn of(records: &[AccessRecord<'_>]) -> Self {
        let weights = || {
            let given = records.iter().filter_map(|record| record.sample_weight);
            given.filter_map(rows::usable_weight)
        };
        Self {
            rows: records.len() as u64,
            weighted_rows: weights().count() as u64,
            weight: weights().sum(),
        }
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.weighted_rows += other.weighted_rows;
        self.weight += other.weight;
    }
}

impl Planner {
    /// Counts the rows that fit. Files that fit as a whole, because only the time is asked, are
    /// counted by the catalogue.
    pub(super) async fn count(
        &self,
        snapshot: &Snapshot,
        conditions: &[Condition],
    ) -> Result<Count, Failure> {
        let times = Times::of(conditions);
        let only_times = conditions
            .iter()
            .all(|condition| matches!(condition, Condition::From(_) | Condition::To(_)));
        let mut total = Count::default();
        let mut files = Vec::new();
        for file in snapshot.files.iter() {
            if only_times && times.holds_all(file) {
                total.add(Count {
                    rows: file.rows,
                    weighted_rows: file.weighted_rows,
                    weight: file.weight,
                });
            } else if times.may_hold_some(file) {
                files.push(file.clone());
            }
        }
        let scan = Scan {
            files,
            batches: snapshot.batches.clone(),
            latest_first: false,
        };
        total.add(self.scan_count(scan, conditions).await?);
        Ok(total)
    }

    async fn scan_count(&self, scan: Scan, conditions: &[Condition]) -> Result<Count, Failure> {
        // As `rows::usable_weight`. NaN is the greatest or the least number here.
        let given = || ident(Field::SampleWeight.name());
        let usable = given().gt(lit(0.0)).and(given().lt(lit(f64::INFINITY)));
        let weight = when(usable, given()).end()?;
        let found = self
            .read(scan, condition::all(conditions))?
            .aggregate(
                Vec::new(),
                vec![
                    count(lit(1)).alias("rows"),
                    count(weight.clone()).alias("weighted"),
                    sum(weight).alias("weight"),
                ],
            )?
            .collect()
            .await?;
        let mut total = Count::default();
        for batch in &found {
            if let [rows, weighted, weight] = batch.columns() {
                let number = |column| rows::integer(column, 0).unwrap_or(0).unsigned_abs();
                total.add(Count {
                    rows: number(rows),
                    weighted_rows: number(weighted),
                    weight: rows::float(weight, 0).unwrap_or(0.0),
                });
            }
        }
        Ok(total)
    }
}
