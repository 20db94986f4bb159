//! The page of figures: `docs/bench/mysql.md`.

use std::fmt::Write as _;
use std::process::Command;

use super::super::median;
use super::super::report::{BATCH, machine};
use super::{Figures, Held, QUOTA_MIB, QUOTA_SECONDS, RECORDS, Single, Written};
use crate::program;

/// The page.
pub(super) fn page(figures: &Figures) -> anyhow::Result<String> {
    let Figures {
        version,
        written,
        limits,
        singles,
        floors_us,
        held,
    } = figures;
    let date = program::output(Command::new("date").arg("-I"))?;
    let middle =
        |all: &[Written], pick: fn(&Written) -> f64| median(all.iter().map(pick).collect());
    let rate = |all: &[Written]| middle(all, |one| one.rows_per_second);
    let server = |all: &[Written]| middle(all, |one| one.server_us_per_row);
    let mut text = format!(
        "# MySQL/MariaDB\n\n\
         Made by `cargo xtask bench mysql`. {RECORDS} standard records (1.2 KB, all columns) a round into the \
         seed's table\nwith its ten indexes, `innodb_flush_log_at_trx_commit=1`, buffer pool 1 GiB; release \
         build; load,\ncollector and database on the same processors; medians of the rounds below.\n\n\
         - date: {}\n- machine: {}\n- server: {version}\n\n\
         ## End to end from HTTP, NDJSON of {BATCH}\n\n\
         From the first request to the last commit; the limit is `LOAD DATA LOCAL` of the same rows by \
         MariaDB's client, from a\nfile that is there already, in one statement.\n\n\
         | | rows/s | of the limit | server CPU us/row | of the limit's | own CPU us/row | peak RSS MiB |\n\
         |---|---|---|---|---|---|---|\n",
        date.trim(),
        machine()?,
    );
    writeln!(
        text,
        "| the client's LOAD DATA | {:.0} | 100 % | {:.1} | 100 % | | |",
        rate(limits),
        server(limits)
    )?;
    writeln!(
        text,
        "| gatelog | {:.0} | {:.0} % | {:.1} | {:.0} % | {:.1} | {:.0} |",
        rate(written),
        100.0 * rate(written) / rate(limits),
        server(written),
        100.0 * server(written) / server(limits),
        middle(written, |one| one.own_us_per_row),
        middle(written, |one| one.peak_rss_mib)
    )?;
    let list = |all: &[Written]| {
        let all: Vec<String> = all
            .iter()
            .map(|one| format!("{:.0}", one.rows_per_second))
            .collect();
        all.join(", ")
    };
    writeln!(
        text,
        "\nRounds, rows/s: gatelog {}; the client {}.\n\n\
         ## One record a request, 64 connections\n\n\
         | | requests/s | collector CPU us/request | the floor's + 8 us | peak RSS MiB |\n\
         |---|---|---|---|---|",
        list(written),
        list(limits)
    )?;
    let single = |pick: fn(&Single) -> f64| median(singles.iter().map(pick).collect());
    writeln!(
        text,
        "| gatelog with MariaDB | {:.0} | {:.1} | {:.1} | {:.0} |",
        single(|one| one.per_second),
        single(|one| one.cpu_us),
        median(floors_us.clone()) + 8.0,
        single(|one| one.peak_rss_mib)
    )?;
    text.push_str(
        "\nThe floor is a server that ignores the body, under the same load in the same run.\n",
    );
    if let Some(held) = held {
        text.push_str(&with_quota(held));
    }
    Ok(text)
}

fn with_quota(held: &Held) -> String {
    format!(
        "\n## With half a processor and {QUOTA_MIB} MiB\n\n\
         {:.0} single requests/s for {QUOTA_SECONDS} s: p99 {:.1} ms from the moment at which a request \
         was due; the last row\nwas in the table {:.2} s after the last answer; peak RSS {:.0} MiB.\n",
        held.per_second, held.p99_ms, held.behind_seconds, held.peak_rss_mib
    )
}
