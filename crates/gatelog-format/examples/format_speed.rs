//! What rendering and reading a line costs, on one core: `cargo xtask bench format`.
//!
//! **Shape.** Standard records, all different; each round goes once over all of them with each candidate
//! in turn, so that a machine whose speed drifts treats all alike. Printed is one JSON object a round:
//! nanoseconds per record by candidate. Arguments: how many rounds, and a word of the candidates' names.

#![expect(clippy::print_stdout, reason = "its answer")]

use std::hint::black_box;
use std::time::Instant;

use gatelog_format::{Known, Reader, Template};
use gatelog_record::{AccessRecord, Field, Timestamp, Value, standard};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

const RECORDS: usize = 2000;
/// A round goes over the records so often.
const REPEATS: u32 = 50;

/// 2026-03-23T02:10:01.217Z
const START_MILLIS: i64 = 1_774_231_801_217;

/// A record as serde sees it: its present fields under their names.
struct Fields<'r>(&'r AccessRecord<'static>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for &field in Field::columns() {
            match self.0.get(field) {
                Some(Value::Text(text) | Value::Json(text)) => {
                    map.serialize_entry(field.name(), text)?;
                }
                Some(Value::Integer(number)) => map.serialize_entry(field.name(), &number)?,
                Some(Value::Time(time)) => map.serialize_entry(field.name(), &time.millis())?,
                _ => {}
            }
        }
        map.end()
    }
}

/// One of the things that are measured.
struct Candidate<'c> {
    name: &'static str,
    run: Box<dyn Fn() -> usize + 'c>,
}

fn candidate<'c>(name: &'static str, run: impl Fn() -> usize + 'c) -> Candidate<'c> {
    Candidate {
        name,
        run: Box::new(run),
    }
}

fn render(template: &Template, records: &[AccessRecord<'_>]) -> usize {
    let mut line = Vec::with_capacity(4096);
    let mut bytes = 0;
    for record in records {
        line.clear();
        template.render(black_box(record), &mut line);
        bytes += black_box(&line).len();
    }
    bytes
}

fn lines(template: &Template, records: &[AccessRecord<'_>]) -> Vec<Vec<u8>> {
    let line = |record| {
        let mut line = Vec::new();
        template.render(record, &mut line);
        line
    };
    records.iter().map(line).collect()
}

fn read(reader: &Reader, lines: &[Vec<u8>]) -> usize {
    let mut read = 0;
    for line in lines {
        let found = reader.read(black_box(line));
        read += usize::from(black_box(&found).is_ok());
    }
    assert_eq!(read, lines.len(), "a line was refused");
    read
}

fn to_vec(records: &[AccessRecord<'static>]) -> usize {
    let to_vec =
        |record| serde_json::to_vec(&Fields(black_box(record))).map_or(0, |text| text.len());
    records.iter().map(to_vec).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let wanted = std::env::args().nth(2).unwrap_or_default();
    let start = Timestamp::from_millis(START_MILLIS);
    let plain: Vec<AccessRecord<'static>> = (0..RECORDS as u64)
        .map(|number| standard::record(number, start))
        .collect();
    let quoted: Vec<AccessRecord<'static>> = plain
        .iter()
        .map(|record| AccessRecord {
            user_agent: Some(r#"curl/8.0 "x", "y""#.into()),
            ..record.clone()
        })
        .collect();
    let [envoy, istio, istio_json, higress, hango] =
        Known::ALL.map(|known| known.template().and_then(|t| Ok((t.reader()?, t))));
    let (envoy, istio, istio_json, higress, hango) =
        (envoy?, istio?, istio_json?, higress?, hango?);
    let hango_lines = lines(&hango.1, &plain);
    let broken_lines = lines(&hango.1, &quoted);
    let envoy_lines = lines(&envoy.1, &plain);
    let istio_lines = lines(&istio.1, &plain);
    let json_lines = lines(&istio_json.1, &plain);
    let higress_lines = lines(&higress.1, &plain);
    let candidates = [
        candidate("render hango", || render(&hango.1, &plain)),
        candidate("read hango", || read(&hango.0, &hango_lines)),
        candidate("read hango, quotes in it", || read(&hango.0, &broken_lines)),
        candidate("render envoy", || render(&envoy.1, &plain)),
        candidate("read envoy", || read(&envoy.0, &envoy_lines)),
        candidate("render istio-json", || render(&istio_json.1, &plain)),
        candidate("read istio", || read(&istio.0, &istio_lines)),
        candidate("read istio-json", || read(&istio_json.0, &json_lines)),
        candidate("read higress", || read(&higress.0, &higress_lines)),
        candidate("serde_json::to_vec", || to_vec(&plain)),
    ];
    for _ in 0..rounds {
        let mut figures = serde_json::Map::new();
        for candidate in candidates.iter().filter(|it| it.name.contains(&wanted)) {
            let before = Instant::now();
            for _ in 0..REPEATS {
                black_box((candidate.run)());
            }
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let records = RECORDS as f64 * f64::from(REPEATS);
            let nanos = before.elapsed().as_secs_f64() * 1e9 / records;
            figures.insert(candidate.name.to_owned(), nanos.into());
        }
        println!("{}", serde_json::Value::Object(figures));
    }
    Ok(())
}
