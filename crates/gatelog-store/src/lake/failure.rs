//! Why the lake's disk work failed, told apart by who can help.

use std::io::ErrorKind;
use std::path::Path;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

use crate::Error;

/// The store's name in messages.
pub(super) const NAME: &str = "lake";

/// A failure that can be told more than once, as everything after it fails until the lake is
/// opened again.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    whose: Whose,
    reason: String,
}

/// Who can help.
#[derive(Clone, Copy, Debug)]
enum Whose {
    /// Time.
    Nobodys,
    Operators,
    Askers,
}

impl Failure {
    /// A failure that may be gone in a moment.
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            whose: Whose::Nobodys,
            reason: reason.into(),
        }
    }

    /// A failure that stays until the operator acts.
    pub(super) fn unusable(reason: impl Into<String>) -> Self {
        Self {
            whose: Whose::Operators,
            reason: reason.into(),
        }
    }

    /// A question that cannot be answered.
    pub(super) fn unanswerable(reason: impl Into<String>) -> Self {
        Self {
            whose: Whose::Askers,
            reason: reason.into(),
        }
    }

    /// What the file system answered about a path.
    pub(super) fn io(what: &str, path: &Path, error: &std::io::Error) -> Self {
        let reason = format!("{what} {}: {error}", path.display());
        match error.kind() {
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists => Self::unusable(reason),
            _ => Self::unavailable(reason),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { whose, reason } = failure;
        let store = NAME;
        match whose {
            Whose::Nobodys => Error::Unavailable { store, reason },
            Whose::Operators => Error::Unusable { store, reason },
            Whose::Askers => Error::Unanswerable { store, reason },
        }
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::unavailable(format!("rows in memory: {error}"))
    }
}

impl From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        let full = matches!(&error, ParquetError::External(source)
            if source.downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == ErrorKind::StorageFull));
        let reason = format!("writing a Parquet file: {error}");
        if full {
            Self::unusable(reason)
        } else {
            Self::unavailable(reason)
        }
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self::unavailable(format!("query: {}", error.strip_backtrace()))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let reason = format!("catalogue: {error}");
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase,
            ) => Self::unusable(reason),
            _ => Self::unavailable(reason),
        }
    }
}
