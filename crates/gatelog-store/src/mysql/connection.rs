//! Connections: how they are made, and how long anything on them may take.
//!
//! **Invariants.** Whatever the server's configuration, a session has UTC as its time zone, utf8mb4
//! as its character set, statements outside of a transaction are committed, and backslashes escape in
//! its string literals. Nothing on the network is awaited without a limit.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::consts::StatusFlags;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{
    Conn, DriverError, FromRowError, Opts, OptsBuilder, Params, PoolConstraints, PoolOpts, Row,
    SslOpts, from_row_opt,
};
use tokio::time::timeout;

use super::dsn::{Address, Dsn, Tls};
use super::error::{Failure, unavailable};
use crate::Result;

/// A session's settings. Strict, so that a value which does not fit is an error and not another
/// value; without `NO_BACKSLASH_ESCAPES`, as literals are escaped for that.
const SESSION: &str = "SET NAMES utf8mb4, time_zone = '+00:00', autocommit = 1, \
    sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'";

/// How long a query may run before the server itself ends it. Read by MariaDB and by MySQL, each
/// its own comment.
const SESSION_LIMIT: &str =
    " /*M!100101 , max_statement_time = 30 */ /*!50708 , max_execution_time = 30000 */";

/// Connections that queries may have at a time.
const QUERY_CONNECTIONS: usize = 4;

/// The way to the server.
#[derive(Debug)]
pub(super) struct Door {
    dsn: Dsn,
    /// The server was found to have no TLS, and that is good enough.
    without_tls: AtomicBool,
}

impl Door {
    pub(super) fn new(dsn: Dsn) -> Self {
        Self {
            dsn,
            without_tls: AtomicBool::new(false),
        }
    }

    /// The limit for one statement and its answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.dsn.answer_timeout()
    }

    /// The most that a statement may take, of what the server says and the DSN.
    pub(super) fn max_packet_bytes(&self, server: u64) -> usize {
        let server = usize::try_from(server).unwrap_or(usize::MAX);
        server.min(self.dsn.max_packet_bytes.unwrap_or(usize::MAX))
    }

    /// After how many seconds without a statement the server ends a session, and gives back its locks,
    /// if it may be `idle` for so long. A network that forgets a connection tells neither end, and the
    /// next session has to wait for what that one holds: for 8 h if it is left to the server.
    fn silence_seconds(&self, idle: Duration) -> u64 {
        /// What servers have by default.
        const MOST: u64 = 28_800;
        let longest = self.answer_timeout().max(idle);
        (longest.as_secs() + 2).min(MOST)
    }

    /// Makes a connection that writes, at the latest `idle` after its last statement.
    pub(super) async fn connect(&self, idle: Duration) -> Result<Conn> {
        let session = format!("{SESSION}, wait_timeout = {}", self.silence_seconds(idle));
        loop {
            let connecting = Conn::new(self.opts(session.clone()));
            match within(self.dsn.connect_timeout, connecting).await {
                Ok(conn) => return self.checked(conn),
                Err(failure) if self.learns_from(&failure) => {}
                Err(failure) => return Err(failure.into_error(&self.connecting())),
            }
        }
    }

    /// The options of a pool's connections, that read.
    pub(super) fn pool_opts(&self) -> Opts {
        let constraints = PoolConstraints::new(0, QUERY_CONNECTIONS).unwrap_or_default();
        let pool = PoolOpts::new()
            .with_constraints(constraints)
            // A query leaves nothing behind in its session.
            .with_reset_connection(false);
        OptsBuilder::from_opts(self.opts(format!("{SESSION}{SESSION_LIMIT}")))
            .pool_opts(pool)
            .into()
    }

    /// `connecting to user@tcp(…)/…`, for errors.
    pub(super) fn connecting(&self) -> String {
        format!("connecting to {}", self.dsn)
    }

    /// Whether another attempt will be another one: TLS is preferred, and the server has none.
    pub(super) fn learns_from(&self, failure: &Failure) -> bool {
        let no_tls = matches!(
            failure,
            Failure::Driver(mysql_async::Error::Driver(
                DriverError::NoClientSslFlagFromServer
            ))
        );
        no_tls && self.dsn.plaintext_fallback && !self.without_tls.swap(true, Ordering::Relaxed)
    }

    /// A proxy that swallows the session's settings would let texts out of their quotes.
    fn checked(&self, conn: Conn) -> Result<Conn> {
        let escapes = conn.last_ok_packet().is_some_and(|ok| {
            let flags = ok.status_flags();
            !flags.contains(StatusFlags::SERVER_STATUS_NO_BACKSLASH_ESCAPES)
        });
        if escapes {
            Ok(conn)
        } else {
            Err(unavailable(format!(
                "{}: the session does not take its sql_mode",
                self.connecting()
            )))
        }
    }

    fn opts(&self, session: String) -> Opts {
        let dsn = &self.dsn;
        let tls = match &dsn.tls {
            Tls::Off => None,
            _ if self.without_tls.load(Ordering::Relaxed) => None,
            Tls::Checked(None) => Some(SslOpts::default()),
            Tls::Checked(Some(authorities)) => Some(
                SslOpts::default()
                    .with_root_certs(vec![authorities.clone().into()])
                    .with_disable_built_in_roots(true),
            ),
            Tls::Unchecked => Some(
                SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true),
            ),
        };
        let opts = OptsBuilder::default()
            .user(Some(&dsn.user))
            .pass(Some(&dsn.password))
            .db_name(Some(&dsn.database))
            .ssl_opts(tls)
            .enable_cleartext_plugin(dsn.cleartext_password)
            // Stay with the address that was given, though the server may have a socket here.
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .init(vec![session]);
        match &dsn.address {
            Address::Tcp(host, port) => opts.ip_or_hostname(host).tcp_port(*port),
            Address::Unix(path) => opts.socket(Some(path)),
        }
        .into()
    }
}

/// What `work` gives, if it gives it in time.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = mysql_async::Result<T>>,
) -> std::result::Result<T, Failure> {
    timeout(limit, work)
        .await
        .map_err(|_| Failure::Late(limit))?
        .map_err(Failure::Driver)
}

/// Runs a statement without rows.
pub(super) async fn run(
    conn: &mut Conn,
    limit: Duration,
    statement: &[u8],
) -> std::result::Result<(), Failure> {
    within(limit, conn.query_drop(statement)).await
}

/// The rows of a query, each as a `T`.
pub(super) async fn rows<T: FromRow + Send + 'static>(
    conn: &mut Conn,
    statement: &str,
    params: impl Into<Params> + Send,
) -> mysql_async::Result<Vec<T>> {
    let rows: Vec<Row> = conn.exec(statement, params).await?;
    rows.into_iter()
        .map(|row| {
            from_row_opt(row).map_err(|FromRowError(row)| DriverError::FromRow { row }.into())
        })
        .collect()
}
