//! The running service: what its parts share, how it starts and how it ends.

mod admin;
mod outgoing;
mod readers;
mod stores;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use gatelog_filter::CompileError;
use gatelog_journal::{Journal, Lag, Start};
use gatelog_redact::{RuleError, Rules};
use gatelog_store::Store;
use metrics::Counter;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};

use self::admin::AdminServer;
use self::outgoing::Outgoing;
use self::readers::{forget_other_readers, start_pipelines, start_senders};
use crate::api;
use crate::api::admin::Admin;
use crate::api::lookout::{Lookout, Sight};
use crate::api::room::Room;
use crate::config::{Config, Sync};
use crate::dead_letter::DeadLetters;
use crate::forwarder::Outputs;
use crate::health::Health;
use crate::intake::{Intake, hash_key};
use crate::open_files;
use crate::output::OutputSet;
use crate::output::configured::OutputsError;
use crate::pipeline::Pipeline;
use crate::plugins::Plugins;
use crate::refusal::{self, Refused};
use crate::retention::Sweeper;
use crate::runtime_keys::RuntimeKeys;
use crate::selection::reads::reads;
use crate::selection::{Selection, spent};
use crate::senders::{self, Keeper, Senders};
use crate::source::file::{self, Board, Files};
use crate::telemetry::{IntakeMetrics, Telemetry};

/// What the handlers of requests work with.
pub struct Service {
    /// Where accepted records go.
    pub journal: Arc<Journal>,
    /// From bodies to frames.
    pub intake: Intake,
    /// Which records are here already, and which never came.
    pub senders: Arc<Senders>,
    /// The registry of metrics.
    pub telemetry: Telemetry,
    /// Every store, with how it is.
    pub stores: Vec<(Arc<dyn Store>, Arc<Health>)>,
    /// The outputs, which may change.
    pub outputs: Outputs,
    /// Where readers keep what they cannot pass on.
    pub dead_letters: DeadLetters,
    /// The store that answers queries.
    pub query_store: Arc<dyn Store>,
    /// Room for bodies that are under way.
    pub room: Room,
    /// Places to decode large and compressed bodies.
    pub decoders: Semaphore,
    /// What the disk tells of the journal.
    pub lookout: Lookout,
    /// Bodies that the journal has not taken.
    pub refused: Refused,
    /// How the files are that are followed.
    pub files: Board,
    /// What senders may send.
    pub limits: Limits,
    /// Whether rows show absent texts as "".
    pub empty_strings: bool,
    ok_requests: Counter,
    /// The readers whose lag `/metrics` shows.
    shown: Mutex<Vec<String>>,
    data_dir: PathBuf,
    /// Whether the process is about to end.
    stopping: AtomicBool,
}

/// How long requests are still listened to when the process ends, to be told so: a connection that is
/// closed instead leaves its sender in doubt.
const FAREWELL: Duration = Duration::from_millis(400);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Limits that handlers check.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body.
    pub body_bytes: usize,
    /// The largest body after decompression.
    pub decompressed_bytes: usize,
    /// The journal's cap.
    pub journal_bytes: u64,
    /// What the journal leaves free on the disk.
    pub reserve_bytes: u64,
}

/// Why the service did not start. The operator mends what it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The journal cannot be opened.
    #[error("journal: {0}")]
    Journal(#[source] gatelog_journal::Error),
    /// The embedded store cannot be opened.
    #[error("{0}")]
    Store(#[source] gatelog_store::Error),
    /// What is known of senders is of a later version.
    #[error("senders: {0}")]
    Senders(#[from] senders::LaterVersion),
    /// The configuration is not what it has to be.
    #[error("store.mysql.dsn: {0}")]
    Dsn(String),
    /// What is to be redacted is not what it has to be.
    #[error("{}: {error}", error.key())]
    Redact {
        /// What is wrong.
        #[from]
        error: RuleError,
    },
    /// The outputs cannot be made.
    #[error("{0}")]
    Outputs(#[from] OutputsError),
    /// The filter cannot be used.
    #[error("filter: {0}")]
    Filter(#[from] CompileError),
    /// An address cannot be listened on, or a thread cannot be started.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Counts an answer of `POST /ingest`.
    pub fn count_request(&self, status: StatusCode) {
        if status == StatusCode::OK {
            self.ok_requests.increment(1);
        } else {
            let label = ("status", status.as_str().to_owned());
            self.telemetry
                .counter("gatelog_ingest_requests_total", Some(label))
                .increment(1);
        }
    }

    /// Whether no request is to begin any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What the disk tells of the journal, or has told last.
    pub async fn sight(&self) -> Sight {
        let (journal, dir) = (Arc::clone(&self.journal), self.data_dir.clone());
        let stores = self.stores.clone();
        let look = move || Sight::of(&journal, &dir, &stores);
        self.lookout.sight(look).await
    }

    /// Brings up to date what `/metrics` shows of others.
    pub fn update_gauges(&self, lags: &[Lag]) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge, exact up to 2^53")]
        let set = |name, label, number: u64| self.telemetry.gauge(name, label).set(number as f64);
        set("gatelog_journal_bytes", None, self.journal.used_bytes());
        let dead_letter_bytes = self.dead_letters.used_bytes();
        set("gatelog_dead_letter_bytes", None, dead_letter_bytes);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = shown
            .iter()
            .filter(|reader| !lags.iter().any(|lag| lag.reader == **reader));
        let nothing = gone.map(|reader| Lag {
            reader: reader.clone(),
            records: 0,
            bytes: 0,
            seconds: 0,
        });
        let nothing: Vec<_> = nothing.collect();
        for lag in lags.iter().chain(&nothing) {
            let label = || Some(("reader", lag.reader.clone()));
            set("gatelog_reader_lag_records", label(), lag.records);
            set("gatelog_reader_lag_bytes", label(), lag.bytes);
            set("gatelog_reader_lag_seconds", label(), lag.seconds);
        }
        *shown = lags.iter().map(|lag| lag.reader.clone()).collect();
        drop(shown);
        self.files.update_metrics(&self.telemetry);
        self.telemetry
            .counter("gatelog_journal_damaged_bytes_total", None)
            .absolute(self.journal.damaged_bytes());
        for (store, _) in &self.stores {
            for (column, count) in store.truncated() {
                let label = ("column", column.to_owned());
                let counter = self
                    .telemetry
                    .counter("gatelog_store_truncated_total", Some(label));
                counter.absolute(count);
            }
        }
    }
}

/// A started service.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    admin: Option<AdminServer>,
    /// Where sampling has a budget.
    spent: Option<spent::Keeper>,
    service: Arc<Service>,
    pipelines: Vec<Pipeline>,
    outputs: Outputs,
    keeper: Keeper,
    sweeper: Option<Sweeper>,
    /// Where files are followed.
    files: Option<Files>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    /// Tells the log when the journal takes no records.
    teller: tokio::task::JoinHandle<()>,
    stop_server: watch::Sender<bool>,
    stop_stores: watch::Sender<bool>,
}

/// Starts everything that the configuration names.
///
/// A store that cannot be reached does not prevent the start: records wait in the journal.
///
/// # Errors
/// [`StartError`]: only configuration, the local disk and the address can prevent it.
pub async fn start(config: &Config) -> Result<Running, StartError> {
    let _most = open_files::allow_all();
    start_with(config, None).await
}

/// As [`start`], and sends records on to these outputs alone.
///
/// # Errors
/// As [`start`].
pub async fn start_with_outputs(
    config: &Config,
    outputs: OutputSet,
) -> Result<Running, StartError> {
    start_with(config, Some(outputs)).await
}

/// Starts everything, with these outputs or those of Kong's entities.
#[expect(
    clippy::unused_async,
    reason = "it needs the runtime that it is awaited in: sockets and tasks"
)]
async fn start_with(config: &Config, these: Option<OutputSet>) -> Result<Running, StartError> {
    let listening = || io(format!("listen on {}", config.listen));
    // Before anything is made on the disk: an address that is taken is the commonest mistake. Who
    // connects before all is open is refused, as by a process that is not there.
    let socket = bind(config.listen).map_err(listening())?;
    let admin_socket = bind_admin(config)?;
    let journal = Arc::new(open_journal(config)?);
    let max_bytes = config.journal.max_bytes.as_u64();
    let rules = rules(config)?;
    let runtime_keys = RuntimeKeys::open(&config.data_dir).map_err(io("the runtime keys"))?;
    let (selection, spent) = select(config, &runtime_keys)?;
    let (stores, query_store) = stores::configured(config)?;
    let telemetry = Telemetry::default();
    let stop_stores = watch::Sender::new(false);
    let dead_letters = open_dead_letters(config, &journal)?;
    let senders_reader = journal
        .reader(senders::READER, Start::Oldest)
        .map_err(StartError::Journal)?;
    // Nothing is released before all readers are registered.
    let outgoing = Outgoing::open(config, these, &journal, &dead_letters, &telemetry)?;
    forget_other_readers(&journal, &stores, &outgoing.registered);
    let pipelines = start_pipelines(&stores, &journal, &dead_letters, &telemetry, &stop_stores)?;
    let sweeper = start_sweeper(config, &pipelines, &telemetry, &stop_stores)?;
    let (outputs, plugins) = outgoing.start(config, &stop_stores)?;
    let (senders, keeper) = start_senders(config, &journal, senders_reader)?;
    let listener = socket.listen(BACKLOG).map_err(listening())?;
    let address = listener
        .local_addr()
        .map_err(io("the listener's address"))?;
    let admin = start_admin(config, admin_socket, runtime_keys, plugins)?;
    let healths = pipelines
        .iter()
        .map(|pipeline| Arc::clone(&pipeline.health));
    let ok = ("status", "200".to_owned());
    let service = Arc::new(Service {
        journal,
        intake: Intake::new(random(), IntakeMetrics::new(&telemetry), max_bytes)
            .selecting(selection)
            .redacting(rules),
        senders,
        stores: stores.into_iter().zip(healths).collect(),
        outputs: outputs.clone(),
        dead_letters,
        query_store,
        room: Room::default(),
        lookout: Lookout::default(),
        refused: Refused::default(),
        files: Board::default(),
        decoders: Semaphore::new(api::ingest::LARGE_AT_ONCE),
        limits: limits(config),
        empty_strings: config.compat.empty_strings,
        ok_requests: telemetry.counter("gatelog_ingest_requests_total", Some(ok)),
        telemetry,
        shown: Mutex::default(),
        data_dir: config.data_dir.clone(),
        stopping: AtomicBool::new(false),
    });
    let files = follow(config, &service)?;
    let stop_server = watch::Sender::new(false);
    let server = serve(listener, &service, &stop_server);
    let teller = tokio::spawn(refusal::tell(Arc::clone(&service)));
    tracing::info!(
        %address,
        admin = admin.as_ref().map(|admin| tracing::field::display(admin.address)),
        data_dir = %config.data_dir.display(),
        "gatelog is listening"
    );
    Ok(Running {
        address,
        admin,
        spent,
        service,
        pipelines,
        outputs,
        keeper,
        sweeper,
        files,
        server,
        teller,
        stop_server,
        stop_stores,
    })
}

/// A socket with this address, which it is an error to bind while another process listens there.
fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the process before may still be ending.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The socket of the admin listener, unless it is off.
fn bind_admin(config: &Config) -> Result<Option<TcpSocket>, StartError> {
    let Some(address) = config.admin_listen.address() else {
        return Ok(None);
    };
    let what = format!("listen on {address} (admin_listen; `off` goes without)");
    bind(address).map(Some).map_err(io(what))
}

/// Starts the admin listener, unless it is off.
fn start_admin(
    config: &Config,
    socket: Option<TcpSocket>,
    keys: RuntimeKeys,
    plugins: Arc<dyn Plugins>,
) -> Result<Option<AdminServer>, StartError> {
    let Some(socket) = socket else {
        return Ok(None);
    };
    let reads = config.filter.as_ref().map_or_else(Vec::new, reads);
    let read_only = config.kong().has_plugins();
    let admin = Admin::new(keys, reads, plugins, read_only);
    let router = api::admin::router(Arc::new(admin));
    let server = socket
        .listen(BACKLOG)
        .and_then(|listener| AdminServer::start(listener, router));
    let what = format!("listen on {}", config.admin_listen);
    server.map(Some).map_err(io(what))
}

/// What decides which records are kept, and what keeps in mind how much of a budget that has taken.
fn select(
    config: &Config,
    keys: &RuntimeKeys,
) -> Result<(Selection, Option<spent::Keeper>), StartError> {
    let selection = Selection::configured(config, keys.runtime())?;
    for warning in selection.warnings() {
        tracing::warn!(warning, "filter");
    }
    let budget = config
        .sample
        .as_ref()
        .and_then(|sample| sample.budget_per_day);
    let sampler = selection.sampler().filter(|_| budget.is_some());
    let spent = sampler.map(|sampler| spent::Keeper::start(&config.data_dir, sampler));
    Ok((selection, spent))
}

fn limits(config: &Config) -> Limits {
    Limits {
        body_bytes: bytes(config.ingest.max_body_bytes),
        decompressed_bytes: bytes(config.ingest.max_decompressed_bytes),
        journal_bytes: config.journal.max_bytes.as_u64(),
        reserve_bytes: config.journal.reserve_bytes.as_u64(),
    }
}

/// Answers what comes to the data listener.
fn serve(
    listener: TcpListener,
    service: &Arc<Service>,
    stop: &watch::Sender<bool>,
) -> tokio::task::JoinHandle<std::io::Result<()>> {
    let handler = api::handler(service);
    let served = Arc::clone(service);
    let acknowledge = move || served.journal.acknowledger().run();
    let refuse = api::ingest::stopping;
    let server = api::server::serve(listener, handler, refuse, stop.subscribe(), acknowledge);
    tokio::spawn(server)
}

fn open_journal(config: &Config) -> Result<Journal, StartError> {
    let journal_config = gatelog_journal::Config {
        max_bytes: config.journal.max_bytes.as_u64(),
        reserve_bytes: config.journal.reserve_bytes.as_u64(),
        sync: match config.journal.sync {
            Sync::Fsync => gatelog_journal::Sync::Fsync,
            Sync::None => gatelog_journal::Sync::None,
        },
        ..gatelog_journal::Config::default()
    };
    let journal = Journal::open(&config.data_dir.join("journal"), journal_config)
        .map_err(StartError::Journal)?;
    let recovered = journal.recovered();
    if recovered.torn_bytes > 0 {
        tracing::info!(
            bytes = recovered.torn_bytes,
            "recovery cut an unfinished write"
        );
    }
    for problem in &recovered.problems {
        tracing::error!(problem, "the journal was found damaged");
    }
    if config.journal.sync == Sync::None {
        tracing::warn!("journal.sync is none: records are acknowledged before they are on disk");
    }
    Ok(journal)
}

/// What is redacted.
fn rules(config: &Config) -> Result<Rules, StartError> {
    let key = hash_key::of(&config.redact, &config.data_dir);
    let key = key.map_err(io("the key of redact.how: hash"))?;
    Ok(Rules::new(&config.redact, key.as_deref())?)
}

fn open_dead_letters(config: &Config, journal: &Journal) -> Result<DeadLetters, StartError> {
    let max_bytes = config.dead_letter.max_bytes.as_u64();
    DeadLetters::open(&config.data_dir, max_bytes, &journal.id().to_string())
        .map_err(io("open the directory of the dead letters"))
}

/// Starts what deletes old rows, if the configuration wants it.
fn start_sweeper(
    config: &Config,
    pipelines: &[Pipeline],
    telemetry: &Telemetry,
    stop: &watch::Sender<bool>,
) -> Result<Option<Sweeper>, StartError> {
    let store = pipelines.iter().find(|pipeline| pipeline.name == "mysql");
    let (Some(retention), Some(store)) = (stores::retention(config)?, store) else {
        return Ok(None);
    };
    let health = Arc::clone(&store.health);
    Sweeper::start(retention, health, telemetry, stop.subscribe())
        .map(Some)
        .map_err(io("start a thread"))
}

/// Begins to follow files, if the configuration names any.
fn follow(config: &Config, service: &Arc<Service>) -> Result<Option<Files>, StartError> {
    let sources = config.sources.iter().map(|source| source.file.clone());
    let sources: Vec<_> = sources.collect();
    if sources.is_empty() {
        return Ok(None);
    }
    let started = file::prepare(&config.data_dir, sources)
        .and_then(|prepared| prepared.start(Arc::clone(service)));
    started.map(Some).map_err(io("sources.file"))
}

impl Running {
    /// Ends it in the order of the flow: new requests are refused, those under way answered, the stores
    /// drained as far as they manage, the journal closed.
    pub async fn stop(self) {
        self.service.stopping.store(true, Ordering::Relaxed);
        if let Some(admin) = self.admin {
            admin.stop().await;
        }
        if let Some(files) = self.files {
            let ended = tokio::task::spawn_blocking(move || files.stop());
            let _ended = ended.await.is_ok();
        }
        tokio::time::sleep(FAREWELL).await;
        self.stop_server.send_replace(true);
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the server did not start"),
            Err(_) => tracing::error!("the server ended in a panic"),
        }
        self.stop_stores.send_replace(true);
        if let Some(spent) = self.spent {
            spent.stop().await;
        }
        // It holds the service, and so the lock of the data directory.
        self.teller.abort();
        let _aborted = self.teller.await.is_err();
        let (pipelines, outputs, keeper) = (self.pipelines, self.outputs, self.keeper);
        let sweeper = self.sweeper;
        let joined = tokio::task::spawn_blocking(move || {
            if let Some(sweeper) = sweeper {
                sweeper.join();
            }
            keeper.stop();
            for pipeline in pipelines {
                pipeline.join();
            }
            outputs.join();
        });
        let _ended = joined.await.is_ok();
        let waiting_bytes: u64 = self
            .service
            .journal
            .lags()
            .iter()
            .map(|lag| lag.bytes)
            .sum();
        tracing::info!(waiting_bytes, "gatelog has stopped");
    }
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

fn bytes(size: bytesize::ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

/// A number that differs from process to process: the seed of the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
