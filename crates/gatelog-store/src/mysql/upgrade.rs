//! What would improve an `access_logs` table that others made, and how to do it beside the traffic.
//!
//! **Shape.** [`Found`](found::Found) is the table as the server describes it, `wanted` the table as
//! gatelog makes it; [`plan`] compares them and answers statements. It asks nobody. [`Upgrade`]
//! connects, reads and runs.
//!
//! **Invariants.** Nothing is dropped, narrowed or renamed, no row is changed, and nothing that a
//! column has besides its type (NULL, default, comment, character set, check) becomes another: the
//! server's own definition is taken, with another type in it. What is there already is not done
//! again. Each statement says how it may be done (`ALGORITHM`, `LOCK`), so a server that would have
//! to hold up more than was shown refuses it instead. The wording is that of MySQL 8 and MariaDB both.
//!
//! **Limits.** What the table needs as a whole stays with its owner and is only remarked: its engine, its
//! character set, a `start_time` that counts seconds.
//!
//! **Source.** MySQL 8.0 reference manual, "Online DDL Operations"; MariaDB's "`InnoDB` Online DDL
//! Overview", measured on 10.11.

mod columns;
mod found;
mod indexes;
mod session;
mod wanted;

pub use self::session::{Refused, TableSize, Upgrade};

use self::columns::Columns;
use self::found::Found;
use super::column::quoted;

/// Without looking at the rows; else by a look at them beside the traffic.
const AT_ONCE: &[&str] = &["ALGORITHM=INSTANT", IN_PLACE];

const BESIDE: &[&str] = &[IN_PLACE];

const COPYING: &[&str] = &["ALGORITHM=COPY, LOCK=SHARED"];

const IN_PLACE: &str = "ALGORITHM=INPLACE, LOCK=NONE";

/// What a statement asks of a busy database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing but the end of the statements that use the table at that moment; where the server
    /// cannot do it so, what [`Beside`](Self::Beside) asks.
    AtOnce,
    /// Time and disk, beside reading and writing.
    Beside,
    /// A second copy of the table is written. It can be read meanwhile; whoever writes waits.
    Copies,
}

/// A statement that would improve the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is to be better, for people.
    pub reason: String,
    /// What it asks of the database.
    pub cost: Cost,
    alteration: String,
    /// How it may be done, the best first.
    ways: &'static [&'static str],
}

impl Change {
    /// The statement, without a `;`.
    pub fn statement(&self) -> String {
        let way = self.ways.first().copied().unwrap_or_default();
        format!("{}, {way}", self.alteration)
    }

    /// The statement in all ways that hold nobody up longer than was shown, the best first.
    fn attempts(&self) -> impl Iterator<Item = String> {
        self.ways
            .iter()
            .map(|way| format!("{}, {way}", self.alteration))
    }
}

/// What could be done, and what is left to the table's owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which to do them.
    pub changes: Vec<Change>,
    /// What stays as it is though it could be better, and why.
    pub remarks: Vec<String>,
}

/// Parts of one `ALTER TABLE`, with what each is good for.
#[derive(Debug, Default)]
struct Parts {
    clauses: Vec<String>,
    reasons: Vec<String>,
}

impl Parts {
    fn push(&mut self, clause: String, reason: String) {
        self.clauses.push(clause);
        self.reasons.push(reason);
    }
}

/// What would improve this table.
fn plan(found: &Found) -> Plan {
    let mut columns = Columns::compared(found);
    let mut changes = Vec::new();
    if let Some(first) = columns.added.reasons.first_mut() {
        *first = format!("missing: {first}");
    }
    // A table with an index for words or for places takes no column without a copy.
    if found.indexes.iter().any(|index| !index.is_tree) {
        let mut added = std::mem::take(&mut columns.added);
        added.clauses.append(&mut columns.copied.clauses);
        added.reasons.append(&mut columns.copied.reasons);
        columns.copied = added;
    }
    for (parts, cost, ways) in [
        (columns.added, Cost::AtOnce, AT_ONCE),
        (columns.widened, Cost::AtOnce, BESIDE),
        (columns.copied, Cost::Copies, COPYING),
    ] {
        // One statement for all of a kind: a copy is made once.
        if !parts.clauses.is_empty() {
            changes.push(change(found, &parts, cost, ways));
        }
    }
    // After the copy, which would have to carry them. One statement for each, so that what was
    // built stays when a later one fails.
    for (column, clause) in indexes::missing(found) {
        let mut parts = Parts::default();
        parts.push(clause, format!("no index begins with {column}"));
        changes.push(change(found, &parts, Cost::Beside, BESIDE));
    }
    Plan {
        changes,
        remarks: columns.remarks,
    }
}

fn change(found: &Found, parts: &Parts, cost: Cost, ways: &'static [&'static str]) -> Change {
    // Other engines know no way but one.
    let (cost, ways) = if found.is_innodb() {
        (cost, ways)
    } else {
        (Cost::Copies, COPYING)
    };
    Change {
        reason: parts.reasons.join(", "),
        cost,
        alteration: format!(
            "ALTER TABLE {} {}",
            quoted(&found.name),
            parts.clauses.join(", ")
        ),
        ways,
    }
}

#[cfg(test)]
mod tests;
