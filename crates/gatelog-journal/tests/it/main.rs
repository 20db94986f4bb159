//! The journal's promises, in one binary.

#[cfg(test)]
mod append;
#[cfg(test)]
mod model;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod torn_tail;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod journals;
