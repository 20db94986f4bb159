//! The stores of a service, as the configuration names them.

use std::sync::Arc;
use std::time::Duration;

use gatelog_store::lake::{self, Lake};
use gatelog_store::mysql::{DEFAULT_TABLE, Dsn, MysqlStore, Retention};
use gatelog_store::{Gathering, Store};

use super::StartError;
use crate::config::{Config, Mysql, StoreName};

/// Bytes of the journal in one transaction: some 5,000 records, after which a commit costs nothing
/// beside its rows.
const MYSQL_BATCH_BYTES: usize = 4 << 20;

/// Stores, and the one of them that answers queries.
type Stores = (Vec<Arc<dyn Store>>, Arc<dyn Store>);

/// The stores that the configuration names.
pub(super) fn configured(config: &Config) -> Result<Stores, StartError> {
    let mysql = config.store.mysql.as_ref();
    let weighs = config.filter.is_some() || config.sample.is_some();
    let mysql = mysql.map(|mysql| mysql_store(mysql, weighs)).transpose()?;
    let lake = if config.store.lake.is_some() || mysql.is_none() {
        let lake = Lake::new(&config.data_dir, lake::Config::default());
        Some(Arc::new(lake.map_err(StartError::Store)?) as Arc<dyn Store>)
    } else {
        None
    };
    let answering = match (&mysql, &lake) {
        (_, Some(lake)) if config.query_store == Some(StoreName::Lake) => lake,
        (Some(mysql), _) => mysql,
        (None, Some(lake)) => lake,
        (None, None) => unreachable!("without MySQL the lake is on"),
    };
    let answering = Arc::clone(answering);
    Ok((mysql.into_iter().chain(lake).collect(), answering))
}

fn mysql_store(config: &Mysql, weighs: bool) -> Result<Arc<dyn Store>, StartError> {
    let (dsn, warnings) = dsn(config)?;
    for warning in warnings {
        tracing::warn!(warning, "store.mysql.dsn");
    }
    let gathering = Gathering {
        bytes: MYSQL_BATCH_BYTES,
        records: config.batch_records,
        delay: Duration::from_millis(config.batch_delay_ms),
    };
    let store = MysqlStore::new(dsn, DEFAULT_TABLE)
        .with_gathering(gathering)
        .with_connections(usize::from(config.connections))
        .with_weights(weighs);
    Ok(Arc::new(store))
}

/// What deletes rows by their age, if the configuration wants it.
pub(super) fn retention(config: &Config) -> Result<Option<Retention>, StartError> {
    let Some(mysql) = &config.store.mysql else {
        return Ok(None);
    };
    let Some(age) = mysql.retention else {
        return Ok(None);
    };
    let (dsn, _) = dsn(mysql)?;
    Ok(Some(Retention::new(dsn, DEFAULT_TABLE, age.duration())))
}

fn dsn(config: &Mysql) -> Result<(Dsn, Vec<String>), StartError> {
    let authorities = config.tls_ca.as_deref();
    if let Some(file) = authorities {
        // Each connection reads it; what is wrong with it from the start is told now.
        std::fs::File::open(file).map_err(|source| StartError::Io {
            what: format!("store.mysql.tls_ca {}", file.display()),
            source,
        })?;
    }
    Dsn::parse_trusting(config.dsn.reveal(), authorities)
        .map_err(|error| StartError::Dsn(error.to_string()))
}
