//! What a request's body says: the model or the tool that is asked for, and its beginning where it
//! is captured.

use gatelog_record::AccessRecord;
use gatelog_usage::Request;

use super::attribute::lossy;
use super::mcp::Calls;
use super::prefix::{Prefix, Room};
use crate::host::Host;

/// A request's body as it passes.
pub(super) struct RequestBody {
    json: Option<Json>,
    captured: Prefix,
}

struct Json {
    llm: Request,
    mcp: Calls,
}

impl RequestBody {
    /// A body of JSON or of something else, of which so many bytes are captured.
    pub(super) fn new(host: &impl Host, is_json: bool, limit: usize, room: &Room) -> Self {
        let path = || host.request_header(":path").map(lossy).unwrap_or_default();
        Self {
            json: is_json.then(|| Json {
                llm: Request::new(&path()),
                mcp: Calls::new(),
            }),
            captured: Prefix::new(limit, room),
        }
    }

    /// How many of these bytes are wanted.
    pub(super) fn wants(&mut self, bytes: usize) -> usize {
        match self.json {
            Some(_) => bytes,
            None => bytes.min(self.captured.wants()),
        }
    }

    /// The next piece of it.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.captured.push(piece);
        if let Some(Json { llm, mcp }) = &mut self.json {
            llm.feed(piece);
            mcp.feed(piece);
        }
    }

    /// Whether MCP's methods are called.
    pub(super) fn is_mcp(&self) -> bool {
        self.json.as_ref().is_some_and(|json| json.mcp.is_mcp())
    }

    /// Writes what was found to the record.
    pub(super) fn fill(self, record: &mut AccessRecord<'static>) {
        record.request_body = self.captured.text().map(Into::into);
        let Some(Json { llm, mcp }) = self.json else {
            return;
        };
        if mcp.is_mcp() {
            let (methods, tools) = mcp.finish();
            record.mcp_method = methods.map(Into::into);
            record.mcp_tool = record.mcp_tool.take().or(tools.map(Into::into));
        } else {
            record.requested_model = llm.model().map(|model| model.to_owned().into());
        }
    }
}
