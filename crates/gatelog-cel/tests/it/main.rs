//! What the crate promises, from outside.

#[cfg(test)]
mod any_text;
#[cfg(test)]
mod envoy;
