//! What a line costs: rendering and reading it, on one core, beside `serde_json::to_vec`; and what a
//! filter's decision costs.
//!
//! **Shape.** The examples `format_speed` of `gatelog-format` and `decide` of `gatelog-filter` measure;
//! the candidates of each take turns in each round. What is quoted is the median of the rounds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;

use super::{median, report};
use crate::program;
use crate::workspace::Workspace;

/// What the candidates are to stay under, in nanoseconds.
const LIMITS: [(&str, f64); 3] = [
    ("render hango", 1200.0),
    ("read hango", 3000.0),
    ("decide, the seed's filter", 50.0),
];

/// What measures, each by itself.
const EXAMPLES: [&str; 2] = ["format_speed", "decide"];

/// What the others are compared with.
const YARDSTICK: &str = "serde_json::to_vec";

/// Nanoseconds per record, by candidate, one for each round.
type Figures = BTreeMap<String, Vec<f64>>;

/// Measures, prints the table and writes `docs/bench/format.md`.
pub(super) fn run(workspace: &Workspace, rounds: usize) -> anyhow::Result<()> {
    let mut output = String::new();
    for example in EXAMPLES {
        // The whole workspace's features, or every dependency is built once more.
        let arguments = ["--release", "--workspace", "--example", example];
        program::run(workspace.cargo("build").args(arguments))?;
        let measured = workspace.target_dir.join("release/examples").join(example);
        output += &program::output(Command::new(measured).arg(rounds.to_string()))?;
        output.push('\n');
    }
    let figures = figures(&output)?;
    let page = page(&figures)?;
    println!("\n{page}");
    let path = workspace.root.join("docs/bench/format.md");
    fs::write(&path, page)?;
    println!("written to {}", path.display());
    Ok(())
}

fn figures(output: &str) -> anyhow::Result<Figures> {
    let mut figures = Figures::new();
    for line in output.lines().filter(|line| !line.is_empty()) {
        let round: BTreeMap<String, f64> =
            serde_json::from_str(line).with_context(|| format!("not a round: {line}"))?;
        for (name, nanos) in round {
            figures.entry(name).or_default().push(nanos);
        }
    }
    Ok(figures)
}

fn page(figures: &Figures) -> anyhow::Result<String> {
    let date = program::output(Command::new("date").arg("-I"))?;
    let yardstick = figures
        .get(YARDSTICK)
        .map_or(0.0, |rounds| median(rounds.clone()));
    let mut text = String::from(
        "# Formats\n\n\
         Made by `cargo xtask bench format`. Standard records (1.2 KB, all columns), all different, release\n\
         build, one core; medians of the rounds. `serde_json::to_vec` writes the 37 columns of the same\n\
         records. *Quotes in it*: in the user agent, which breaks the line as JSON. *Decide*: whether a record\n\
         is kept.\n\n",
    );
    writeln!(text, "- date: {}", date.trim())?;
    writeln!(text, "- machine: {}\n", report::machine()?)?;
    text.push_str("| | ns per record | limit | of serde_json::to_vec |\n|---|---|---|---|\n");
    for (name, rounds) in figures {
        let nanos = median(rounds.clone());
        let limit = LIMITS.iter().find(|(limited, _)| limited == name);
        let limit = limit.map_or_else(String::new, |(_, limit)| format!("{limit:.0}"));
        writeln!(
            text,
            "| {name} | {nanos:.0} | {limit} | {:.0} % |",
            100.0 * nanos / yardstick
        )?;
    }
    text.push_str("\nRounds, ns:\n\n");
    for (name, rounds) in figures {
        let rounds: Vec<String> = rounds.iter().map(|nanos| format!("{nanos:.0}")).collect();
        writeln!(text, "- {name}: {}", rounds.join(", "))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_medians_and_the_ratio() {
        let output = "{\"render hango\":500,\"serde_json::to_vec\":1000}\n\
            {\"render hango\":700,\"serde_json::to_vec\":900}\n\
            {\"render hango\":600,\"serde_json::to_vec\":1200}\n";
        let page = page(&figures(output).unwrap()).unwrap();
        assert!(
            page.contains("| render hango | 600 | 1200 | 60 % |"),
            "{page}"
        );
    }
}
