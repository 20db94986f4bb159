//! `cargo xtask fuzz [TARGET] [--seconds N]`: runs the fuzz targets, each from its seeds.
//!
//! **Shape.** A target is a file of `fuzz/targets`; it calls the function of its name in the crate
//! `gatelog-invariants`, whose tests run over the same seeds in every test run. `fuzz/` is a
//! workspace of its own, as it needs a nightly toolchain. What a run finds on its way is kept in
//! `fuzz/corpus`, an input that breaks an invariant in `fuzz/artifacts`; a broken one becomes a seed
//! when it is mended. One target at a time: each is told to use one process.
//!
//! **Limits.** The targets of [`OF_THE_SERVICE`] build the whole service, which takes minutes the
//! first time.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::program;
use crate::workspace::Workspace;

/// Targets that need the crate `gatelog`, and with it everything.
const OF_THE_SERVICE: [&str; 8] = [
    "config",
    "dsn",
    "headers",
    "inflate",
    "json_body",
    "kong_json",
    "query",
    "senders",
];

/// Inputs are cut at so many bytes: what breaks a parser is short.
const MAX_INPUT_BYTES: u32 = 1 << 14;

/// No input of that length is a reason to ask for more at once: memory is bounded by what there is.
const MAX_ALLOCATION_MIB: u32 = 64;

/// Runs one target or all.
///
/// # Errors
/// When a tool is missing, the target is not known, or an invariant was broken: cargo-fuzz has
/// printed which, and how to run it again.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    let all = targets(&workspace.root)?;
    let chosen = match target {
        Some(name) if all.iter().any(|target| target == name) => vec![name.to_owned()],
        Some(name) => bail!(
            "no target is called `{name}`; there are: {}",
            all.join(", ")
        ),
        None => all,
    };
    check_tools()?;
    for target in &chosen {
        std::fs::create_dir_all(workspace.root.join("fuzz/corpus").join(target))
            .with_context(|| format!("cannot make the corpus of {target}"))?;
        program::run(&mut fuzz(&workspace.root, target, seconds))?;
    }
    println!("-- no invariant was broken: {}", chosen.join(", "));
    Ok(())
}

/// The names of the files in `fuzz/targets`, in order.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let directory = root.join("fuzz/targets");
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot list {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

fn check_tools() -> anyhow::Result<()> {
    let nightly = program::output(&mut nightly_cargo("--version"));
    nightly.context("a nightly toolchain is needed: rustup toolchain install nightly")?;
    program::output(nightly_cargo("fuzz").arg("--version"))
        .context("cargo-fuzz is needed: cargo install --locked cargo-fuzz")?;
    Ok(())
}

/// Not the cargo that runs us: sanitizers and coverage are options of nightly's compiler.
fn nightly_cargo(subcommand: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", subcommand]);
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}

fn fuzz(root: &Path, target: &str, seconds: u32) -> Command {
    let mut command = nightly_cargo("fuzz");
    command.current_dir(root.join("fuzz"));
    command.args(["run", "--fuzz-dir", "."]);
    if OF_THE_SERVICE.contains(&target) {
        command.args(["--features", "service"]);
    }
    // The first directory is the one that new inputs go to.
    command.args([
        target,
        &format!("corpus/{target}"),
        &format!("seeds/{target}"),
    ]);
    command.arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={MAX_INPUT_BYTES}"));
    command.arg(format!("-malloc_limit_mb={MAX_ALLOCATION_MIB}"));
    command.args(["-timeout=10", "-print_final_stats=1"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_is_declared() {
        let root = Workspace::load().unwrap().root;
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let targets = targets(&root).unwrap();
        assert!(targets.len() > 5, "{targets:?}");
        for target in &targets {
            assert!(root.join("fuzz/seeds").join(target).is_dir(), "{target}");
            assert!(
                manifest.contains(&format!("path = \"targets/{target}.rs\"")),
                "{target}"
            );
        }
        for target in OF_THE_SERVICE {
            assert!(targets.iter().any(|name| name == target), "{target}");
        }
    }

    #[test]
    fn a_target_runs_for_its_time_from_its_seeds() {
        let command = fuzz(Path::new("/w"), "json_body", 5);
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        assert_eq!(
            words.join(" "),
            "run nightly cargo fuzz run --fuzz-dir . --features service json_body corpus/json_body \
             seeds/json_body -- -max_total_time=5 -max_len=16384 -malloc_limit_mb=64 -timeout=10 \
             -print_final_stats=1"
        );
    }
}
