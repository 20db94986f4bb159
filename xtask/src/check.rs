//! `cargo xtask check`: formatting, house rules, lints, licences.
//!
//! **Shape.** Every step runs, whatever came of the others; the quick ones come first. The house
//! rules are those of `CONTRIBUTING.md` that neither rustfmt nor clippy knows; each is a function
//! from [`SourceFile`] or from the workspace to [`Finding`]s.

mod edge;
mod finding;
mod length;
mod mask;
mod name;
mod source;
mod statement;

use anyhow::bail;
use finding::Finding;
use source::SourceFile;

use crate::program;
use crate::workspace::Workspace;

/// Prints what it finds; an error when it found anything.
type Step = fn(&Workspace) -> anyhow::Result<()>;

/// Runs every check.
///
/// # Errors
/// When one failed; what it found was printed before.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let steps: [(&str, Step); 4] = [
        ("formatting", formatting),
        ("house rules", house_rules),
        ("licences", licences),
        ("lints", lints),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("-- {name}");
        if let Err(error) = step(workspace) {
            println!("{error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("-- all checks passed");
    Ok(())
}

fn formatting(workspace: &Workspace) -> anyhow::Result<()> {
    program::run(workspace.cargo("fmt").args(["--all", "--check"]))
}

fn lints(workspace: &Workspace) -> anyhow::Result<()> {
    program::run(workspace.cargo("clippy").args([
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// What may be linked in. Building cargo-deny takes minutes, so it is used where it is installed.
fn licences(workspace: &Workspace) -> anyhow::Result<()> {
    if program::find("cargo-deny", &[]).is_none() {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    program::run(
        workspace
            .cargo("deny")
            .args(["check", "bans", "licenses", "sources"]),
    )
}

fn house_rules(workspace: &Workspace) -> anyhow::Result<()> {
    let files = source::read_all(&workspace.root)?;
    let findings = findings(&files, &length::allowed(&workspace.root)?, workspace);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "{} findings; the rules are in CONTRIBUTING.md",
            findings.len()
        );
    }
    println!("{} files keep them", files.len());
    Ok(())
}

fn findings(
    files: &[SourceFile],
    allowed: &[length::Allowed],
    workspace: &Workspace,
) -> Vec<Finding> {
    let mut findings = length::findings(files, allowed);
    for file in files {
        findings.extend(name::findings(file));
        findings.extend(statement::findings(file));
    }
    findings.extend(edge::findings(&workspace.packages));
    findings
}
