//! What an LLM request used, read from its bodies as they pass.
//!
//! **Shape.** A [`Request`] is fed the pieces of a request body and tells the model that is asked for.
//! A [`Response`] is fed the pieces of the answer as they are on the wire, compressed or not, and gives a
//! [`Usage`] at the end, or wherever the answer broke off. On the way a piece is decompressed (`coding`),
//! taken apart into documents (`walk`: events, lines, Amazon's frames, or one document), and each document
//! is scanned for the values at a few places ([`json_scan`]), which `place` lists and `tally` keeps, unless
//! it is an event that says nothing new (`repeat`).
//! The scanner, and [`EventLines`] before it, are of use for other readers of JSON that passes, too.
//!
//! **Invariants.** No piece is held back: the caller passes each on as it came. What is
//! found does not depend on how the body was cut. What is not told is `None`; a zero is `Some(0)`. Later
//! values replace earlier ones, `null` replaces nothing, and a number that was cut off is none. The
//! provider's total is kept; a sum stands in its place only when no total was told.
//!
//! **Limits.** A plain body costs less than 2 KiB of memory, whatever its size: one text of 256 bytes, an
//! event of 512, the model, the id and the counts. A compressed one costs 43 KiB (gzip, deflate), or its window, at most
//! 1 MiB, and up to 1 MiB besides (br, zstd), while it has a place of a [`Budget`]. It is expanded to at
//! most [`MAX_BYTES`], and to no more than 512 KiB and 256 times what has come. The tables of formats are
//! less than 100 KiB, once ([`prepare`]). No I/O, no clock: the crate builds for wasm32 as it is.
//!
//! **Failure.** None is told as an error: a body that is no LLM's has no usage, and one that cannot be read
//! has [`Usage::unread`]. No bytes make it panic.
//!
//! **Formats.** Places with a `[]` stand for every element of an array. Every member of the second table is
//! looked for in every object of usage of the first one.
//!
//! | format | objects of usage | model; id |
//! |---|---|---|
//! | `OpenAI` chat, completions, embeddings; Mistral, `DeepSeek`, Doubao, Ollama's `/v1` and others | `usage` | `model`; `id` |
//! | `OpenAI` responses | `usage`, in events `response.usage` | `model`, `response.model`; `id`, `response.id` |
//! | Anthropic messages | `usage`, in `message_start` `message.usage` | `model`, `message.model`; `id`, `message.id` |
//! | Moonshot, Groq in events | `choices[].usage`, `x_groq.usage` | `model`; `id` |
//! | Gemini, Vertex: object, events, array | `usageMetadata`, `[].usageMetadata` | `modelVersion`; `responseId` |
//! | Bedrock Converse: document, `vnd.amazon.eventstream` | `usage` | of the request; none |
//! | Cohere v1 | `meta`, `response.meta` | of the request; `generation_id` |
//! | Cohere v2 | `usage`, `delta.usage` | of the request; `id` |
//! | Ollama | the document | `model`; none |
//! | `DashScope` | `usage` | of the request; `request_id` |
//! | `DashScope` applications | the elements of `usage.models`, summed | `usage.models[].model_id`, the first; `request_id` |
//! | Hunyuan | `Response.Usage`, `Usage` | of the request; `Response.Id`, `Id` |
//! | Spark | `payload.usage.text` | of the request; `header.sid` |
//!
//! | field | members |
//! |---|---|
//! | input | `prompt_tokens`, `input_tokens`, `inputTokens`, `PromptTokens`, `promptTokenCount`, `prompt_eval_count`, `tokens.input_tokens`, else `billed_units.input_tokens` |
//! | output | `completion_tokens`, `output_tokens`, `outputTokens`, `CompletionTokens`, `candidatesTokenCount`, `eval_count`, `tokens.output_tokens`, else `billed_units.output_tokens` |
//! | total | `total_tokens`, `totalTokens`, `TotalTokens`, `totalTokenCount`; else input and output, and with Anthropic and Bedrock what came from and went into the cache |
//! | cached | `prompt_tokens_details.cached_tokens`, `input_tokens_details.cached_tokens`, `cache_read_input_tokens`, `cacheReadInputTokens`, `cachedContentTokenCount`, `prompt_cache_hit_tokens`, else `cached_tokens` |
//! | cache creation | `cache_creation_input_tokens` (also in `prompt_tokens_details`), `cacheWriteInputTokens`, `prompt_tokens_details.cache_write_tokens` |
//! | reasoning | `completion_tokens_details.reasoning_tokens`, `output_tokens_details.reasoning_tokens`, `thoughtsTokenCount`, else `reasoning_tokens` |
//!
//! Not read: `InvokeModelWithResponseStream` of Bedrock, whose events are base64 in JSON; multipart bodies;
//! what comes over a web socket or gRPC.
//!
//! **Source.** The providers' references of their interfaces; the HTML standard for events; RFC 9110, 1952,
//! 7932 and 8878 for codings. How it looks to an operator: `docs/usage.md`.
//!
//! ```
//! use gatelog_usage::{Budget, Request, Response};
//!
//! let mut request = Request::new("/v1/chat/completions");
//! request.feed(br#"{"messages":[],"mod"#);
//! request.feed(br#"el":"gpt-4o","stream":true}"#);
//! assert_eq!(request.model(), Some("gpt-4o"));
//!
//! // One budget for a worker.
//! let budget = Budget::default();
//! let mut response = Response::new("text/event-stream", "", &budget);
//! let first = response.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n");
//! assert!(first.token);
//! response.feed(b"data: {\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":0,\"total_tok");
//! let usage = response.finish();
//! assert_eq!((usage.input, usage.output, usage.total), (Some(9), Some(0), Some(9)));
//! ```

// What callers have in their hands.
mod budget;
mod request;
mod response;
mod usage;

// From the wire to documents.
mod coding;
mod content;
mod event_frames;
mod event_lines;
mod walk;

// From documents to counts.
pub mod json_scan;
mod model_path;
mod place;
mod repeat;
mod tally;

pub use budget::Budget;
pub use coding::MAX_BYTES;
pub use event_lines::{EventLines, Part};
pub use request::Request;
pub use response::{Response, Seen, prepare};
pub use usage::{ResponseType, Unread, Usage};
