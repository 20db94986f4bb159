//! What the crate promises, from outside.

#[cfg(test)]
mod configuration;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod sampling;
#[cfg(test)]
mod weight;
