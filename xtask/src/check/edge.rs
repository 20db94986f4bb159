//! Dependencies between our crates point one way.
//!
//! ```text
//! record <- redact <- plugin, gatelog
//! record <- plugin          record, journal, store <- gatelog
//! cel                       knows no record
//! usage <- plugin           knows no record
//! cel, record <- filter <- plugin, gatelog
//! filter, record, redact <- plugin-config <- plugin
//! record <- store           record, journal <- testkit <- xtask, and everybody's tests
//! record, cel <- format <- gatelog, xtask, invariants
//! journal                   stores bytes and knows no record
//! failpoint <- journal, store, gatelog
//! cel, filter, record, redact, usage, plugin, journal, store, gatelog, testkit <- invariants
//! ```

use std::path::Path;

use super::finding::Finding;
use crate::workspace::{Dependency, Package};

/// A member, and the members that its code may use. A new crate gets a line here.
const EDGES: [(&str, &[&str]); 15] = [
    ("gatelog-record", &[]),
    ("gatelog-cel", &[]),
    ("gatelog-format", &["gatelog-cel", "gatelog-record"]),
    ("gatelog-filter", &["gatelog-cel", "gatelog-record"]),
    ("gatelog-redact", &["gatelog-record"]),
    ("gatelog-usage", &[]),
    ("gatelog-failpoint", &[]),
    ("gatelog-journal", &["gatelog-failpoint"]),
    (
        "gatelog-plugin",
        &[
            "gatelog-filter",
            "gatelog-plugin-config",
            "gatelog-record",
            "gatelog-redact",
            "gatelog-usage",
        ],
    ),
    (
        "gatelog-plugin-config",
        &["gatelog-filter", "gatelog-record", "gatelog-redact"],
    ),
    ("gatelog-store", &["gatelog-failpoint", "gatelog-record"]),
    (
        "gatelog",
        &[
            "gatelog-failpoint",
            "gatelog-filter",
            "gatelog-format",
            "gatelog-journal",
            "gatelog-record",
            "gatelog-redact",
            "gatelog-store",
        ],
    ),
    ("gatelog-testkit", &["gatelog-journal", "gatelog-record"]),
    (
        "gatelog-invariants",
        &[
            "gatelog",
            "gatelog-format",
            "gatelog-cel",
            "gatelog-filter",
            "gatelog-journal",
            "gatelog-plugin",
            "gatelog-record",
            "gatelog-redact",
            "gatelog-store",
            "gatelog-testkit",
            "gatelog-usage",
        ],
    ),
    (
        "xtask",
        &["gatelog-format", "gatelog-record", "gatelog-testkit"],
    ),
];

/// For tests only.
const TESTKIT: &str = "gatelog-testkit";

/// The crate that alone knows `DataFusion`: its majors come often, and it is most of a build.
const DATAFUSION_OWNER: &str = "gatelog-store";

/// Dependencies that point the wrong way, and members that have no line in the table.
pub(crate) fn findings(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .flat_map(|package| {
            let name = package.name.as_str();
            let Some((_, allowed)) = EDGES.iter().find(|(member, _)| *member == name) else {
                return vec![Finding::in_file(
                    Path::new(name),
                    "has no line in the table of xtask/src/check/edge.rs",
                )];
            };
            package
                .dependencies
                .iter()
                .filter(|dependency| !is_allowed(name, allowed, dependency))
                .map(|dependency| {
                    Finding::in_file(
                        Path::new(name),
                        format!("must not depend on {}", dependency.name),
                    )
                })
                .collect()
        })
        .collect()
}

fn is_allowed(package: &str, allowed: &[&str], dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    if name.starts_with("datafusion") {
        return package == DATAFUSION_OWNER;
    }
    let is_member = EDGES.iter().any(|(member, _)| *member == name);
    !is_member || allowed.contains(&name) || (dependency.dev && name == TESTKIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(package: &str, dependency: &str, dev: bool) -> Vec<String> {
        let dependencies = vec![Dependency {
            name: dependency.into(),
            dev,
        }];
        let packages = [Package {
            name: package.into(),
            dependencies,
        }];
        findings(&packages)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn edges_of_the_table_and_foreign_crates_are_allowed() {
        for (package, dependency, dev) in [
            ("gatelog-store", "gatelog-record", false),
            ("gatelog-store", "datafusion", false),
            ("gatelog-journal", "tokio", false),
            ("gatelog-journal", "gatelog-testkit", true),
            ("xtask", "gatelog-testkit", false),
        ] {
            assert_eq!(
                found(package, dependency, dev),
                [""; 0],
                "{package} -> {dependency}"
            );
        }
    }

    #[test]
    fn other_edges_are_found() {
        for (package, dependency, dev) in [
            ("gatelog-record", "gatelog-store", false),
            ("gatelog-journal", "gatelog-record", false),
            ("gatelog-journal", "gatelog-record", true),
            ("gatelog", "gatelog-testkit", false),
            ("gatelog", "datafusion", false),
            ("gatelog", "datafusion-expr", true),
        ] {
            let found = found(package, dependency, dev);
            assert_eq!(
                found,
                [format!("{package}: must not depend on {dependency}")]
            );
        }
    }

    #[test]
    fn a_member_without_a_line_is_found() {
        assert_eq!(found("gatelog-new", "serde", false).len(), 1);
    }
}
