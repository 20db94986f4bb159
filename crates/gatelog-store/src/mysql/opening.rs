//! Opening the store: a connection, the table, where the journal stands, and more connections.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use mysql_async::Conn;

use super::connection::{rows, run, within};
use super::error::{Failure, unavailable};
use super::insert::{Inserter, Rows};
use super::position::Kept;
use super::table::Table;
use super::writer::Writer;
use super::{MysqlStore, lanes, now, partitioning, position};
use crate::{Result, Store as _};

/// What an opening has found.
pub(super) struct Opened {
    /// How far the journal is stored.
    pub(super) position: Option<u64>,
    /// Whether it stood there in the database.
    is_stored: bool,
}

/// Where a journal stands.
struct Settled {
    position: Option<u64>,
    /// Where its lanes stand in the database.
    lanes: Vec<u64>,
    /// Whether the position is that of the lanes.
    is_stored: bool,
}

impl MysqlStore {
    /// Connects, and finds out how far this journal is stored.
    pub(super) async fn connect(&self, journal: &str) -> Result<Opened> {
        let mut place = self.writer.lock().await;
        *place = None;
        let mut conn = self.door.connect(self.gathering.delay).await?;
        let limit = self.door.answer_timeout();
        let (version, max_packet, local_infile) = self.settings(&mut conn).await?;
        let (mut table, is_new) = Table::ensure(&mut conn, &self.table_name, limit).await?;
        within(limit, table.learn_charsets(&mut conn, max_packet))
            .await
            .map_err(|failure| failure.into_error("asking for the columns' characters"))?;
        partitioning::check(&mut conn, &table, now(), limit).await?;
        let table = Arc::new(table);
        let (transactional, kept) = self
            .find(&mut conn, journal)
            .await
            .map_err(|failure| failure.into_error("looking for the journal's position"))?;
        let is_kept = matches!(kept, Kept::WithTheRows(_));
        let settled = self.settle(journal, kept, is_new);
        let Settled {
            position,
            is_stored,
            ..
        } = settled;
        let loads = local_infile && transactional == Some(true);
        let width = self
            .width(&mut conn, loads && is_kept)
            .await
            .map_err(|failure| failure.into_error("asking how the server numbers rows"))?;
        let lanes = settled.lanes.len().max(width);
        let positions = if is_kept {
            let begun = self.begin_lanes(&mut conn, journal, settled, lanes).await;
            let begun =
                begun.map_err(|failure| failure.into_error("storing the journal's position"))?;
            // Not before the database has what is known here alone.
            self.exactly_once.store(true, Ordering::Relaxed);
            begun
        } else {
            Vec::new()
        };
        let most = if positions.is_empty() {
            lanes
        } else {
            positions.len()
        };
        let others = self.others(&mut conn, width.min(most)).await?;
        *self
            .milestones
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = ahead(&positions);
        if self.is_news("connected") {
            tracing::info!(
                version,
                table = self.table_name,
                exactly_once = self.exactly_once(),
                local_infile,
                position,
                connections = others.len() + 1,
                "connected to the database"
            );
        }
        let inserter = Inserter::new(&table, max_packet, limit, loads);
        self.note_lacks(&table);
        self.reader.set_table(Arc::clone(&table));
        *place = Some(Writer {
            conn,
            table,
            journal: journal.to_owned(),
            inserter,
            rows: Rows::default(),
            others,
            lanes,
            positions,
            looked: Instant::now(),
        });
        Ok(Opened {
            position,
            is_stored,
        })
    }

    /// The server's version, the largest packet in bytes, and whether it loads files of its clients.
    async fn settings(&self, conn: &mut Conn) -> Result<(String, usize, bool)> {
        let limit = self.door.answer_timeout();
        let settings = "SELECT VERSION(), @@max_allowed_packet, @@local_infile";
        let settings = rows(conn, settings, ());
        let settings: Vec<(String, u64, bool)> = within(limit, settings)
            .await
            .map_err(|failure| failure.into_error(&self.door.connecting()))?;
        let (version, max_packet, loads) = settings
            .into_iter()
            .next()
            .ok_or_else(|| unavailable("the server does not tell its settings"))?;
        Ok((version, self.door.max_packet_bytes(max_packet), loads))
    }

    /// How many connections are to write.
    async fn width(&self, conn: &mut Conn, loads: bool) -> std::result::Result<usize, Failure> {
        let limit = self.door.answer_timeout();
        let helps =
            self.connections > 1 && loads && lanes::loads_beside_each_other(conn, limit).await?;
        Ok(if helps { self.connections } else { 1 })
    }

    /// Puts what is known here alone into the database, and begins lanes that are missing, if it can
    /// be; answers where all lanes stand.
    async fn begin_lanes(
        &self,
        conn: &mut Conn,
        journal: &str,
        settled: Settled,
        lanes: usize,
    ) -> std::result::Result<Vec<u64>, Failure> {
        let mut positions = settled.lanes;
        let Some(position) = settled.position else {
            return Ok(positions);
        };
        let statement = if !settled.is_stored {
            // The process that follows has only what is stored.
            position::put(journal, lanes, position)
        } else if positions.len() < lanes && positions.iter().all(|lane| *lane == position) {
            position::insert(journal, positions.len()..lanes, position)
        } else {
            return Ok(positions);
        };
        run(conn, self.door.answer_timeout(), statement.as_bytes()).await?;
        positions.clear();
        positions.resize(lanes, position);
        Ok(positions)
    }

    /// The connections beside the first; fewer where the server has no more. From then on none of
    /// them waits long for a lock: one that another of them holds would not be let go, and the server
    /// sees no deadlock in that.
    async fn others(&self, first: &mut Conn, width: usize) -> Result<Vec<Conn>> {
        let mut others = Vec::new();
        while others.len() + 1 < width {
            match self.door.connect(self.gathering.delay).await {
                Ok(conn) => others.push(conn),
                Err(error) => {
                    if self.is_news("fewer") {
                        tracing::info!(%error, "it is written over fewer connections");
                    }
                    break;
                }
            }
        }
        if !others.is_empty() {
            let limit = self.door.answer_timeout();
            for conn in std::iter::once(first).chain(&mut others) {
                run(conn, limit, lanes::PATIENCE)
                    .await
                    .map_err(|failure| failure.into_error("setting how long locks are awaited"))?;
            }
        }
        Ok(others)
    }

    /// Whether the records' engine has transactions, and whether and where the position is kept.
    pub(super) async fn find(
        &self,
        conn: &mut Conn,
        journal: &str,
    ) -> std::result::Result<(Option<bool>, Kept), Failure> {
        let limit = self.door.answer_timeout();
        let transactional = position::transactional(conn, &self.table_name, limit).await?;
        let records = (self.table_name.as_str(), transactional);
        let kept = position::find(conn, records, journal, limit).await?;
        Ok((transactional, kept))
    }

    /// Takes note of where the position is kept from now on. `is_new` tells of
    /// a table of records that was missing and has been made.
    fn settle(&self, journal: &str, kept: Kept, is_new: bool) -> Settled {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = known
            .as_ref()
            .filter(|(name, _)| name == journal)
            .map(|(_, position)| *position);
        let settled = match kept {
            Kept::WithTheRows(lanes) => {
                let stored = lanes.iter().min().copied();
                // What was stored while positions were not kept is known here alone, and lies
                // behind the position that was kept before.
                let before = self.exactly_once.load(Ordering::Relaxed);
                // The position is gone and the records are there. With neither it is another
                // database, which gets what the journal still has.
                let lost = stored.is_none() && remembered.is_some() && !is_new;
                if before && lost {
                    tracing::warn!(
                        position = remembered,
                        "the database has lost the journal's position; it goes on from the one that \
                         this process knows"
                    );
                }
                let position = stored.max(remembered.filter(|_| !before || lost));
                Settled {
                    position,
                    lanes,
                    is_stored: position == stored,
                }
            }
            Kept::Not(reason) => {
                self.exactly_once.store(false, Ordering::Relaxed);
                if self.is_news(&reason) {
                    tracing::warn!(
                        table = self.table_name,
                        reason,
                        "the position is not kept with the rows: after a crash records may be \
                         stored twice"
                    );
                }
                Settled {
                    position: remembered,
                    lanes: Vec::new(),
                    is_stored: false,
                }
            }
        };
        *known = settled
            .position
            .map(|position| (journal.to_owned(), position));
        self.committed
            .fetch_max(settled.position.unwrap_or(0), Ordering::Relaxed);
        settled
    }

    /// Puts the position of this journal back, behind an opening.
    pub(super) async fn put_back(&self, journal: &str, position: u64) -> Result<()> {
        self.connect(journal).await?;
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or_else(|| unavailable("it is not open"))?;
        if self.exactly_once() {
            let statement = position::put(journal, writer.lanes, position);
            let limit = self.door.answer_timeout();
            run(&mut writer.conn, limit, statement.as_bytes())
                .await
                .map_err(|failure| failure.into_error("putting the journal's position back"))?;
            writer.positions = vec![position; writer.lanes];
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((journal.to_owned(), position));
        drop(known);
        self.committed.store(position, Ordering::Relaxed);
        *place = Some(writer);
        Ok(())
    }

    /// Opens the store with the table as it is now. Nothing is half done, so all goes on from where it
    /// was, if the position is still there.
    pub(super) async fn open_anew(&self, journal: &str) -> Result<()> {
        tracing::info!(
            table = self.table_name,
            "somebody has altered the tables: the store is opened again"
        );
        let before = self.committed.load(Ordering::Relaxed);
        let Opened {
            position,
            is_stored,
        } = self.connect(journal).await?;
        let was_there = is_stored || !self.exactly_once();
        if was_there && position.unwrap_or(0) == before {
            return Ok(());
        }
        *self.writer.lock().await = None;
        Err(Failure::Moved.into_error("looking at the tables"))
    }
}

/// Where lanes stand that have come further than others, in order.
fn ahead(positions: &[u64]) -> Vec<u64> {
    let mut ahead = positions.to_vec();
    ahead.sort_unstable();
    ahead.dedup();
    ahead.drain(..ahead.len().min(1));
    ahead
}
