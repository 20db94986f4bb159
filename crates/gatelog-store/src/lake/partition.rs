//! Which rows go to which file, and in which order.
//!
//! **Shape.** Rows are split by the UTC day of their start time and sorted by start time, then
//! record id, so a file covers a short time and its pages can be passed over by time.
//!
//! **Limits.** At most [`MAX_DAYS`] days get files of their own; the rows of all other days, and
//! those without a start time, share one file in [`MIXED`]. Start times come from outside, and
//! must not decide how many files there are.

use std::collections::HashMap;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use gatelog_record::{Field, RecordId, Timestamp};

use super::rows;

/// How many days of one flush get files of their own: those with the most rows.
pub(super) const MAX_DAYS: usize = 8;

/// The directory of the rows whose day has none.
pub(super) const MIXED: &str = "mixed";

/// The rows of one file.
#[derive(Debug)]
pub(super) struct Partition {
    /// The file's directory: `2026-11-21`, or [`MIXED`].
    pub(super) name: String,
    /// The batch and the row of each, in the order of the file.
    pub(super) order: Vec<(usize, usize)>,
    /// Least and greatest start time, if any row has one.
    pub(super) start: Option<(Timestamp, Timestamp)>,
    /// How many rows have none.
    pub(super) without_start: u64,
    /// Least and greatest receive time, if any row has one.
    pub(super) receive: Option<(Timestamp, Timestamp)>,
    /// Least and greatest record id.
    pub(super) ids: Option<(RecordId, RecordId)>,
    /// How many rows carry a sample weight, finite and above zero.
    pub(super) weighted_rows: u64,
    /// The sum of those weights.
    pub(super) weight: f64,
}

/// What decides where a row goes.
struct Key {
    start: Option<Timestamp>,
    receive: Option<Timestamp>,
    id: Option<RecordId>,
    weight: Option<f64>,
    place: (usize, usize),
}

/// Splits the rows of `batches`, and sorts each part.
pub(super) fn split(batches: &[RecordBatch]) -> Vec<Partition> {
    let mut days: HashMap<Option<i64>, Vec<Key>> = HashMap::new();
    for (number, batch) in batches.iter().enumerate() {
        let column = |field: Field| batch.column_by_name(field.name());
        let start = column(Field::StartTime);
        let receive = column(Field::ReceiveTime);
        let id = column(Field::RecordId);
        let weight = column(Field::SampleWeight);
        for row in 0..batch.num_rows() {
            let time =
                |column: Option<&ArrayRef>| column.and_then(|column| rows::time(column, row));
            let key = Key {
                start: time(start),
                receive: time(receive),
                id: id.and_then(|column| rows::id(column, row)),
                weight: weight
                    .and_then(|column| rows::float(column, row))
                    .and_then(rows::usable_weight),
                place: (number, row),
            };
            days.entry(key.start.map(day_of)).or_default().push(key);
        }
    }
    let mut days: Vec<(Option<i64>, Vec<Key>)> = days.into_iter().collect();
    // Rows without a start time last, then the days with the fewest rows.
    days.sort_unstable_by_key(|(day, keys)| (day.is_none(), std::cmp::Reverse(keys.len()), *day));
    let mut mixed = Vec::new();
    let mut partitions = Vec::new();
    for (place, (day, keys)) in days.into_iter().enumerate() {
        match keys.first().and_then(|key| key.start) {
            Some(start) if day.is_some() && place < MAX_DAYS => {
                partitions.push(partition(start.day(), keys));
            }
            _ => mixed.extend(keys),
        }
    }
    if !mixed.is_empty() {
        partitions.push(partition(MIXED.to_owned(), mixed));
    }
    partitions
}

fn day_of(time: Timestamp) -> i64 {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    time.micros().div_euclid(MICROS_PER_DAY)
}

fn partition(name: String, mut keys: Vec<Key>) -> Partition {
    keys.sort_unstable_by_key(|key| (key.start.is_none(), key.start, key.id, key.place));
    Partition {
        name,
        start: range(keys.iter().filter_map(|key| key.start)),
        without_start: keys.iter().filter(|key| key.start.is_none()).count() as u64,
        receive: range(keys.iter().filter_map(|key| key.receive)),
        ids: range(keys.iter().filter_map(|key| key.id)),
        weighted_rows: keys.iter().filter(|key| key.weight.is_some()).count() as u64,
        // Beyond the greatest number is no sum that the catalogue could keep.
        weight: keys
            .iter()
            .filter_map(|key| key.weight)
            .sum::<f64>()
            .min(f64::MAX),
        order: keys.into_iter().map(|key| key.place).collect(),
    }
}

fn range<T: Copy + Ord>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, greatest)) => Some((value.min(least), value.max(greatest))),
    })
}

#[cfg(test)]
mod tests {
    use gatelog_record::{AccessRecord, standard};

    use super::super::columns::Columns;
    use super::*;

    const DAY_MILLIS: i64 = 86_400_000;

    fn batch(records: &[AccessRecord<'_>]) -> RecordBatch {
        let mut columns = Columns::new();
        for record in records {
            columns.append(record);
        }
        columns.finish().unwrap()
    }

    fn row(number: u64, start: Option<i64>) -> AccessRecord<'static> {
        AccessRecord {
            start_time: start.map(Timestamp::from_millis),
            receive_time: Some(Timestamp::from_millis(5)),
            record_id: Some(RecordId::from_bits(number.into())),
            ..standard::record(number, Timestamp::EPOCH)
        }
    }

    #[test]
    fn days_are_split_and_rows_sorted_by_time_then_id() {
        let batches = [
            batch(&[row(3, Some(7)), row(1, Some(DAY_MILLIS)), row(2, Some(7))]),
            batch(&[row(4, Some(6)), row(5, None)]),
        ];
        let partitions = split(&batches);
        let orders: Vec<_> = partitions
            .iter()
            .map(|partition| (partition.name.as_str(), partition.order.clone()))
            .collect();
        assert_eq!(
            orders,
            [
                ("1970-01-01", vec![(1, 0), (0, 2), (0, 0)]),
                ("1970-01-02", vec![(0, 1)]),
                (MIXED, vec![(1, 1)]),
            ]
        );
        let millis = Timestamp::from_millis;
        assert_eq!(partitions[0].start, Some((millis(6), millis(7))));
        assert_eq!(
            (partitions[0].without_start, partitions[2].without_start),
            (0, 1)
        );
        assert_eq!(partitions[2].start, None);
        let ids = partitions[0]
            .ids
            .map(|(least, greatest)| (least.bits(), greatest.bits()));
        assert_eq!(ids, Some((2, 4)));
    }

    #[test]
    fn only_finite_weights_above_zero_are_summed() {
        let weighted = |number, weight| AccessRecord {
            sample_weight: Some(weight),
            ..row(number, Some(1))
        };
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            0.0,
            -f64::NAN,
        ];
        let mut records: Vec<_> = (0..).zip(odd).map(|(n, odd)| weighted(n, odd)).collect();
        records.push(weighted(7, 2.5));
        let sums = |records: &[AccessRecord<'_>]| {
            let partition = split(&[batch(records)]).remove(0);
            (partition.weighted_rows, partition.weight)
        };
        assert_eq!(sums(&records), (1, 2.5));
        let most = [weighted(1, f64::MAX), weighted(2, f64::MAX)];
        assert_eq!(sums(&most), (2, f64::MAX));
    }

    #[test]
    fn a_hundred_days_make_nine_files() {
        let mut records: Vec<_> = (0..100)
            .map(|day| row(day, Some(day.cast_signed() * DAY_MILLIS)))
            .collect();
        records.push(row(100, Some(42 * DAY_MILLIS)));
        let partitions = split(&[batch(&records)]);
        assert_eq!(partitions.len(), MAX_DAYS + 1);
        assert_eq!(partitions[0].name, "1970-02-12");
        let rows: Vec<_> = partitions
            .iter()
            .map(|partition| partition.order.len())
            .collect();
        assert_eq!(rows, [2, 1, 1, 1, 1, 1, 1, 1, 92]);
    }
}
