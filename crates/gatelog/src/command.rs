//! The command line: each command is a module with its arguments and what it does.

pub mod chaos;
mod check;
mod client;
mod dry_run;
mod format;
mod import;
mod mysql;
mod print;
mod send;
mod serve;

use std::process::ExitCode;

use clap::Subcommand;

/// Exit code for wrong usage and bad configuration (`EX_USAGE` of BSD's `sysexits.h`).
pub const USAGE: u8 = 64;

/// What can be asked of gatelog.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take records, keep them, answer queries.
    Serve(serve::Arguments),
    /// Validate a configuration file, with the environment as it is here; the error shows line, column
    /// and what is allowed.
    Check(check::Arguments),
    /// Send realistic records to a running server, and print what was acknowledged.
    Send(send::Arguments),
    /// Render records with an Envoy format string, one line each.
    Format(format::Arguments),
    /// Load log files into a running server.
    Import(import::Arguments),
    /// Show what a new filter, sampling policy or redaction would have kept and dropped of the records
    /// that a running server has stored, and the errors among them. Nothing is changed.
    DryRun(dry_run::Arguments),
    /// Load, random kills of a child of itself, and a ledger: does this disk keep what was acknowledged?
    Chaos(chaos::Arguments),
    /// What concerns the database and not a running server.
    Mysql(mysql::Arguments),
}

/// Reads the number of an argument, from `least` to `most`.
fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let number = text.parse().ok();
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.ok_or_else(|| match most {
            u64::MAX => format!("expected a whole number, at least {least}"),
            _ => format!("expected a whole number from {least} to {most}"),
        })
    }
}

impl Command {
    /// Does it, and answers the exit code: 0, [`USAGE`], or 1 when it failed.
    pub fn run(&self) -> ExitCode {
        match self {
            Self::Serve(arguments) => serve::run(arguments),
            Self::Check(arguments) => check::run(arguments),
            Self::Send(arguments) => send::run(arguments),
            Self::Format(arguments) => format::run(arguments),
            Self::Import(arguments) => import::run(arguments),
            Self::DryRun(arguments) => dry_run::run(arguments),
            Self::Chaos(arguments) => chaos::run(arguments),
            Self::Mysql(arguments) => mysql::run(arguments),
        }
    }
}
