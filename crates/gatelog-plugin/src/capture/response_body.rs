//! What a response's body says: the tokens that were used or how the tool ended, and its beginning
//! where it is captured.

use gatelog_record::AccessRecord;
use gatelog_usage::{Budget, Response, ResponseType, Seen, Unread, Usage};

use super::exchange::ms_between;
use super::mcp::Outcomes;
use super::media::Media;
use super::prefix::Prefix;

/// A response's body as it passes.
pub(super) struct ResponseBody {
    reader: Reader,
    captured: Prefix,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it stands in a box, and most are of the large one"
)]
enum Reader {
    /// Nothing is read of it.
    None,
    Llm {
        response: Response,
        seen: Seen,
        /// When the model's first token came.
        first_token_ns: Option<u64>,
    },
    Mcp(Outcomes),
}

impl ResponseBody {
    /// One of which nothing is read but what is captured.
    pub(super) fn captured(captured: Prefix) -> Self {
        Self {
            reader: Reader::None,
            captured,
        }
    }

    /// The answer to a call of MCP. One that is compressed is not read.
    pub(super) fn of_mcp(content_type: &str, encoding: &str, captured: Prefix) -> Self {
        let is_stream = match Media::of(content_type) {
            _ if !encoding.is_empty() => None,
            Media::Json => Some(false),
            Media::Events => Some(true),
            Media::Other => None,
        };
        Self {
            reader: is_stream.map_or(Reader::None, |is_stream| {
                Reader::Mcp(Outcomes::new(is_stream))
            }),
            captured,
        }
    }

    /// The answer to any other request with a body, which may be one of an LLM. One that cannot be read from
    /// its first byte on is kept too: it is counted.
    pub(super) fn of_llm(
        content_type: &str,
        encoding: &str,
        captured: Prefix,
        budget: &Budget,
    ) -> Self {
        let response = Response::new(content_type, encoding, budget);
        let reader = if response.can_hold_usage() {
            Reader::Llm {
                response,
                seen: Seen::default(),
                first_token_ns: None,
            }
        } else {
            Reader::None
        };
        Self { reader, captured }
    }

    /// Whether nothing of it will be in the record.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.reader, Reader::None) && self.captured.is_full()
    }

    /// How many of these bytes are wanted.
    pub(super) fn wants(&mut self, bytes: usize) -> usize {
        match &self.reader {
            Reader::Mcp(_) => bytes,
            Reader::Llm { response, .. } if response.is_reading() => bytes,
            _ => bytes.min(self.captured.wants()),
        }
    }

    /// The next piece of it; the clock is asked where the moment matters.
    pub(super) fn feed(&mut self, piece: &[u8], now_ns: impl Fn() -> u64) {
        self.captured.push(piece);
        match &mut self.reader {
            Reader::None => {}
            Reader::Mcp(outcomes) => outcomes.feed(piece),
            Reader::Llm {
                response,
                seen,
                first_token_ns,
            } => {
                *seen = response.feed(piece);
                if seen.token && first_token_ns.is_none() {
                    *first_token_ns = Some(now_ns());
                }
            }
        }
    }

    /// Writes what was found to the record of a request that began then, and of which the request's
    /// body has been written. Says why an answer of an LLM was not read to its end.
    pub(super) fn fill(
        self,
        start_ns: Option<i64>,
        record: &mut AccessRecord<'static>,
    ) -> Option<Unread> {
        record.response_body = self.captured.text().map(Into::into);
        match self.reader {
            Reader::None => None,
            Reader::Mcp(outcomes) => {
                record.mcp_status = outcomes.finish().map(Into::into);
                None
            }
            Reader::Llm {
                response,
                seen,
                first_token_ns,
            } => {
                let usage = response.finish();
                if !is_llm(record, &usage, seen) {
                    return None;
                }
                if usage.response_type == Some(ResponseType::Stream) {
                    record.ai_first_token_duration =
                        first_token_ns.and_then(|at_ns| ms_between(start_ns?, at_ns));
                }
                let unread = usage.unread;
                write(usage, record);
                unread
            }
        }
    }
}

/// Whether the answer is an LLM's: it tells tokens or text, or a model was asked for. Other APIs have
/// ids and models too.
fn is_llm(record: &AccessRecord<'_>, usage: &Usage, seen: Seen) -> bool {
    let tokens = [usage.input, usage.output, usage.total];
    record.requested_model.is_some() || seen.token || tokens.iter().any(Option::is_some)
}

fn write(usage: Usage, record: &mut AccessRecord<'static>) {
    let number = |tokens: Option<u64>| tokens.and_then(|tokens| i64::try_from(tokens).ok());
    record.model = usage.model.map(Into::into);
    record.ai_chat_id = usage.chat_id.map(Into::into);
    record.input_tokens = number(usage.input);
    record.output_tokens = number(usage.output);
    record.total_tokens = number(usage.total);
    record.cached_tokens = number(usage.cached);
    record.cache_creation_tokens = number(usage.cache_creation);
    record.reasoning_tokens = number(usage.reasoning);
    record.ai_response_type = usage.response_type.map(|kind| kind.as_str().into());
}
