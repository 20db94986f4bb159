//! `gatelog mysql upgrade`.
//!
//! **Shape.** What would improve the table is printed as a script: statements, one on a line, and
//! comments. They are run with `--apply`, or when a person at the terminal says so. Nothing of it
//! happens by itself: `gatelog serve` never alters a table.
//!
//! **Failure.** A statement that fails is told, and the others are done all the same, unless the
//! account may do none of them or the connection is gone. The exit code is then 1. Doing it again
//! does what is left.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use gatelog_store::mysql::{Change, Cost, DEFAULT_TABLE, Dsn, Plan, Refused, TableSize, Upgrade};

use super::{USAGE, print, serve};

/// Arguments of `gatelog mysql`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show, then apply, the statements that improve an old `access_logs` table.
    ///
    /// Columns that are missing, milliseconds, room for longer values, indexes. Nothing is dropped,
    /// narrowed or rewritten. The database is that of `gatelog serve` with the same file and
    /// environment, which may run meanwhile.
    Upgrade(UpgradeArguments),
}

#[derive(Debug, Args)]
struct UpgradeArguments {
    /// Configuration file (YAML), as for `gatelog serve`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Apply the statements that are shown, without a question.
    #[arg(long)]
    apply: bool,
    /// Leave out what makes writers of the table wait while it is copied.
    #[arg(long)]
    online: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Command::Upgrade(arguments) = &arguments.command;
    let dsn = match dsn(arguments) {
        Ok(dsn) => dsn,
        Err(error) => {
            print::error(error);
            return ExitCode::from(USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(upgrade(dsn, arguments)),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print::error(error);
            ExitCode::FAILURE
        }
    }
}

fn dsn(arguments: &UpgradeArguments) -> Result<Dsn, String> {
    let config = serve::file_and_environment(arguments.config.as_deref());
    let config = config.map_err(|error| error.to_string())?;
    let mysql = config.store.mysql.ok_or(
        "no database is configured: set MYSQL_DSN, or store.mysql.dsn in the file of --config",
    )?;
    let read = Dsn::parse_trusting(mysql.dsn.reveal(), mysql.tls_ca.as_deref());
    let (dsn, warnings) = read.map_err(|error| error.to_string())?;
    for warning in warnings {
        print::error(warning);
    }
    Ok(dsn)
}

/// Shows, asks, applies; answers whether everything that was to be done is done.
async fn upgrade(dsn: Dsn, arguments: &UpgradeArguments) -> Result<bool, String> {
    let looked = Upgrade::look(dsn, DEFAULT_TABLE).await;
    let mut upgrade = looked.map_err(|error| error.to_string())?;
    print::line(format_args!("-- {}, {}", upgrade.place(), upgrade.server()));
    let Some((size, plan)) = upgrade.table() else {
        print::line(format_args!(
            "-- there is no table {DEFAULT_TABLE}: `gatelog serve` creates it when it connects"
        ));
        return Ok(true);
    };
    let changes = show(size, plan, arguments.online);
    let done = if changes.is_empty() {
        true
    } else if arguments.apply || agreed(changes.len()) {
        apply(&mut upgrade, &changes).await
    } else {
        print::line("-- nothing was changed; --apply runs these statements");
        true
    };
    // The server notices by itself if it does not hear it.
    let _heard = upgrade.close().await.is_ok();
    Ok(done)
}

/// Prints what there is to do, and answers what of it is to be done.
fn show(size: TableSize, plan: &Plan, online: bool) -> Vec<Change> {
    let TableSize {
        rows,
        data_bytes,
        index_bytes,
    } = size;
    print::line(format_args!(
        "-- {DEFAULT_TABLE}: about {rows} rows, {} and {} of indexes",
        ByteSize(data_bytes).display().iec(),
        ByteSize(index_bytes).display().iec()
    ));
    let (copying, others): (Vec<_>, Vec<_>) = plan
        .changes
        .iter()
        .cloned()
        .partition(|change| online && change.cost == Cost::Copies);
    for change in &others {
        let cost = match change.cost {
            Cost::AtOnce => {
                "at once, or beside reading and writing where the server has to rewrite it"
            }
            Cost::Beside => "takes time and disk, beside reading and writing",
            Cost::Copies => {
                "copies the table, which needs as much disk again: it can be read meanwhile, and \
                 records wait in gatelog's journal"
            }
        };
        print::line(format_args!("-- {}; {cost}", change.reason));
        print::line(format_args!("{};", change.statement()));
    }
    for change in &copying {
        print::line(format_args!("-- left out by --online: {}", change.reason));
    }
    for remark in &plan.remarks {
        print::line(format_args!("-- {remark}"));
    }
    if others.is_empty() {
        print::line("-- there is nothing to do");
    }
    others
}

/// Asks whoever sits at the terminal, if anybody does.
fn agreed(count: usize) -> bool {
    let (input, mut output) = (std::io::stdin(), std::io::stdout());
    if !input.is_terminal() || !output.is_terminal() {
        return false;
    }
    let asked =
        write!(output, "Apply these statements ({count})? [y/N] ").and_then(|()| output.flush());
    let mut answer = String::new();
    let answered = asked.and_then(|()| input.lock().read_line(&mut answer));
    answered.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

async fn apply(upgrade: &mut Upgrade, changes: &[Change]) -> bool {
    let mut failed = 0usize;
    for change in changes {
        let begun = Instant::now();
        match upgrade.apply(change).await {
            Ok(()) => {
                let took = begun.elapsed().as_secs_f64();
                print::line(format_args!("-- done in {took:.2} s: {}", change.reason));
            }
            Err(refused) => {
                failed += 1;
                print::error(format_args!("not done: {}: {refused}", change.statement()));
                if matches!(refused, Refused::NoRight(_) | Refused::Lost(_)) {
                    break;
                }
            }
        }
    }
    if failed == 0 {
        print::line("-- all done; a gatelog that runs notices within some 5 s, without a restart");
    }
    failed == 0
}
