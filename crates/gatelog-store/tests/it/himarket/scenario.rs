//! A question of HiMarket's with the columns that come back, and the comparison of two answers.
//!
//! **Invariants.** A number agrees when it is right to the last digit that the server prints
//! (`COUNT(*) / 15` comes with four decimals); texts agree as the table's collation has it, as which
//! of `a` and `A` stands for both is the server's choice.

use std::fmt::Debug;

use super::question::{Business, Question};
use super::seen::{Seen, fold};

/// One of the 48.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// The statement, for [`Question::fill`].
    pub(super) template: String,
    pub(super) columns: Vec<Column>,
    pub(super) plain: Plain,
    /// Rows that come back at most; which of them is the server's choice.
    pub(super) most: usize,
    /// The column by which the rows are ordered, the greatest first.
    pub(super) by: Option<&'static str>,
}

/// The calculation over the records that the question is about.
pub(super) type Plain = Box<dyn Fn(&Question, &[&Seen<'_>]) -> Vec<Vec<Cell>>>;

/// A column of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A group's name, or a part of it.
    Text(&'static str),
    /// What is told of a group.
    Number(&'static str),
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(Option<String>),
    Number(Option<f64>),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}

impl Cell {
    fn key(&self) -> Option<String> {
        match self {
            Self::Text(text) => text.as_deref().map(fold),
            Self::Number(_) => None,
        }
    }

    fn agrees(&self, found: Option<&str>) -> bool {
        match (self, found) {
            (Self::Text(None) | Self::Number(None), None) => true,
            (Self::Text(Some(text)), Some(found)) => fold(text) == fold(found),
            (Self::Number(Some(number)), Some(found)) => {
                let printed: f64 = found.parse().unwrap();
                let decimals = match found.split_once('.') {
                    Some((_, digits)) if !found.contains('e') => digits.len(),
                    _ => 0,
                };
                let last_digit = 10_f64.powi(-i32::try_from(decimals).unwrap());
                (printed - number).abs() <= 0.501 * last_digit + number.abs() * 1e-12
            }
            _ => false,
        }
    }
}

impl Scenario {
    pub(super) fn statement(&self, question: &Question) -> String {
        question.fill(&self.template)
    }

    /// The halves of the traffic that it can be asked about; the first stands for both where it does
    /// not tell them apart.
    pub(super) fn halves(&self) -> &'static [Business] {
        if self.is_of_a_half() {
            &[Business::Model, Business::Mcp]
        } else {
            &[Business::Model]
        }
    }

    fn is_of_a_half(&self) -> bool {
        self.template.contains("{business}")
    }

    /// What the answer has to be.
    pub(super) fn expected(&self, question: &Question, seen: &[Seen<'_>]) -> Vec<Vec<Cell>> {
        let half = self.is_of_a_half();
        let asked: Vec<&Seen<'_>> = seen
            .iter()
            .filter(|seen| question.admits(seen) && (!half || question.is_about(seen)))
            .collect();
        (self.plain)(question, &asked)
    }

    /// Whether the answer is what it has to be; if not, where it differs.
    pub(super) fn compare(
        &self,
        question: &Question,
        seen: &[Seen<'_>],
        answer: &Answer,
    ) -> Result<(), String> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        differ("the columns", &names, &answer.columns)?;
        self.check_order(answer)?;
        let mut expected = self.expected(question, seen);
        let mut found: Vec<&Vec<Option<String>>> = answer.rows.iter().collect();
        if expected.len() > self.most {
            differ("the number of rows", &self.most, &found.len())?;
            expected.retain(|row| found.iter().any(|found| agree(row, found)));
        }
        differ("the number of rows", &expected.len(), &found.len())
            .map_err(|error| format!("{error}\nexpected {expected:?}\nfound {found:?}"))?;
        expected.sort_by_cached_key(|row| row.iter().map(Cell::key).collect::<Vec<_>>());
        found.sort_by_cached_key(|row| self.key(row));
        for (expected, found) in expected.iter().zip(found) {
            if !agree(expected, found) {
                return Err(format!("expected {expected:?}, found {found:?}"));
            }
        }
        Ok(())
    }

    fn key(&self, row: &[Option<String>]) -> Vec<Option<String>> {
        self.columns
            .iter()
            .zip(row)
            .map(|(column, value)| match column {
                Column::Text(_) => value.as_deref().map(fold),
                Column::Number(_) => None,
            })
            .collect()
    }

    fn check_order(&self, answer: &Answer) -> Result<(), String> {
        let Some(by) = self.by else { return Ok(()) };
        let at = answer.columns.iter().position(|name| name == by).unwrap();
        let numbers: Vec<Option<f64>> = answer
            .rows
            .iter()
            .map(|row| row[at].as_deref().map(|number| number.parse().unwrap()))
            .collect();
        if numbers.is_sorted_by(|before, after| before >= after) {
            Ok(())
        } else {
            Err(format!("not ordered by {by}: {numbers:?}"))
        }
    }
}

/// Whether a row has something in it: a number, or else a text.
pub(super) fn tells(row: &[Cell]) -> bool {
    let is_number = |cell: &Cell| matches!(cell, Cell::Number(_));
    let only_texts = !row.iter().any(is_number);
    row.iter().any(|cell| match cell {
        Cell::Text(text) => only_texts && text.is_some(),
        Cell::Number(number) => number.is_some_and(|number| number > 0.0),
    })
}

fn agree(expected: &[Cell], found: &[Option<String>]) -> bool {
    expected
        .iter()
        .zip(found)
        .all(|(expected, found)| expected.agrees(found.as_deref()))
}

fn differ<E, F>(what: &str, expected: &E, found: &F) -> Result<(), String>
where
    E: Debug + PartialEq<F>,
    F: Debug,
{
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
