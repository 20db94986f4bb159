//! The load: wrk, from Debian's packages, posting standard records as fast as they are answered.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use gatelog_testkit::record::{Timestamp, json, standard};

use crate::program;

/// Different records that wrk posts in turn.
const RECORDS: u64 = 2000;

/// Seconds of load in one round.
pub(super) const SECONDS: u64 = 10;

/// What wrk saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Bodies of this many standard records each, one a line.
pub(super) fn bodies(records: u64) -> Vec<String> {
    let start = Timestamp::from_millis(1_774_231_801_217);
    let body = |first| {
        let mut text = String::new();
        for number in first..first + records {
            json::write(&standard::record(number, start), &mut text);
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    };
    (0..RECORDS / records)
        .map(|nth| body(nth * records))
        .collect()
}

/// Writes the script that posts these bodies in turn.
pub(super) fn script(dir: &Path, records: u64) -> anyhow::Result<PathBuf> {
    let mut text = String::from("local bodies = {\n");
    for body in bodies(records) {
        writeln!(text, "[==[{body}]==],")?;
    }
    write!(
        text,
        "}}\nlocal requests, next = {{}}, 0\n\
         init = function()\n\
         for i, body in ipairs(bodies) do\n\
         requests[i] = wrk.format('POST', '/ingest', {{['Content-Type'] = 'application/json'}}, body)\n\
         end\nend\n\
         request = function()\nnext = next % #requests + 1\nreturn requests[next]\nend\n"
    )?;
    let path = dir.join(format!("records-{records}.lua"));
    fs::write(&path, text)?;
    Ok(path)
}

/// Loads `http://127.0.0.1:PORT` over 64 connections.
///
/// # Errors
/// When wrk is missing, or an answer was no 2xx.
pub(super) fn load(port: u16, script: &Path) -> anyhow::Result<Load> {
    let url = format!("http://127.0.0.1:{port}/");
    let seconds = format!("-d{SECONDS}s");
    run(Command::new("wrk")
        .args(["-t1", "-c64", &seconds, "--latency", "-s"])
        .arg(script)
        .arg(url))
}

fn run(wrk: &mut Command) -> anyhow::Result<Load> {
    let text = program::output(wrk).context("wrk is needed: apt-get install wrk")?;
    ensure!(!text.contains("Non-2xx"), "answers other than 2xx:\n{text}");
    ensure!(
        !text.contains("Socket errors"),
        "connections failed:\n{text}"
    );
    read(&text).with_context(|| format!("wrk printed something else:\n{text}"))
}

/// Gets a URL over 16 connections for some seconds, or does with it what a script says.
///
/// # Errors
/// As [`load`].
pub(super) fn get(url: &str, seconds: u64, script: Option<&Path>) -> anyhow::Result<Load> {
    let seconds = format!("-d{seconds}s");
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c16", &seconds, "--latency"]);
    if let Some(script) = script {
        wrk.arg("-s").arg(script);
    }
    run(wrk.arg(url))
}

/// Loads for a second, whatever the answers are.
pub(super) fn fill(port: u16, script: &Path) -> anyhow::Result<()> {
    let url = format!("http://127.0.0.1:{port}/");
    let arguments = ["-t1", "-c16", "-d2s", "-s"];
    program::output(Command::new("wrk").args(arguments).arg(script).arg(url))?;
    Ok(())
}

fn read(text: &str) -> Option<Load> {
    let word_after = |key: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(key))?;
        line.trim_start()
            .strip_prefix(key)?
            .split_whitespace()
            .next()
    };
    let total = text.lines().find(|line| line.contains(" requests in "))?;
    Some(Load {
        requests: total.split_whitespace().next()?.parse().ok()?,
        per_second: word_after("Requests/sec:")?.parse().ok()?,
        p50_ms: millis(word_after("50%")?)?,
        p99_ms: millis(word_after("99%")?)?,
    })
}

/// A duration as wrk prints it: `812.00us`, `1.20ms`, `1.02s`.
fn millis(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let factor = match text.get(number.len()..)? {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let load = read(
            "Running 10s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  \
             Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.05ms  423.11us  \
             10.32ms   81.20%\n  Latency Distribution\n     50%  812.00us\n     75%    1.20ms\n     \
             90%    1.50ms\n     99%    2.61ms\n  612345 requests in 10.00s, 80.00MB read\n\
             Requests/sec:  61234.50\nTransfer/sec:      8.00MB\n",
        )
        .unwrap();
        assert_eq!(load.requests, 612_345);
        assert!((load.per_second - 61_234.5).abs() < 0.01);
        assert!((load.p50_ms - 0.812).abs() < 0.001 && (load.p99_ms - 2.61).abs() < 0.001);
    }
}
