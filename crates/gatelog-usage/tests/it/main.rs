//! What the crate promises, from outside.

#[cfg(test)]
mod json_scan;
