//! `gatelog import [--format 'FORMAT'] FILE…`: log files to a running server.
//!
//! **Shape.**
//!
//! ```text
//! FILE ─ gunzip ─► window ─ form: items or lines ─► batches ─► uploads ─► POST /ingest
//!                              └─► rejects: standard error, --rejects FILE
//! ```
//!
//! One thread reads and takes apart, some tasks upload. JSON goes as it is; a line of a text format is
//! read by its template and goes as gatelog's own wire form.
//!
//! **Invariants.** What a file holds is cut into the same batches each time, and the key of a batch
//! ([`batch`]) is made of all that was sent of the file up to its end: what the server has acknowledged
//! of an interrupted import it calls duplicates when the import is run again, as long as it remembers
//! the keys ([`crate::senders`]). A batch of other content never has the key of one that was taken.
//!
//! **Limits.** Memory: the window (1 MiB, or one item of up to [`MAX_ITEM_BYTES`]) and a batch for each
//! upload. [`rejects::SHOWN`] rejected lines of a file are shown.
//!
//! **Failure.** A line that cannot be read is told with its place and left out. A server that is full or
//! has gone away is waited for. A file that cannot be read on is told, what was read of it is sent, and
//! the next one is begun. The exit code is 1 then.
//!
//! [`MAX_ITEM_BYTES`]: crate::decode::MAX_ITEM_BYTES

mod batch;
mod json_items;
mod piece;
mod rejects;
mod source;
mod splitter;
mod text_lines;
mod upload;
mod window;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Uri;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use self::batch::{Batch, Batches};
use self::piece::{Content, newlines};
use self::rejects::{Place, Rejects};
use self::splitter::Splitter;
use self::upload::Uploads;
use self::window::Window;
use super::send::{http_url, ingest_url};
use super::{USAGE, number, print};
use crate::source::form::{Form, Unknown};

/// What to do about a file that is not known.
const ASK: &str = "--format says what its lines are, as in the gateway's configuration";

/// Batches under way at once.
const UPLOADS: usize = 4;

/// Arguments of `gatelog import`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The format of the lines, or the name of one: envoy, istio, istio-json, higress, hango. Without it
    /// JSON is taken as POST /ingest does, and the text formats with a name are recognised.
    #[arg(long)]
    format: Option<String>,
    /// The format is that of a JSON object (Envoy's `json_format`), and not a text.
    #[arg(long, requires = "format")]
    json: bool,
    /// Where the server is, as http://HOST:PORT; without a path records go to /ingest.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    url: Uri,
    /// Records in a request. The same for an import that is run again.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = number(1, 1000))]
    batch: u64,
    /// Write the lines that were not taken to this file, as they were; it is begun anew.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Give up when the server has taken nothing for so long.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = number(0, 86_400 * 365))]
    patience: u64,
    /// Send also what was imported before, as new records.
    #[arg(long)]
    again: bool,
    /// Log files, also compressed with gzip or zstd; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What was read, for the summary.
#[derive(Debug, Default)]
struct Read {
    files: u64,
    lines: u64,
    /// Files that could not be read to their end.
    failed: u64,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(url) = ingest_url(&arguments.url) else {
        return usage(format_args!("{}: not an http:// address", arguments.url));
    };
    let form = match arguments
        .format
        .as_deref()
        .map(|text| Form::given(text, arguments.json))
    {
        None => None,
        Some(Ok(form)) => Some(form),
        Some(Err(error)) => return usage(error),
    };
    if let Some(rejects) = &arguments.rejects
        && let Some(file) = arguments.files.iter().find(|file| same(file, rejects))
    {
        return usage(format_args!(
            "{}: --rejects would overwrite it",
            file.display()
        ));
    }
    let begun = Instant::now();
    let bar = progress(&arguments.files);
    let imported = Rejects::new(arguments.rejects.as_deref(), bar.clone())
        .and_then(|rejects| import(arguments, form.as_ref(), &url, &bar, Arc::new(rejects)));
    match imported {
        Ok((read, uploads)) => report(&read, &uploads, &url, begun.elapsed()),
        Err(error) => {
            print::error(error);
            ExitCode::FAILURE
        }
    }
}

fn usage(error: impl Display) -> ExitCode {
    print::error(error);
    ExitCode::from(USAGE)
}

/// Whether two names are of one file.
fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A bar over the bytes of all files, on a terminal; where their sizes are not known, a count.
fn progress(files: &[PathBuf]) -> ProgressBar {
    let sizes = files.iter().map(|file| {
        let metadata = std::fs::metadata(file).ok()?;
        metadata.is_file().then_some(metadata.len())
    });
    let (bar, template) = match sizes.sum::<Option<u64>>() {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{elapsed_precise} {bar:30} {bytes}/{total_bytes} ({eta}) {msg}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{elapsed_precise} {spinner} {bytes} {msg}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Reads all files and waits until what was read is acknowledged, or given up.
fn import(
    arguments: &Arguments,
    form: Option<&Form>,
    url: &Uri,
    bar: &ProgressBar,
    rejects: Arc<Rejects>,
) -> Result<(Read, Arc<Uploads>), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let patience = Duration::from_secs(arguments.patience);
    let uploads = Arc::new(Uploads::new(url.clone(), patience, rejects, bar.clone()));
    let (batches, waiting) = mpsc::channel(1);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    let tasks: Vec<_> = (0..UPLOADS)
        .map(|_| runtime.spawn(Arc::clone(&uploads).work(Arc::clone(&waiting))))
        .collect();
    // Who reads must see that nobody uploads any more.
    drop(waiting);
    let mut read = Read::default();
    for path in &arguments.files {
        let name: Arc<str> = source::name(path).into();
        read.files += 1;
        let begun = Batches::new(Arc::clone(&name), arguments.batch, arguments.again);
        match read_file(path, form, begun, &batches, &uploads, &mut read.lines) {
            Ok(()) => {}
            Err(Ended::NobodyUploads) => break,
            Err(Ended::Unreadable(reason)) => {
                read.failed += 1;
                bar.suspend(|| print::error(format_args!("{name}: {reason}")));
            }
        }
    }
    drop(batches);
    for task in tasks {
        if runtime.block_on(task).is_err() {
            uploads.fail("an upload has failed for a fault of this program".to_owned());
        }
    }
    bar.finish_and_clear();
    uploads.rejects.finish()?;
    Ok((read, uploads))
}

/// Why a file was not read to its end.
enum Ended {
    /// The uploads have given up.
    NobodyUploads,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl Ended {
    fn unreadable(error: impl Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Reads one file and hands out its batches. What was read before an error is sent.
fn read_file(
    path: &Path,
    form: Option<&Form>,
    mut batches: Batches,
    out: &mpsc::Sender<Batch>,
    uploads: &Uploads,
    lines: &mut u64,
) -> Result<(), Ended> {
    let input = source::open(path, &uploads.bar).map_err(Ended::unreadable)?;
    let mut window = Window::new(input);
    let mut unreadable = window.fill().err();
    let recognised;
    let form = if let Some(form) = form {
        form
    } else {
        recognised = Form::recognise(window.bytes())
            .map_err(|Unknown| Ended::Unreadable(format!("{Unknown}; {ASK}")))?;
        if let Some(name) = recognised.1 {
            let told = format_args!("{}: read as {name}'s text format", batches.file);
            uploads.bar.suspend(|| print::error(told));
        }
        &recognised.0
    };
    let mut splitter = Splitter::of(form);
    let send = |batch: Option<Batch>| match batch {
        None => Ok(()),
        Some(batch) => out.blocking_send(batch).map_err(|_| Ended::NobodyUploads),
    };
    loop {
        let cut = splitter.cut(window.bytes(), window.at_end(), window.is_full());
        let (mut seen, mut line) = (0, window.line);
        for piece in cut.pieces {
            let between = window.bytes().get(seen..piece.at.start).unwrap_or_default();
            line += newlines(between);
            seen = piece.at.start;
            let place = Place {
                line,
                byte: window.offset + piece.at.start as u64,
            };
            let bytes = window.bytes().get(piece.at).unwrap_or_default();
            match piece.content {
                Content::AsItIs => send(batches.push(bytes, place))?,
                Content::Wire(text) => send(batches.push(text.as_bytes(), place))?,
                Content::Rejected(reason) => {
                    uploads.rejects.reject(&batches.file, place, &reason, bytes);
                }
                Content::More => uploads.rejects.more(bytes),
            }
        }
        let consumed = cut.consumed;
        window.consume(consumed);
        if window.at_end() && (window.bytes().is_empty() || consumed == 0) {
            break;
        }
        if consumed == 0 {
            window.grow();
        }
        if unreadable.is_none() {
            unreadable = window.fill().err();
        }
    }
    *lines += window.lines();
    send(batches.rest())?;
    match unreadable {
        None => Ok(()),
        Some(error) => Err(Ended::Unreadable(format!(
            "cannot be read on behind byte {}: {error}",
            window.offset
        ))),
    }
}

fn report(read: &Read, uploads: &Uploads, url: &Uri, elapsed: Duration) -> ExitCode {
    let tally = uploads.tally();
    let rejected = uploads.rejects.count();
    let filtered = match tally.filtered {
        0 => String::new(),
        filtered => format!("{filtered} filtered, "),
    };
    let files = if read.files == 1 { "file" } else { "files" };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (tally.accepted + tally.duplicates) as f64 / elapsed.as_secs_f64();
    print::line(format_args!(
        "{} accepted, {} duplicates, {filtered}{rejected} rejected; {} lines of {} {files} in {:.2} s: \
         {rate:.0} records/s",
        tally.accepted,
        tally.duplicates,
        read.lines,
        read.files,
        elapsed.as_secs_f64(),
    ));
    if let Some(failure) = uploads.failure() {
        print::error(format_args!("POST {url}: {failure}"));
        print::error("not all was sent; run again, the import goes on where it was");
        return ExitCode::FAILURE;
    }
    if rejected > 0 || read.failed > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
