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
    /// Whether the operator has to act.
    unusable: bool,
    reason: String,
}

impl Failure {
    /// A failure that may be gone in a moment.
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            unusable: false,
            reason: reason.into(),
        }
    }

    /// A failure that stays until the operator acts.
    pub(super) fn unusable(reason: impl Into<String>) -> Self {
        Self {
            unusable: true,
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
        let Failure { unusable, reason } = failure;
        if unusable {
            Error::Unusable {
                store: NAME,
                reason,
            }
        } else {
            Error::Unavailable {
                store: NAME,
                reason,
            }
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
