//! `gatelog check FILE`: would `gatelog serve` start with this file, here? The environment is part of
//! the answer, as it is of the start: a DSN may be there and not in the file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use gatelog_filter::Runtime;

use super::{USAGE, print, serve};
use crate::output::configured::warnings;
use crate::selection::Selection;

/// Arguments of `gatelog check`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match serve::file_and_environment(Some(&arguments.file)) {
        Ok(config) => {
            // It was compiled already, or there would be an error.
            if let Ok(selection) = Selection::configured(&config, &Runtime::default()) {
                for warning in selection.warnings() {
                    print::error(format_args!("warning: filter: {warning}"));
                }
            }
            match warnings(&config.kong()) {
                Ok(warnings) => {
                    for warning in warnings {
                        print::error(format_args!("warning: {warning}"));
                    }
                }
                Err(error) => {
                    print::error(format_args!("{}: {error}", arguments.file.display()));
                    return ExitCode::from(USAGE);
                }
            }
            print::line(format_args!("{}: valid", arguments.file.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            print::error(error);
            ExitCode::from(USAGE)
        }
    }
}
