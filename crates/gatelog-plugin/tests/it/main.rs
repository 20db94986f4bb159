//! The built plugin in the real Envoy.
//!
//! `cargo xtask test` builds the one and installs the other; `GATELOG_PLUGIN` and `GATELOG_ENVOY`
//! name others.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod metadata_hub;
#[cfg(test)]
mod odd_bytes;
#[cfg(test)]
mod page;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rules;
