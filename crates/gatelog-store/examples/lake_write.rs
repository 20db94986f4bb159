//! Measures the lake: standard records written in batches of 500 from their wire form, as the
//! journal gives them, and then some queries.
//!
//! `cargo run --release -p gatelog-store --example lake_write [RECORDS [memory]]`; with `memory`, how
//! much of that writing takes.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use gatelog_record::{AccessRecord, Field, RecordId, Timestamp, standard, wire};
use gatelog_store::lake::{Config, Lake};
use gatelog_store::{Condition, Letters, Query, Rejected, Sort, Store as _};

/// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 500;

/// 2026-03-23T02:10:01.217Z; records come in at 40,000 a second.
const START_MICROS: i64 = 1_774_231_801_217_000;
const MICROS_APART: i64 = 25;

/// The lake refuses none of these records.
struct NoLetters;

impl Letters for NoLetters {
    fn keep(&self, _: &[Rejected]) -> std::io::Result<()> {
        Err(std::io::Error::other("a record was refused"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 500_000,
    };
    let directory = tempfile::tempdir()?;
    let lake = Lake::new(directory.path(), Config::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        lake.open("journal").await?;
        if std::env::args().nth(2).is_some_and(|word| word == "memory") {
            return memory(&lake, records).await;
        }
        let batches: Vec<Vec<u8>> = (0..records / BATCH).map(batch).collect();
        let bytes: usize = batches.iter().map(Vec::len).sum();

        let (begun, cpu) = (Instant::now(), cpu_time()?);
        for batch in &batches {
            drop(decode(batch)?);
        }
        let (decode_wall, decode_cpu) = (begun.elapsed(), cpu_time()?.saturating_sub(cpu));
        report("decode", records, decode_wall, decode_cpu);

        let (begun, cpu) = (Instant::now(), cpu_time()?);
        for (end, batch) in (1..).zip(&batches) {
            lake.write(&decode(batch)?, end, &NoLetters).await?;
        }
        let written = begun.elapsed();
        lake.flush(true).await?;
        report(
            "decode, write, flush",
            records,
            begun.elapsed(),
            cpu_time()?.saturating_sub(cpu),
        );
        let stored = stored(directory.path())?;
        println!("of that, until all was visible: {written:.2?}");
        println!("{bytes} bytes in the wire form, {stored} bytes in files");

        let middle = standard::record(records / 2, Timestamp::EPOCH);
        let trace = middle.trace_id.unwrap_or_default().into_owned();
        let by_duration = Sort {
            field: Field::Duration,
            descending: true,
        };
        for (what, query) in [
            ("newest ten, counted", Query::default()),
            (
                "one trace id",
                conditions(vec![Condition::TextIs(Field::TraceId, trace)]),
            ),
            (
                "5xx",
                conditions(vec![Condition::IntegerFrom(Field::ResponseCode, 500)]),
            ),
            (
                "path contains",
                conditions(vec![Condition::TextContains(
                    Field::Path,
                    "n=77".to_owned(),
                )]),
            ),
            (
                "longest hundred",
                Query {
                    sort: by_duration,
                    page_size: 100,
                    ..Query::default()
                },
            ),
        ] {
            for round in ["first", "again"] {
                let begun = Instant::now();
                let page = lake.query(&query).await?;
                println!(
                    "{what}, {round}: {:?} rows, {:.1?}",
                    page.total,
                    begun.elapsed()
                );
            }
        }
        Ok(())
    })
}

/// Batches are made as they go, so that the lake's memory is most of what there is.
async fn memory(lake: &Lake, records: u64) -> Result<(), Box<dyn Error>> {
    let mut peak = 0;
    for number in 0..records / BATCH {
        lake.write(&decode(&batch(number))?, number + 1, &NoLetters)
            .await?;
        peak = peak.max(resident()?);
    }
    lake.flush(true).await?;
    println!("{} MiB at most while rows were written", peak >> 20);
    Ok(())
}

fn conditions(conditions: Vec<Condition>) -> Query {
    Query {
        conditions,
        ..Query::default()
    }
}

fn batch(number: u64) -> Vec<u8> {
    let mut batch = Vec::new();
    wire::begin_batch(&mut batch);
    for number in number * BATCH..(number + 1) * BATCH {
        let start = Timestamp::from_micros(START_MICROS + number.cast_signed() * MICROS_APART);
        let record = AccessRecord {
            record_id: Some(RecordId::from_bits(u128::from(number))),
            receive_time: Some(start),
            ..standard::record(number, start)
        };
        wire::write_record(&record, &mut batch);
    }
    batch
}

fn decode(batch: &[u8]) -> Result<Vec<AccessRecord<'_>>, Box<dyn Error>> {
    Ok(wire::read_batch(batch)?.collect::<Result<_, _>>()?)
}

fn report(what: &str, records: u64, wall: Duration, cpu: Duration) {
    let count = u32::try_from(records).unwrap_or(u32::MAX);
    println!(
        "{what}: {:.0} records/s, {:.2?} of processor time per record",
        f64::from(count) / wall.as_secs_f64(),
        cpu / count
    );
}

/// Processor time of the process so far, to 10 ms (`proc_pid_stat(5)`, fields 14 and 15).
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").ok_or("no process name")?;
    let mut ticks = 0;
    for field in fields.split(' ').skip(11).take(2) {
        ticks += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(ticks * 10))
}

/// Bytes of the process in memory (`proc_pid_statm(5)`, field 2), for pages of 4 KiB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("no pages")?.parse()?;
    Ok(pages * 4096)
}

/// Bytes of all Parquet files below the lake's directory.
fn stored(directory: &std::path::Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for day in std::fs::read_dir(directory.join("lake"))? {
        let day = day?.path();
        if day.is_dir() {
            for file in std::fs::read_dir(day)? {
                bytes += file?.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}
