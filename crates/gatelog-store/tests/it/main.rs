//! The stores, through their common interface, in one binary: fewer links, quicker tests.

#[cfg(test)]
mod failpoints;
#[cfg(test)]
mod himarket;
#[cfg(test)]
mod lake;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod mysql;
