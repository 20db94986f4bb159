//! What the crate promises, from outside.

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod coding;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod json_scan;
#[cfg(test)]
mod request;
