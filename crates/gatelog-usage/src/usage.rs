//! What a request used.

/// What was found in a response. What it did not tell is `None`; a zero that it told is `Some(0)`.
///
/// The numbers are the provider's own. Providers do not count alike: with Anthropic and Bedrock `input`
/// is without what came from and went into the cache, with the others `cached` is a part of `input`;
/// with Gemini `output` is without `reasoning`, with the others that is a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The model that answered, at most 256 bytes of it.
    pub model: Option<String>,
    /// The provider's id of the answer, at most 256 bytes of it.
    pub chat_id: Option<String>,
    /// Tokens of the prompt.
    pub input: Option<u64>,
    /// Tokens of the answer.
    pub output: Option<u64>,
    /// All tokens as the provider told them; else the sum of what is known, if `input` is.
    pub total: Option<u64>,
    /// Tokens of the prompt that came from the provider's cache.
    pub cached: Option<u64>,
    /// Tokens of the prompt that were written to the provider's cache.
    pub cache_creation: Option<u64>,
    /// Tokens that the model thought in.
    pub reasoning: Option<u64>,
    /// Whether the answer came in one piece; `None` when it was no text that could hold usage.
    pub response_type: Option<ResponseType>,
    /// Why not all of the body was read, if so. The other fields have what was seen before.
    pub unread: Option<Unread>,
}

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// As one document.
    Normal,
    /// In events, lines or the elements of an array.
    Stream,
}

impl ResponseType {
    /// The word of Higress' `ai_log`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Stream => "stream",
        }
    }
}

/// Why a body could not be read to its end. Its usage is unknown, and worth a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// As many compressed bodies as the [`Budget`](crate::Budget) allows were being read.
    Busy,
    /// Its content coding is not known, or it has more than one.
    Coding,
    /// It refers to what is further back than 1 MiB.
    Window,
    /// It expands to more than [`MAX_BYTES`](crate::MAX_BYTES), or out of all proportion.
    TooMuch,
    /// It is not in the coding that its header says.
    Broken,
}

impl Unread {
    /// A word for a counter's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Coding => "coding",
            Self::Window => "window",
            Self::TooMuch => "too_much",
            Self::Broken => "broken",
        }
    }
}
