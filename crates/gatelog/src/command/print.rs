//! Printing for people: results to standard output, what went wrong to standard error.
//!
//! A reader that has gone away (`gatelog send | head`) is no failure of ours.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;

pub(super) fn line(text: impl Display) {
    let _printed = writeln!(std::io::stdout(), "{text}").is_ok();
}

pub(super) fn error(text: impl Display) {
    let _printed = writeln!(std::io::stderr(), "gatelog: {text}").is_ok();
}

/// An error with all that caused it, each told once.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
