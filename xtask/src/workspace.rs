//! What cargo knows about this workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::program;

/// The workspace, as `cargo metadata` describes it.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, or `target` in the root.
    pub(crate) target_dir: PathBuf,
    /// The members.
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One entry in a member's dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether it is a dev-dependency: of tests and benchmarks only.
    pub(crate) dev: bool,
}

impl Workspace {
    /// Asks cargo. Needs no network.
    ///
    /// # Errors
    /// When cargo cannot read the workspace: its own words are in the message.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let text = program::output(program::cargo().args([
            "metadata",
            "--format-version=1",
            "--no-deps",
        ]))?;
        let metadata: Value =
            serde_json::from_str(&text).context("cargo metadata wrote no JSON")?;
        Self::from_metadata(&metadata).context("cargo metadata lacks a key that it should have")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        Some(Self {
            root: metadata.get("workspace_root")?.as_str()?.into(),
            target_dir: metadata.get("target_directory")?.as_str()?.into(),
            packages: metadata
                .get("packages")?
                .as_array()?
                .iter()
                .map(package)
                .collect::<Option<_>>()?,
        })
    }

    /// A cargo command in the root.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = program::cargo();
        cargo.current_dir(&self.root).arg(subcommand);
        cargo
    }

    /// Whether there is a member with this name.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }
}

fn package(value: &Value) -> Option<Package> {
    let dependency = |value: &Value| {
        Some(Dependency {
            name: value.get("name")?.as_str()?.to_owned(),
            dev: value.get("kind")?.as_str() == Some("dev"),
        })
    };
    Some(Package {
        name: value.get("name")?.as_str()?.to_owned(),
        dependencies: value
            .get("dependencies")?
            .as_array()?
            .iter()
            .map(dependency)
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_read() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.root.join("xtask/Cargo.toml").is_file());
        assert!(workspace.target_dir.is_absolute());
        assert!(workspace.has_package("gatelog-testkit"));
    }

    #[test]
    fn dev_dependencies_are_told_apart() {
        let metadata = serde_json::json!({
            "workspace_root": "/w", "target_directory": "/t",
            "packages": [{ "name": "a", "dependencies": [
                { "name": "b", "kind": null }, { "name": "c", "kind": "dev" },
            ]}],
        });
        let workspace = Workspace::from_metadata(&metadata).unwrap();
        let dependencies = &workspace.packages[0].dependencies;
        assert_eq!(dependencies.len(), 2);
        assert!(!dependencies[0].dev);
        assert!(dependencies[1].dev);
    }
}
