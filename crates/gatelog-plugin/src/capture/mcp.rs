//! MCP: which tool was called, and how the call ended, from JSON-RPC as it passes.
//!
//! **Shape.** [`Calls`] reads the request, [`Outcomes`] the answer: both find a few places of each
//! message with the JSON scanner and keep nothing else. A batch is an array of messages. In
//! server-sent events every event holds a message.
//!
//! **Invariants.** Only MCP's own methods count, so that other JSON-RPC is not taken for it. A tool is
//! what `tools/call` names, and nothing else is. Of a batch every method and tool is told once, in
//! order, with commas between; its outcome is the worst of its answers.
//!
//! **Limits.** [`MAX_NAMES`] names of [`MAX_NAME_BYTES`] bytes. What the server asks of the client
//! (answers have no `method`) is not recorded.
//!
//! **Source.** Model Context Protocol 2025-06-18, transports and tools; JSON-RPC 2.0, §4-§6.

mod calls;
mod outcomes;

pub(super) use calls::Calls;
pub(super) use outcomes::Outcomes;

/// Names that a record keeps of a batch.
const MAX_NAMES: usize = 16;

/// Bytes of a name; a longer one is cut.
const MAX_NAME_BYTES: usize = 256;
