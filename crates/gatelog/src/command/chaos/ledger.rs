//! The ledger: what the run did and what it found, for people.

use std::fmt;
use std::time::Duration;

use super::books::Entries;
use super::campaign::Checked;
use super::oracle::{Finding, Verdict};

/// What is printed at the end.
#[derive(Debug)]
pub(super) struct Ledger<'b> {
    pub(super) entries: &'b Entries,
    pub(super) verdict: &'b Verdict,
    /// What the check found, or what kept it from being made.
    pub(super) checked: &'b Result<Checked, String>,
}

impl Ledger<'_> {
    /// Whether nothing is wrong, and enough was tried to say so.
    pub(super) fn is_clean(&self) -> bool {
        self.checked.is_ok()
            && self.verdict.is_clean()
            && self.missing().is_none()
            && self.entries.wrong.count == 0
    }

    /// What the run did not do, without which it proves nothing.
    fn missing(&self) -> Option<&'static str> {
        let Entries {
            kills,
            kills_under_load,
            ..
        } = *self.entries;
        match (kills, kills_under_load, self.verdict.acknowledged) {
            (0, ..) => Some("nothing was killed"),
            (_, _, 0) => Some("nothing was acknowledged"),
            (_, 0, _) => Some("nothing was killed that had acknowledged something"),
            _ => None,
        }
    }
}

impl fmt::Display for Ledger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, verdict) = (self.entries, self.verdict);
        writeln!(
            f,
            "faults    {} SIGKILL, {} of them before it listened; {} SIGTERM",
            entries.kills, entries.kills_in_recovery, entries.terminations
        )?;
        writeln!(
            f,
            "starts    {}, the slowest {} ms until /health",
            entries.starts,
            entries.slowest_start.as_millis()
        )?;
        writeln!(
            f,
            "batches   {} sent: {} acknowledged, {} unanswered, {} refused (503); {} sent again, {} \
             known again",
            entries.sent,
            entries.acknowledged,
            entries.unanswered,
            entries.refused,
            entries.repeated,
            entries.recognised
        )?;
        if let Ok(checked) = self.checked {
            writeln!(
                f,
                "records   {} acknowledged ({:.0} records/s), {} stored, {} of them without an answer",
                verdict.acknowledged,
                rate(verdict.acknowledged, checked.loaded),
                verdict.stored,
                verdict.unacknowledged
            )?;
            writeln!(
                f,
                "read      {} rows in {:.1} s, and {} queries under load",
                checked.rows,
                checked.reading.as_secs_f64(),
                entries.queries
            )?;
            let counts: Vec<_> = verdict
                .findings()
                .map(|(name, finding)| format!("{} {name}", finding.count))
                .collect();
            writeln!(f, "verdict   {}", counts.join(", "))?;
            for (name, finding) in verdict.findings() {
                examples(name, finding, f)?;
            }
        }
        examples("wrong answer", &entries.wrong, f)?;
        if let Err(error) = self.checked {
            writeln!(f, "failed    {error}")?;
        }
        if let Some(missing) = self.missing() {
            writeln!(f, "failed    {missing}: the run proves nothing")?;
        }
        Ok(())
    }
}

fn examples(name: &str, finding: &Finding, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for example in &finding.examples {
        writeln!(f, "          {name}: {example}")?;
    }
    let more = finding.count - finding.examples.len() as u64;
    if more > 0 {
        writeln!(f, "          {name}: and {more} more")?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(records: u64, time: Duration) -> f64 {
    records as f64 / time.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Entries {
        Entries {
            kills: 3,
            kills_under_load: 2,
            kills_in_recovery: 1,
            sent: 10,
            acknowledged: 9,
            ..Entries::default()
        }
    }

    fn verdict() -> Verdict {
        Verdict {
            acknowledged: 100,
            stored: 101,
            unacknowledged: 1,
            ..Verdict::default()
        }
    }

    const CHECKED: Result<Checked, String> = Ok(Checked {
        rows: 101,
        reading: Duration::from_millis(1500),
        loaded: Duration::from_secs(10),
    });

    fn told(
        entries: &Entries,
        verdict: &Verdict,
        checked: &Result<Checked, String>,
    ) -> (bool, String) {
        let ledger = Ledger {
            entries,
            verdict,
            checked,
        };
        (ledger.is_clean(), ledger.to_string())
    }

    #[test]
    fn a_clean_run_says_so() {
        let (clean, text) = told(&entries(), &verdict(), &CHECKED);
        assert!(clean, "{text}");
        assert!(
            text.contains("100 acknowledged (10 records/s), 101 stored"),
            "{text}"
        );
        assert!(
            text.contains("0 lost, 0 doubled, 0 invented, 0 damaged"),
            "{text}"
        );
    }

    #[test]
    fn findings_wrong_answers_and_runs_without_faults_are_failures() {
        let finding = Finding {
            count: 7,
            examples: vec!["0:5".to_owned()],
        };
        let lost = Verdict {
            lost: finding.clone(),
            ..verdict()
        };
        let (clean, text) = told(&entries(), &lost, &CHECKED);
        assert!(
            !clean && text.contains("lost: 0:5") && text.contains("lost: and 6 more"),
            "{text}"
        );
        let wrong = Entries {
            wrong: finding,
            ..entries()
        };
        assert!(!told(&wrong, &verdict(), &CHECKED).0);
        assert!(!told(&Entries::default(), &verdict(), &CHECKED).0);
        let only_in_recovery = Entries {
            kills_under_load: 0,
            ..entries()
        };
        let (clean, text) = told(&only_in_recovery, &verdict(), &CHECKED);
        assert!(!clean && text.contains("the run proves nothing"), "{text}");
        assert!(!told(&entries(), &Verdict::default(), &CHECKED).0);
        let (clean, text) = told(&entries(), &verdict(), &Err("the child ended".to_owned()));
        assert!(
            !clean && text.contains("failed    the child ended"),
            "{text}"
        );
    }
}
