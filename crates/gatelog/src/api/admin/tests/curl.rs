//! The seeds' commands, as a shell runs them.
