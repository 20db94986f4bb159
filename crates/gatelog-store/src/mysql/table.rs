//! The table of records: what it looks like, and how it is made where it is missing.
//!
//! **Shape.** [`Table::ensure`] asks `information_schema` for the columns. Rows are written to the
//! columns whose names are fields of a record; others stay at their defaults, or get the nothing of
//! their type where they have none and take no NULL.
//!
//! **Invariants.** A table that exists is never altered, nor is any dropped.
//!
//! **Failure.** A table is unusable without a `start_time` that holds a moment, and when one of its
//! columns must have a value that nobody knows.

use std::time::Duration;

use gatelog_record::Field;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::charset::Charset;
use super::column::{self, Class, Column, Demand, quoted};
use super::connection::{rows, within};
use super::error::{Failure, unusable};
use crate::Result;

/// The seed's table, with a start time in milliseconds and the sample weight. Valid for MySQL 8 and
/// MariaDB.
const CREATE: &str = include_str!("access_logs.sql");

/// The table as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name.
    name: String,
    columns: Vec<Column>,
}

impl Table {
    /// Reads the table's columns; `None` if there is no such table, or the account may not see it.
    pub(super) async fn read(conn: &mut Conn, name: &str) -> mysql_async::Result<Option<Self>> {
        let statement = format!(
            "SELECT {} FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position",
            column::DESCRIPTION
        );
        let described = rows(conn, &statement, (name,)).await?;
        let columns: Vec<Column> = described.into_iter().map(Column::new).collect();
        Ok((!columns.is_empty()).then(|| Self {
            name: name.to_owned(),
            columns,
        }))
    }

    /// The table to write to, which is made if there is none; and whether it was made.
    pub(super) async fn ensure(
        conn: &mut Conn,
        name: &str,
        limit: Duration,
    ) -> Result<(Self, bool)> {
        let failed =
            |failure: Failure| failure.into_error(&format!("looking for the table {name}"));
        let mut table = within(limit, Self::read(conn, name))
            .await
            .map_err(failed)?;
        let is_missing = table.is_none();
        if is_missing {
            let statement = CREATE.replacen("access_logs", &quoted(name), 1);
            within(limit, conn.query_drop(statement))
                .await
                .map_err(|failure| {
                    failure.into_error(&format!("creating the table {name}, which is missing"))
                })?;
            tracing::info!(table = name, "the table was missing and is created");
            table = within(limit, Self::read(conn, name))
                .await
                .map_err(failed)?;
        }
        let table =
            table.ok_or_else(|| unusable(format!("the account does not see the table {name}")))?;
        table.check()?;
        Ok((table, is_missing))
    }

    /// Finds out which characters the columns that are written can hold.
    pub(super) async fn learn_charsets(
        &mut self,
        conn: &mut Conn,
        max_packet_bytes: usize,
    ) -> mysql_async::Result<()> {
        let mut known: Vec<Charset> = Vec::new();
        for column in &mut self.columns {
            if let Class::Text { charset, .. } = &mut column.class
                && column.field.is_some()
            {
                if let Some(known) = known.iter().find(|known| *known == charset) {
                    *charset = known.clone();
                } else {
                    charset.learn(conn, max_packet_bytes).await?;
                    known.push(charset.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether the table's columns are still these.
    pub(super) async fn is_as_it_was(&self, conn: &mut Conn) -> mysql_async::Result<bool> {
        Ok(Self::read(conn, &self.name).await?.as_ref() == Some(self))
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        match self.column(Field::StartTime) {
            None => {
                return Err(unusable(format!(
                    "the table {name} has no column start_time that takes a moment \
                     (DATETIME, TIMESTAMP, or BIGINT for seconds since 1970)"
                )));
            }
            Some(column) if column.demand == Demand::Nothing => {
                return Err(unusable(format!(
                    "the table {name} computes its start_time"
                )));
            }
            Some(_) => {}
        }
        let unknown = self.columns.iter().find(|column| {
            column.field.is_none()
                && match column.demand {
                    Demand::Nothing | Demand::Optional => false,
                    Demand::Value => column.class == Class::Other,
                    Demand::UniqueValue => true,
                }
        });
        unknown.map_or(Ok(()), |column| {
            Err(unusable(format!(
                "the table {name} has a column {} that must have a value; give it a default",
                column.name
            )))
        })
    }

    /// The table's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The table's name as it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// The names of all its columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The columns that a row gives values for.
    pub(super) fn written(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| match column.demand {
            Demand::Nothing => false,
            Demand::Optional => column.field.is_some(),
            Demand::Value | Demand::UniqueValue => true,
        })
    }

    /// The names of these, as they stand in a statement.
    pub(super) fn written_list(&self) -> String {
        let names: Vec<String> = self.written().map(Column::quoted).collect();
        names.join(",")
    }

    /// The columns that hold a record's fields, with these.
    pub(super) fn read_back(&self) -> impl Iterator<Item = (Field, &Column)> {
        self.columns
            .iter()
            .filter_map(|column| Some((column.field?, column)))
    }

    /// The column of a field.
    pub(super) fn column(&self, field: Field) -> Option<&Column> {
        self.read_back()
            .find_map(|(found, column)| (found == field).then_some(column))
    }

    /// The fields of the record's 37 that have no column.
    pub(super) fn lacks(&self) -> impl Iterator<Item = Field> {
        let has = |field: &Field| self.column(*field).is_some();
        Field::columns()
            .iter()
            .copied()
            .filter(move |field| !has(field))
    }

    /// The column of this name, whether it has a field or not.
    pub(super) fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether the column of this name is computed from JSON that is written.
    pub(super) fn is_made_of_json(&self, name: &str) -> bool {
        let expression = self
            .column_named(name)
            .and_then(|column| column.computed.as_deref())
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.written()
            .filter(|column| column.takes_json())
            .any(|column| expression.contains(&column.name.to_ascii_lowercase()))
    }

    /// The name, for a statement, of the column that numbers the rows as they come in.
    pub(super) fn row_number(&self) -> Option<String> {
        self.columns
            .iter()
            .find(|column| {
                column.name.eq_ignore_ascii_case("id")
                    && matches!(column.class, Class::Integer { .. })
                    && !column.nullable
            })
            .map(Column::quoted)
    }
}
