//! `gatelog chaos`: does this machine, with this disk, keep what it has acknowledged?
//!
//! **Shape.** Runs a server of its own as a child process, puts load on it, kills it at random, starts
//! it again on the same directory, and so on; then reads everything back through `GET /query` and
//! compares it with what was acknowledged. The parts are public so that the tests of single faults use
//! the same load, the same reading and the same oracle.
//!
//! **Failure.** Exit code 0: nothing lost, doubled, invented or damaged, and there were kills and
//! acknowledgements enough to say so. 1: something was, or the run could not be checked; the directory
//! is kept and named. The seed that is printed repeats the choices, not the timing.

pub mod books;
pub mod load;
pub mod oracle;
pub mod payload;
pub mod random;
pub mod read_back;

mod campaign;
mod child;
mod directory;
mod ledger;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::books::Books;
use self::campaign::{Campaign, Until};
use self::child::Launch;
use self::directory::Directory;
use self::ledger::Ledger;
use self::random::Random;
use super::{USAGE, number, print};
use crate::shutdown;

/// Minutes of a run for which neither time nor kills were said.
const DEFAULT_MINUTES: u64 = 2;

/// Arguments of `gatelog chaos`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// How long there is load and there are faults [default: 2, unless --kills is given].
    #[arg(long, value_name = "N", value_parser = number(1, 10_080))]
    minutes: Option<u64>,
    /// Ends the faults after so many kills.
    #[arg(long, value_name = "N", value_parser = number(1, u64::MAX))]
    kills: Option<u64>,
    /// An empty or new directory for the run, on the disk in question [default: a new one below the
    /// current directory].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Repeats the choices of an earlier run, though not its timing.
    #[arg(long, value_name = "N", value_parser = number(0, u64::MAX))]
    seed: Option<u64>,
    /// Records a second, at most.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = number(1, u64::MAX))]
    rate: u64,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let seed = arguments
        .seed
        .unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let random = Random::new(seed);
    // The name is not to repeat with the seed.
    let mut names = Random::new(RandomState::new().build_hasher().finish());
    let directory = Directory::new(arguments.data_dir.as_deref(), Path::new("."), &mut names);
    let directory = match directory {
        Ok(directory) => directory,
        Err(error) => {
            print::error(print::with_causes(&error));
            return ExitCode::from(USAGE);
        }
    };
    print::line(format_args!(
        "chaos in {}, seed {seed}",
        directory.path().display()
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let books = Books::default();
    let checked = match (runtime, std::env::current_exe()) {
        (Ok(runtime), Ok(program)) => {
            let campaign = Campaign {
                launch: Launch {
                    program,
                    data_dir: directory.data(),
                    log: directory.log(),
                },
                books: books.clone(),
                random: random.fork(0),
                progress: progress(),
                rate: arguments.rate,
            };
            runtime.block_on(campaign.run(arguments.until(), interrupted()))
        }
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    };
    conclude(directory, &books, &checked)
}

impl Arguments {
    fn until(&self) -> Until {
        let default = self.kills.is_none().then_some(DEFAULT_MINUTES);
        Until {
            time: self.minutes.or(default).map(Duration::from_mins),
            kills: self.kills,
        }
    }
}

/// Ends the faults on Ctrl-C or SIGTERM; the check is still made.
async fn interrupted() {
    if shutdown::signalled().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What goes on, on a terminal.
fn progress() -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}

fn conclude(
    directory: Directory,
    books: &Books,
    checked: &Result<campaign::Checked, String>,
) -> ExitCode {
    let entries = books.open();
    let verdict = entries.oracle.verdict();
    let ledger = Ledger {
        entries: &entries,
        verdict: &verdict,
        checked,
    };
    print::line(ledger.to_string().trim_end());
    if !ledger.is_clean() {
        print::error(format_args!(
            "chaos failed; data and log are kept in {}",
            directory.path().display()
        ));
        return ExitCode::FAILURE;
    }
    let path = directory.path().to_owned();
    if let Err(error) = directory.remove() {
        print::error(format_args!("{} is left: {error}", path.display()));
    }
    ExitCode::SUCCESS
}
