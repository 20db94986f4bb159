//! The page of figures: `docs/bench/outputs.md`.

use std::fmt::Write as _;
use std::process::Command;

use super::super::median;
use super::super::report::machine;
use super::{CASES, Figures, IDLE_OUTPUTS, Idle, LONGEST, Round, real};
use crate::program;

/// What an output is to cost for each record that it is not for, in microseconds.
const IDLE_US: f64 = 0.2;

/// The page.
pub(super) fn page(figures: &Figures) -> anyhow::Result<String> {
    let date = program::output(Command::new("date").arg("-I"))?;
    let mut text = format!(
        "# Outputs\n\n\
         Made by `cargo xtask bench outputs`. {} standard records (1.2 KB, all columns; {:.0} bytes as Kong's JSON) \
         wait in\nthe journal, release build, nothing else to do for gatelog; records a second from the first to \
         the last that a\nreceiver on the same machine gets, all on the same cores. *The limit*: the same bytes to \
         the same receiver from\na loop of blocking writes, one thread a connection, without gatelog; where gatelog \
         sends more at once with one\ncall or wakes up less often, it may be above. Medians of the rounds; a turn \
         of `http-log` ends after {} s.\n\n\
         - date: {}\n- machine: {}\n- room for datagrams that wait for their receiver: {:.1} MiB\n\n",
        figures.records,
        figures.record_bytes,
        LONGEST.as_secs(),
        date.trim(),
        machine()?,
        real(figures.room_bytes as u64) / real(1 << 20),
    );
    text.push_str(
        "| | of the limit | of the aim | records/s | aim | limit, records/s | CPU us/record | lost | lost by the loop |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (case, rounds) in CASES.iter().zip(&figures.rounds) {
        let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
        let rate = of(|round| round.per_second);
        let limits = rounds.iter().filter_map(|round| round.limit);
        let limit = median(limits.clone().map(|limit| limit.per_second).collect());
        let lost = median(limits.map(|limit| limit.lost_percent).collect());
        let aim = case.aim.unwrap_or_default();
        let known = |value: f64, shown: String| if value > 0.0 { shown } else { String::new() };
        writeln!(
            text,
            "| {} | {} | {} | {rate:.0} | {} | {} | {:.1} | {:.1} % | {} |",
            case.name,
            known(limit, format!("{:.0} %", 100.0 * rate / limit)),
            known(aim, format!("{:.0} %", 100.0 * rate / aim)),
            known(aim, format!("{aim:.0}")),
            known(limit, format!("{limit:.0}")),
            of(|round| round.cpu_us),
            of(|round| round.lost_percent),
            known(limit, format!("{lost:.1} %")),
        )?;
    }
    text.push_str("\nRounds, records/s, and those of the loop in brackets:\n\n");
    for (case, rounds) in CASES.iter().zip(&figures.rounds) {
        let all: Vec<String> = rounds.iter().map(one).collect();
        writeln!(text, "- {}: {}", case.name, all.join(", "))?;
    }
    idle(&mut text, figures)?;
    Ok(text)
}

fn one(round: &Round) -> String {
    let limit = round
        .limit
        .map_or_else(String::new, |limit| format!(" ({:.0})", limit.per_second));
    let errors = if round.errors > 0 {
        format!(" with {} failed attempts", round.errors)
    } else {
        String::new()
    };
    format!("{:.0}{limit}{errors}", round.per_second)
}

/// Outputs that no record is for.
fn idle(text: &mut String, figures: &Figures) -> anyhow::Result<()> {
    let all = real(figures.records);
    let each = |idle: &Idle| (idle.beside - idle.alone) * 1e6 / all / real(IDLE_OUTPUTS);
    let found = median(figures.idle.iter().map(each).collect());
    let rounds: Vec<String> = figures
        .idle
        .iter()
        .map(|idle| {
            format!(
                "{:.3} ({:.2} and {:.2})",
                each(idle),
                idle.alone * 1e6 / all,
                idle.beside * 1e6 / all
            )
        })
        .collect();
    writeln!(
        text,
        "\n## An output that no record is for\n\n\
         The processor time of gatelog for the same records with one `file-log` to `/dev/null`, and with that \
         and {IDLE_OUTPUTS} more,\neach for a service that no record has: the difference is {found:.3} us for a \
         record and an output, where {IDLE_US} is the\naim.\n\n\
         Rounds, us; in brackets those of a record with one output and with all: {}.",
        rounds.join(", ")
    )?;
    Ok(())
}
