//! What an LLM request used, read from its bodies as they pass.

mod budget;
mod coding;
mod content;
mod event_frames;
mod event_lines;
pub mod json_scan;
mod model_path;
mod place;
mod request;
mod response;
mod tally;
mod usage;
mod walk;

pub use budget::Budget;
pub use coding::MAX_BYTES;
pub use request::Request;
pub use response::{Response, Seen, prepare};
pub use usage::{ResponseType, Unread, Usage};
