//! Why a store did not do what it was asked.

/// The result of a store.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a store did not do what it was asked. The caller tries again later in every case; what
/// differs is who can help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be reached or is busy; it may be back in a moment.
    #[error("{store} is not available: {reason}")]
    Unavailable {
        /// The store's name.
        store: &'static str,
        /// What happened.
        reason: String,
    },
    /// The store is there but cannot be used as it is: wrong credentials, a table without the
    /// columns that are needed, a full disk. The operator has to act.
    #[error("{store} cannot be used: {reason}")]
    Unusable {
        /// The store's name.
        store: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
}
