//! `gatelog check FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{USAGE, print};
use crate::config;

/// Arguments of `gatelog check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    // The file alone: the environment of whoever checks is not the server's.
    match config::load(
        Some(&arguments.file),
        std::iter::empty::<(String, String)>(),
    ) {
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
