//! `gatelog check FILE`: would `gatelog serve` start with this file, here? The environment is part of
//! the answer, as it is of the start: a DSN may be there and not in the file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{USAGE, print, serve};

/// Arguments of `gatelog check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match serve::file_and_environment(Some(&arguments.file)) {
        Ok(_) => {
            print::line(format_args!("{}: valid", arguments.file.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            print::error(error);
            ExitCode::from(USAGE)
        }
    }
}
