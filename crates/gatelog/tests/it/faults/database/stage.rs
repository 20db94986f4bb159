//! A database, the way to it, gatelog, and a load.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gatelog::command::chaos::load::Manner;
use gatelog::command::chaos::oracle::{Id, Sighting, Verdict};
use gatelog::command::chaos::payload;
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::mariadb::{MariaDb, Session};
use gatelog_testkit::proxy::{Mode, Proxy};
use gatelog_testkit::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::rig::{LANES, Rig, peak_mib, start};
use crate::service::setup;

/// The account that gatelog has, and its first password.
pub(super) const USER: &str = "collector";
pub(super) const PASSWORD: &str = "first";

/// What every record of the load has in it, and no query.
pub(super) const ROW: &str = "/v1/chat/completions";

/// Records a second.
pub(super) const RATE: u64 = 250;

/// How long a change for the better may take: the longest pause between attempts is 5 s, and the
/// machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long the backlog of a long outage may take.
const DRAIN: Duration = Duration::from_mins(10);

/// What the process may need, whatever happens; without optimisation.
pub(super) const PEAK_MIB: u64 = 128;

/// The table as gatelog makes it.
pub(super) const TABLE: &str =
    include_str!("../../../../../gatelog-store/src/mysql/access_logs.sql");

/// Columns for what the load sends besides, so that whole records can be compared.
pub(super) const MORE_COLUMNS: &str = "ALTER TABLE access_logs ADD COLUMN first_byte_time BIGINT, \
    ADD COLUMN request_headers JSON, ADD COLUMN request_body MEDIUMTEXT";

/// Everything that a test needs.
pub(super) struct Stage {
    pub(super) server: MariaDb,
    pub(super) proxy: Proxy,
    pub(super) rig: Rig,
    pub(super) dir: TempDir,
    pub(super) setup: Setup,
    gatelog: Option<Gatelog>,
    peak_mib: u64,
    /// For what is asked again and again.
    asking: RefCell<Option<Session>>,
}

impl Stage {
    /// With the usual load, which has begun.
    pub(super) fn new() -> Self {
        let stage = Self::with(MariaDb::start().unwrap(), &LANES, RATE, "4s");
        stage.begin();
        stage
    }

    /// With answers expected so quickly, and a load that has begun.
    pub(super) fn impatient(limit: &str) -> Self {
        let stage = Self::with(MariaDb::start().unwrap(), &LANES, RATE, limit);
        stage.begin();
        stage
    }

    /// On this server, with a load that is to [begin](Self::begin).
    pub(super) fn with(server: MariaDb, lanes: &[Manner], rate: u64, limit: &str) -> Self {
        server.database("logs").unwrap();
        server
            .sql(&format!(
                "USE logs; {TABLE}; {MORE_COLUMNS};
                 CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';
                 GRANT SELECT, INSERT, UPDATE, CREATE ON logs.* TO {USER}@'%'"
            ))
            .unwrap();
        let proxy = Proxy::start(server.port()).unwrap();
        let dir = TempDir::new().unwrap();
        let dsn = dsn(&server, &proxy, PASSWORD, limit);
        let setup = setup(&dir)
            .variable("MYSQL_DSN", dsn)
            .variable("GATELOG_STORE__MYSQL__BATCH_DELAY_MS", "20");
        let gatelog = Some(start(&setup));
        Self {
            server,
            proxy,
            rig: Rig::paced(lanes, rate),
            dir,
            setup,
            gatelog,
            peak_mib: PEAK_MIB,
            asking: RefCell::new(None),
        }
    }

    /// With room for answers to queries of large records.
    pub(super) fn roomy(mut self) -> Self {
        self.peak_mib = 4 * PEAK_MIB;
        self
    }

    /// Begins the load, and waits until something is stored.
    pub(super) fn begin(&self) {
        self.rig.up(self.gatelog());
        self.more_rows();
    }

    pub(super) fn gatelog(&self) -> &Gatelog {
        self.gatelog.as_ref().unwrap()
    }

    /// The process is killed and another one takes its place.
    pub(super) fn kill_and_start(&mut self) {
        self.rig.down();
        self.gatelog.take().unwrap().kill().unwrap();
        self.gatelog = Some(start(&self.setup));
        self.rig.up(self.gatelog());
    }

    /// Statements as root, in the database.
    pub(super) fn sql(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        self.server
            .sql(&format!("USE logs;\n{statements}"))
            .unwrap()
    }

    /// The one value that a query gives.
    pub(super) fn value(&self, query: &str) -> String {
        let mut rows = self.sql(query);
        let value = rows.pop().and_then(|mut row| row.pop()).flatten();
        value.unwrap_or_else(|| panic!("{query}: no value"))
    }

    /// How many rows there are; none, where there is no table at the moment.
    fn rows(&self) -> u64 {
        let mut place = self.asking.borrow_mut();
        // The last one may have ended with the server, or with the table.
        for _ in 0..2 {
            let mut session = place
                .take()
                .unwrap_or_else(|| self.server.session().unwrap());
            match session.run("SELECT COUNT(*) FROM logs.access_logs") {
                Ok(rows) => {
                    *place = Some(session);
                    return rows[0][0].as_deref().unwrap().parse().unwrap();
                }
                Err(error) if error.to_string().contains("1146") => return 0,
                Err(_) => {}
            }
        }
        panic!("the server does not say how many rows there are");
    }

    /// Waits until so many more rows are stored than there are now.
    pub(super) fn wait_for_rows(&self, count: u64) {
        let before = self.rows();
        self.wait_until(before + count);
    }

    /// Waits until so many rows are stored.
    fn wait_until(&self, count: u64) {
        wait::until("rows to be stored", PATIENCE, || {
            let now = self.rows();
            if now >= count {
                Ok(())
            } else {
                Err((count, now, self.error()))
            }
        })
        .unwrap();
    }

    /// Waits until some more rows are stored.
    pub(super) fn more_rows(&self) {
        self.wait_for_rows(20);
    }

    /// What `/ready` says of the store, if it is not well.
    pub(super) fn error(&self) -> Option<String> {
        let (status, ready) = self.ready();
        let error = ready["stores"][0]["error"].as_str().map(str::to_owned);
        assert_eq!(error.is_some(), status == 503, "{ready}");
        error
    }

    pub(super) fn ready(&self) -> (u16, Value) {
        let (status, body) = self.gatelog().get("/ready").unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    /// How many attempts to write have failed.
    pub(super) fn errors(&self) -> u64 {
        let metrics = self.gatelog().get("/metrics").unwrap().1;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("gatelog_store_errors_total{store=\"mysql\"} "));
        line.unwrap().parse().unwrap()
    }

    /// Waits until `/ready` says this, while batches are taken as before; answers all it says.
    pub(super) fn told(&self, words: &str) -> String {
        let told = wait::until(&format!("{words:?} to be told"), PATIENCE, || {
            let error = self.error();
            error
                .clone()
                .filter(|told| told.contains(words))
                .ok_or(error)
        });
        self.rig.wait_for_batches(3);
        told.unwrap()
    }

    /// Waits until the store is well and goes on storing.
    pub(super) fn recovered(&self) {
        wait::until("the store to be well", PATIENCE, || match self.error() {
            None => Ok(()),
            Some(error) => Err(error),
        })
        .unwrap();
        self.more_rows();
    }

    /// Cuts all connections; new ones are carried again.
    pub(super) fn reconnect(&self) {
        self.proxy.set(Mode::Refuse);
        self.proxy.set(Mode::Pass);
    }

    /// The server offers `LOAD DATA LOCAL`, or does not, to the connections that follow.
    pub(super) fn local_infile(&self, offered: bool) {
        let offered = u8::from(offered);
        self.sql(&format!("SET GLOBAL local_infile = {offered}"));
        self.reconnect();
        self.more_rows();
    }

    /// Does it once for each way in which rows can be written.
    pub(super) fn by_both_ways(&self, fault: impl Fn(&Self)) {
        for offered in [true, false] {
            self.local_infile(offered);
            fault(self);
            self.recovered();
        }
    }

    /// Ends the load, and everything has to be right: what is in the table and in the dead letter.
    /// Answers why letters are there.
    pub(super) fn finish(mut self) -> Reasons {
        self.rig.end_load(self.gatelog.as_ref().unwrap());
        self.rig.read_back(self.gatelog());
        let letters = self.letters();
        let mut reasons = BTreeMap::new();
        {
            let mut books = self.rig.books.open();
            for letter in &letters {
                books.oracle.see(payload::examine(letter));
                let letter: Value = serde_json::from_str(letter).unwrap();
                let reason = letter["dead_letter_reason"].as_str().unwrap();
                *reasons.entry(reason.to_owned()).or_default() += 1;
            }
        }
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        // What `/query` shows is what there is.
        let count = "SELECT COUNT(*) FROM access_logs";
        assert_eq!(
            self.value(count),
            (verdict.stored - letters.len() as u64).to_string()
        );
        reasons
    }

    /// As [`finish`](Self::finish), of columns that are not what they were: each record is looked for
    /// by its id in these tables.
    pub(super) fn finish_by_id(mut self, tables: &[&str]) -> Reasons {
        self.rig.end_load(self.gatelog.as_ref().unwrap());
        self.drained();
        let mut reasons = BTreeMap::new();
        {
            let mut books = self.rig.books.open();
            for table in tables {
                for row in self.sql(&format!("SELECT request_id FROM {table}")) {
                    books.oracle.see(by_id(row[0].as_deref().unwrap()));
                }
            }
            for letter in self.letters() {
                let letter: Value = serde_json::from_str(&letter).unwrap();
                books
                    .oracle
                    .see(by_id(letter["request_id"].as_str().unwrap()));
                let reason = letter["dead_letter_reason"].as_str().unwrap();
                *reasons.entry(reason.to_owned()).or_default() += 1;
            }
        }
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        reasons
    }

    /// As [`finish`](Self::finish), where a record may be stored twice.
    pub(super) fn finish_at_least_once(mut self) -> Verdict {
        self.rig.end_load(self.gatelog.as_ref().unwrap());
        self.rig.read_back(self.gatelog());
        let verdict = self.verdict();
        let wrong = [&verdict.lost, &verdict.invented, &verdict.damaged];
        assert!(
            wrong.iter().all(|finding| finding.count == 0),
            "{verdict:?}"
        );
        verdict
    }

    /// Waits until nothing waits for the store.
    pub(super) fn drained(&self) {
        wait::until("the journal to be stored", DRAIN, || {
            let (_, ready) = self.ready();
            let store = &ready["stores"][0];
            if store["lag_records"] == 0 && store["ok"] == true {
                Ok(())
            } else {
                Err(store.to_string())
            }
        })
        .unwrap();
    }

    /// The oracle's, and what else has to hold at the end.
    fn verdict(&self) -> Verdict {
        let books = self.rig.books.open();
        assert_eq!(books.wrong.count, 0, "{:?}", books.wrong.examples);
        let verdict = books.oracle.verdict();
        drop(books);
        let peak = peak_mib(self.gatelog());
        println!(
            "{} acknowledged, {} stored, peak {peak} MiB",
            verdict.acknowledged, verdict.stored
        );
        assert!(verdict.acknowledged > 0);
        assert!(peak < self.peak_mib, "{peak} MiB");
        verdict
    }

    /// The lines of the dead letter.
    pub(super) fn letters(&self) -> Vec<String> {
        letters(self.dir.path())
    }
}

/// How many letters there are, by their reasons.
pub(super) type Reasons = BTreeMap<String, u64>;

/// The DSN through the proxy, with answers expected so quickly.
pub(super) fn dsn(server: &MariaDb, proxy: &Proxy, password: &str, limit: &str) -> String {
    let direct = format!(":{})", server.port());
    let dsn = server.dsn_of(USER, password, "logs");
    let dsn = dsn.replace(&direct, &format!(":{})", proxy.port()));
    format!("{dsn}&timeout={limit}&readTimeout={limit}&writeTimeout={limit}")
}

/// The lines of the store's dead letter in a data directory.
pub(super) fn letters(data_dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(data_dir.join("dead-letter")) else {
        return Vec::new();
    };
    let mut letters = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("mysql") && name.ends_with(".ndjson") {
            let text = std::fs::read_to_string(&path).unwrap();
            letters.extend(text.lines().map(str::to_owned));
        }
    }
    letters
}

/// A row of which only the id is known: `lane-number-checksum`, in hexadecimal.
fn by_id(name: &str) -> Sighting {
    let mut parts = name.split('-');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    match (number(), number()) {
        (Some(lane), Some(number)) => Sighting::Intact(Id {
            lane: lane.try_into().unwrap(),
            number,
        }),
        _ => Sighting::Foreign(name.to_owned()),
    }
}
