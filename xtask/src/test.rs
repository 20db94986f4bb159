//! `cargo xtask test [CAPABILITY] [--long]`: installs what is missing, builds the plugin, runs the
//! tests, and says which those were.
//!
//! **Shape.** cargo-nextest runs the tests where it is installed, else `cargo test` does; the
//! examples in the documentation are always cargo's. The tests find the real programs by
//! `GATELOG_ENVOY` and `GATELOG_PLUGIN`.
//!
//! **The long set** is the tests that take minutes: `#[ignore = "long: …"]`, in modules named
//! `faults`. They run only with `--long`, beside those that always do:
//!
//! ```text
//! cargo xtask test faults           the fault tests of every run
//! cargo xtask test faults --long    and the long ones: whole matrices, a million steps
//! ```

use std::ffi::OsString;
use std::process::Command;

use anyhow::bail;

use crate::workspace::Workspace;
use crate::{plugin, program, tools};

/// Runs the tests of a capability, or all; with `long` those too that are ignored otherwise.
///
/// # Errors
/// When something cannot be installed or built, or a test fails.
pub(crate) fn run(
    workspace: &Workspace,
    capability: Option<&str>,
    long: bool,
) -> anyhow::Result<()> {
    capability.map_or(Ok(()), check_word)?;
    let environment = [
        (
            "GATELOG_ENVOY",
            tools::envoy(&workspace.target_dir)?.into_os_string(),
        ),
        ("GATELOG_PLUGIN", plugin::build()?.into_os_string()),
    ];
    tools::mariadb()?;
    tools::rsyslog()?;
    tools::faketime();
    for mut command in commands(workspace, capability, long) {
        program::run(with(&mut command, &environment))?;
    }
    println!("-- {}", what_ran(capability, long));
    Ok(())
}

fn what_ran(capability: Option<&str>, long: bool) -> String {
    let which = capability.map_or("every test".to_owned(), |word| {
        format!("the tests of {word}")
    });
    let how_long = if long {
        "the long ones included"
    } else {
        "without the long ones (--long)"
    };
    format!("passed: {which}, {how_long}")
}

/// The word becomes part of a filter expression and of a command line.
fn check_word(word: &str) -> anyhow::Result<()> {
    if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        bail!("a capability is one word of letters, digits and `_`, as in a test's name: `{word}`");
    }
    Ok(())
}

fn commands(workspace: &Workspace, capability: Option<&str>, long: bool) -> Vec<Command> {
    let package = capability
        .map(|word| format!("gatelog-{word}"))
        .filter(|package| workspace.has_package(package));
    let tests = if program::find("cargo-nextest", &[]).is_some() {
        vec![nextest(workspace, capability, package.as_deref(), long)]
    } else {
        plain(workspace, capability, package.as_deref(), long)
    };
    let examples = match (capability, &package) {
        (None, _) => Some("--workspace".to_owned()),
        (Some(_), Some(package)) => Some(format!("--package={package}")),
        (Some(_), None) => None,
    };
    let examples = examples.map(|which| arguments(workspace.cargo("test"), &["--doc", &which]));
    tests.into_iter().chain(examples).collect()
}

/// The whole crate, and elsewhere the tests that have the word between `::` and `_`.
fn nextest(
    workspace: &Workspace,
    capability: Option<&str>,
    package: Option<&str>,
    long: bool,
) -> Command {
    let mut command = arguments(workspace.cargo("nextest"), &["run", "--workspace"]);
    if long {
        command.args(["--profile", "long", "--run-ignored", "all"]);
    }
    if let Some(word) = capability {
        let by_word = format!("test(/(^|::|_){word}(_|::|$)/)");
        let filter = match package {
            Some(package) => format!("{by_word} | package(={package})"),
            None => by_word,
        };
        command.args(["--filterset", &filter]);
    }
    command
}

/// As near to [`nextest`] as cargo's own filter comes: the word anywhere in a test's path.
fn plain(
    workspace: &Workspace,
    capability: Option<&str>,
    package: Option<&str>,
    long: bool,
) -> Vec<Command> {
    // Documentation is tested apart; `--all-targets` would run the benchmarks too.
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    let tests = || arguments(workspace.cargo("test"), &targets);
    let of_package = package.map(|package| arguments(tests(), &["--package", package]));
    let mut everywhere = arguments(tests(), &["--workspace"]);
    if let Some(word) = capability {
        everywhere.arg(word);
    }
    let commands = of_package.into_iter().chain([everywhere]);
    if long {
        let included = ["--", "--include-ignored"];
        commands
            .map(|command| arguments(command, &included))
            .collect()
    } else {
        commands.collect()
    }
}

fn arguments(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

fn with<'c>(command: &'c mut Command, environment: &[(&str, OsString)]) -> &'c mut Command {
    command.envs(environment.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_capability_is_its_crate_and_the_tests_with_its_word() {
        let workspace = Workspace::load().unwrap();
        assert_eq!(
            words(&nextest(
                &workspace,
                Some("journal"),
                Some("gatelog-journal"),
                false
            )),
            "nextest run --workspace --filterset \
             test(/(^|::|_)journal(_|::|$)/) | package(=gatelog-journal)"
        );
        let plain: Vec<_> = plain(&workspace, Some("journal"), Some("gatelog-journal"), false)
            .iter()
            .map(words)
            .collect();
        assert_eq!(
            plain,
            [
                "test --lib --bins --tests --examples --package gatelog-journal",
                "test --lib --bins --tests --examples --workspace journal",
            ]
        );
    }

    #[test]
    fn without_a_capability_everything_runs_and_the_documentation_too() {
        let workspace = Workspace::load().unwrap();
        let commands = commands(&workspace, None, false);
        assert_eq!(words(commands.last().unwrap()), "test --doc --workspace");
        assert!(words(&commands[0]).ends_with("--workspace"));
    }

    #[test]
    fn the_long_set_is_what_is_ignored_otherwise() {
        let workspace = Workspace::load().unwrap();
        assert_eq!(
            words(&nextest(&workspace, Some("faults"), None, true)),
            "nextest run --workspace --profile long --run-ignored all --filterset test(/(^|::|_)faults(_|::|$)/)"
        );
        assert_eq!(
            words(&plain(&workspace, Some("faults"), None, true)[0]),
            "test --lib --bins --tests --examples --workspace faults -- --include-ignored"
        );
    }

    #[test]
    fn a_capability_that_is_no_word_is_refused() {
        for word in ["", "a b", "a)|all(", "--release"] {
            assert!(check_word(word).is_err(), "{word}");
        }
        assert!(check_word("http_log").is_ok());
    }
}
