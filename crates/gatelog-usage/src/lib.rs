//! What an LLM request used, read from its bodies as they pass.

pub mod json_scan;
