//! Why a store did not do what it was asked.

/// The result of a store.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a store did not do what it was asked, told apart by who can help: time, the operator, or
/// whoever asked. The caller tries again later in all cases but the last.
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
    /// What the store will never take cannot be put aside, so the records before it are not
    /// stored either. The operator looks at the disk of the dead letter.
    #[error("{store}: the dead letter cannot be written: {source}")]
    Letters {
        /// The store's name.
        store: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The question itself cannot be answered, whenever it is asked: ask differently.
    #[error("{store} cannot answer this: {reason}")]
    Unanswerable {
        /// The store's name.
        store: &'static str,
        /// What is wrong with the question, and how to ask instead.
        reason: String,
    },
}
