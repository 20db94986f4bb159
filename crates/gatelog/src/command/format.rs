//! `gatelog format 'FORMAT' [FILE]`.
//!
//! **Shape.** Records come as NDJSON, in any of the forms that `POST /ingest` takes, and leave as lines
//! of the format, one each. What no record can answer is named once, before the first line.
//!
//! **Failure.** A format that cannot be used is shown with a mark under the byte, and the exit code is
//! 64. A line that is no record is told with its number and left out; the others are rendered, and the
//! exit code is 1.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gatelog_format::Template;

use super::{USAGE, print};
use crate::decode;
use crate::source::form::{shown, template};

/// Arguments of `gatelog format`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The format, or the name of one: envoy, istio, istio-json, higress, hango.
    format: String,
    /// Records as NDJSON; standard input if it is absent or `-`.
    file: Option<PathBuf>,
    /// The format is that of a JSON object (Envoy's `json_format`), and not a text.
    #[arg(long)]
    json: bool,
    /// Print nothing for a missing value, in place of `-`; in JSON, leave its member out.
    #[arg(long)]
    omit_empty_values: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let template = match template(&arguments.format, arguments.json) {
        Ok(template) => template.omit_empty_values(arguments.omit_empty_values),
        Err(error) => {
            print::error(shown(&error));
            return ExitCode::from(USAGE);
        }
    };
    for gap in template.unanswerable() {
        print::error(format_args!(
            "warning: no record answers %{}%, at byte {}: lines have Envoy's missing value there",
            gap.operator, gap.position
        ));
    }
    let done = match &arguments.file {
        Some(path) if path != Path::new("-") => File::open(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
            .and_then(|file| render(&template, BufReader::new(file))),
        _ => render(&template, io::stdin().lock()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Who read the lines has enough of them.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            print::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Whether every line was a record.
fn render(template: &Template, mut records: impl BufRead) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut text = Vec::new();
    let mut line = Vec::new();
    let mut all = true;
    let mut number = 0u64;
    loop {
        text.clear();
        if records.read_until(b'\n', &mut text)? == 0 {
            out.flush()?;
            return Ok(all);
        }
        number += 1;
        let text = String::from_utf8_lossy(text.trim_ascii());
        if text.is_empty() {
            continue;
        }
        match decode::read(&text) {
            Ok((record, _)) => {
                line.clear();
                template.render(&record, &mut line);
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
                out.write_all(&line)?;
            }
            Err(error) => {
                all = false;
                print::error(format_args!("line {number}: {error}"));
            }
        }
    }
}
