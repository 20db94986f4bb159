//! The `gatelog` command.

use std::process::ExitCode;

use clap::Parser;
use gatelog::command::Command;

/// The allocator: the hot paths allocate on one thread and free on another, which the system's
/// handles badly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records every request that passes an API gateway, without losing one.
#[derive(Debug, Parser)]
#[command(name = "gatelog", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => arguments.command.run(),
        Err(error) => {
            // Help and version come this way, too; if they cannot be printed nothing else can.
            let _printed = error.print().is_ok();
            if error.use_stderr() {
                ExitCode::from(gatelog::command::USAGE)
            } else {
                ExitCode::SUCCESS
            }
        }
    }
}
