//! The Kong entities that are in force, and how they are changed.
//!
//! **Shape.** [`Plugins`] is what the Admin API asks and changes. Who implements it (`in_force`) makes outputs
//! of the entities and keeps the entities on the disk (`era_file`); the Admin API knows neither.
//!
//! **Invariants.** A change is the whole of the entities: what is in force is always one [`Kong`] that
//! [`instances`](crate::config::plugins::instances) has found right. Whoever changes them holds a lock
//! of its own around [`Plugins::current`] and [`Plugins::replace`].

mod era_file;
mod in_force;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::in_force::Kongs;
use crate::config::plugins::Kong;

/// The Kong entities that are in force, and how they are changed.
pub trait Plugins: Send + Sync + fmt::Debug {
    /// What is in force.
    fn current(&self) -> Arc<Kong>;

    /// Puts these in force. When it returns, they are on stable storage and count for every record that
    /// is received from now on. It blocks (disk).
    ///
    /// # Errors
    /// [`ReplaceError`]: what was in force before still is, but for [`ReplaceError::Unsure`].
    fn replace(&self, entities: Kong) -> Result<(), ReplaceError>;
}

/// Why entities were not put in force. Those before them still are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// They cannot be used: who sent them mends what the text names.
    #[error("{0}")]
    Refused(String),
    /// They could not be kept, or no output could be made of them: it may be tried again.
    #[error("the entities were not kept: {0}")]
    Io(#[from] std::io::Error),
    /// They are in force, and it is not sure that they still are after a failure of the machine: it may
    /// be tried again when the disk is well.
    #[error("the entities are in force, and may be the former ones after a power failure: {0}")]
    Unsure(#[source] std::io::Error),
}

/// Entities that cannot be changed.
#[derive(Debug)]
pub struct Fixed(Arc<Kong>);

impl Fixed {
    /// These.
    pub fn new(entities: Kong) -> Self {
        Self(Arc::new(entities))
    }
}

impl Plugins for Fixed {
    fn current(&self) -> Arc<Kong> {
        Arc::clone(&self.0)
    }

    fn replace(&self, _: Kong) -> Result<(), ReplaceError> {
        let text = "the plugins are those of the configuration file";
        Err(ReplaceError::Refused(text.to_owned()))
    }
}
